//! Enums in JSON: canonical names by number, and what else is understood.

/// An enum whose zero stands for nothing set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tts) struct Enum {
    /// The name that comes out, at its number.
    names: &'static [&'static str],
    /// What else goes in → its number.
    aliases: &'static [(&'static str, usize)],
}

impl Enum {
    /// The canonical name for a name, an alias or a number; `None` when there is no such value.
    pub(in crate::tts) fn canonical(&self, value: &serde_json::Value) -> Option<&'static str> {
        if let Some(number) = value.as_u64() {
            return self.names.get(usize::try_from(number).ok()?).copied();
        }
        let text = value.as_str()?;
        let alias = || Some(self.names[self.aliases.iter().find(|(alias, _)| *alias == text)?.1]);
        self.names.iter().find(|name| **name == text).copied().or_else(alias)
    }

    /// The name that is left out on output.
    pub(in crate::tts) fn zero(&self) -> &'static str {
        self.names[0]
    }
}

/// `lorawan_version`.
pub(in crate::tts) const MAC_VERSION: Enum = Enum {
    names: &["MAC_UNKNOWN", "MAC_V1_0", "MAC_V1_0_1", "MAC_V1_0_2", "MAC_V1_1", "MAC_V1_0_3", "MAC_V1_0_4"],
    aliases: &[
        ("unknown", 0),
        ("UNKNOWN", 0),
        ("1.0", 1),
        ("1.0.0", 1),
        ("V1_0", 1),
        ("1.0.1", 2),
        ("V1_0_1", 2),
        ("1.0.2", 3),
        ("V1_0_2", 3),
        ("1.1", 4),
        ("1.1.0", 4),
        ("V1_1", 4),
        ("1.0.3", 5),
        ("V1_0_3", 5),
        ("1.0.4", 6),
        ("V1_0_4", 6),
    ],
};

/// `lorawan_phy_version`.
pub(in crate::tts) const PHY_VERSION: Enum = Enum {
    names: &[
        "PHY_UNKNOWN",
        "PHY_V1_0",
        "PHY_V1_0_1",
        "PHY_V1_0_2_REV_A",
        "PHY_V1_0_2_REV_B",
        "PHY_V1_1_REV_A",
        "PHY_V1_1_REV_B",
        "PHY_V1_0_3_REV_A",
        "RP002_V1_0_0",
        "RP002_V1_0_1",
        "RP002_V1_0_2",
        "RP002_V1_0_3",
        "RP002_V1_0_4",
    ],
    aliases: &[
        ("unknown", 0),
        ("1.0", 1),
        ("1.0.0", 1),
        ("V1_0", 1),
        ("TS001_V1_0", 1),
        ("1.0.1", 2),
        ("V1_0_1", 2),
        ("TS001_V1_0_1", 2),
        ("1.0.2", 3),
        ("1.0.2-a", 3),
        ("V1_0_2", 3),
        ("V1_0_2_REV_A", 3),
        ("RP001_V1_0_2", 3),
        ("1.0.2-b", 4),
        ("V1_0_2_REV_B", 4),
        ("RP001_V1_0_2_REV_B", 4),
        ("1.1-a", 5),
        ("1.1.0-a", 5),
        ("V1_1_REV_A", 5),
        ("RP001_V1_1_REV_A", 5),
        ("1.1-b", 6),
        ("1.1.0-b", 6),
        ("V1_1_REV_B", 6),
        ("RP001_V1_1_REV_B", 6),
        ("1.0.3-a", 7),
        ("V1_0_3_REV_A", 7),
        ("RP001_V1_0_3_REV_A", 7),
    ],
};

/// `formatters.*_formatter`.
pub(in crate::tts) const FORMATTER: Enum = Enum {
    names: &[
        "FORMATTER_NONE",
        "FORMATTER_REPOSITORY",
        "FORMATTER_GRPC_SERVICE",
        "FORMATTER_JAVASCRIPT",
        "FORMATTER_CAYENNELPP",
    ],
    aliases: &[("NONE", 0), ("REPOSITORY", 1), ("GRPC_SERVICE", 2), ("JAVASCRIPT", 3), ("CAYENNELPP", 4)],
};

/// `priority` of a downlink.
pub(in crate::tts) const PRIORITY: Enum =
    Enum { names: &["LOWEST", "LOW", "BELOW_NORMAL", "NORMAL", "ABOVE_NORMAL", "HIGH", "HIGHEST"], aliases: &[] };

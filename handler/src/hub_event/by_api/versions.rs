//! LoRaWAN versions as tags write them, and as the API's enums do.

/// Every spelling The Things Stack's own JSON takes, without `MAC_`, `V` and case, `_` read as a dot.
const LORAWAN: [(&[&str], &str); 6] = [
    (&["1.0", "1.0.0"], "MAC_V1_0"),
    (&["1.0.1"], "MAC_V1_0_1"),
    (&["1.0.2"], "MAC_V1_0_2"),
    (&["1.0.3"], "MAC_V1_0_3"),
    (&["1.0.4"], "MAC_V1_0_4"),
    (&["1.1", "1.1.0"], "MAC_V1_1"),
];

/// Likewise, without `PHY_`, `TS001_`, `RP001_`, `REV_` and `V`.
const REGIONAL_PARAMETERS: [(&[&str], &str); 12] = [
    (&["1.0", "1.0.0"], "PHY_V1_0"),
    (&["1.0.1"], "PHY_V1_0_1"),
    (&["1.0.2", "1.0.2.A"], "PHY_V1_0_2_REV_A"),
    (&["1.0.2.B"], "PHY_V1_0_2_REV_B"),
    (&["1.0.3", "1.0.3.A"], "PHY_V1_0_3_REV_A"),
    (&["1.1.A", "1.1.0.A"], "PHY_V1_1_REV_A"),
    (&["1.1.B", "1.1.0.B"], "PHY_V1_1_REV_B"),
    (&["RP002.1.0.0"], "RP002_V1_0_0"),
    (&["RP002.1.0.1"], "RP002_V1_0_1"),
    (&["RP002.1.0.2"], "RP002_V1_0_2"),
    (&["RP002.1.0.3"], "RP002_V1_0_3"),
    (&["RP002.1.0.4"], "RP002_V1_0_4"),
];

/// The API's `lorawan_version`.
pub(super) fn lorawan_version(text: &str) -> Option<&'static str> {
    find(&LORAWAN, &plain(text, &["MAC"]))
}

/// The API's `lorawan_phy_version`.
pub(super) fn lorawan_phy_version(text: &str) -> Option<&'static str> {
    find(&REGIONAL_PARAMETERS, &plain(text, &["PHY", "TS001", "RP001", "REV"]))
}

fn find(table: &[(&[&str], &'static str)], text: &str) -> Option<&'static str> {
    table.iter().find(|(spellings, _)| spellings.contains(&text)).map(|(_, name)| *name)
}

/// The parts that matter, in upper case, joined by dots.
fn plain(text: &str, noise: &[&str]) -> String {
    let upper = text.to_ascii_uppercase();
    let parts = upper.split(['_', '-', '.', ' ']).filter(|part| !noise.contains(part));
    parts.map(|part| part.strip_prefix('V').unwrap_or(part)).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_lorawan_version_is_understood() {
        for (spellings, expected) in [
            ("1.0 1.0.0 V1_0 v1_0 MAC_V1_0", "MAC_V1_0"),
            ("1.0.1 V1_0_1 MAC_V1_0_1", "MAC_V1_0_1"),
            ("1.0.2 V1_0_2 MAC_V1_0_2", "MAC_V1_0_2"),
            ("1.0.3 V1_0_3 MAC_V1_0_3", "MAC_V1_0_3"),
            ("1.0.4 V1_0_4 MAC_V1_0_4", "MAC_V1_0_4"),
            ("1.1 1.1.0 V1_1 MAC_V1_1", "MAC_V1_1"),
        ] {
            for spelling in spellings.split(' ') {
                assert_eq!(lorawan_version(spelling), Some(expected), "{spelling}");
            }
        }
        for wrong in ["", "1", "1.2", "1.0.5", "2.0", "MAC_UNKNOWN", "1.0.2-b", "PHY_V1_0"] {
            assert_eq!(lorawan_version(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_spelling_of_a_regional_parameters_version_is_understood() {
        for (spellings, expected) in [
            ("1.0 1.0.0 V1_0 TS001_V1_0 PHY_V1_0", "PHY_V1_0"),
            ("1.0.1 V1_0_1 TS001_V1_0_1 PHY_V1_0_1", "PHY_V1_0_1"),
            ("1.0.2 1.0.2-a V1_0_2 V1_0_2_REV_A RP001_V1_0_2 PHY_V1_0_2_REV_A", "PHY_V1_0_2_REV_A"),
            ("1.0.2-b 1.0.2-B V1_0_2_REV_B RP001_V1_0_2_REV_B PHY_V1_0_2_REV_B", "PHY_V1_0_2_REV_B"),
            ("1.0.3-a RP001_V1_0_3_REV_A PHY_V1_0_3_REV_A", "PHY_V1_0_3_REV_A"),
            ("1.1-a 1.1.0-a V1_1_REV_A RP001_V1_1_REV_A PHY_V1_1_REV_A", "PHY_V1_1_REV_A"),
            ("1.1-b 1.1.0-b V1_1_REV_B RP001_V1_1_REV_B PHY_V1_1_REV_B", "PHY_V1_1_REV_B"),
            ("RP002_V1_0_0 RP002-1.0.0", "RP002_V1_0_0"),
            ("RP002_V1_0_1 RP002-1.0.1", "RP002_V1_0_1"),
            ("RP002_V1_0_2 rp002_v1_0_2", "RP002_V1_0_2"),
            ("RP002_V1_0_3 PHY_RP002_V1_0_3", "RP002_V1_0_3"),
            ("RP002_V1_0_4 RP002-1.0.4", "RP002_V1_0_4"),
        ] {
            for spelling in spellings.split(' ') {
                assert_eq!(lorawan_phy_version(spelling), Some(expected), "{spelling}");
            }
        }
        for wrong in ["", "1.1", "1.0.4", "RP002", "RP002_V1_0_5", "1.0.2-c", "PHY_UNKNOWN"] {
            assert_eq!(lorawan_phy_version(wrong), None, "{wrong}");
        }
    }
}

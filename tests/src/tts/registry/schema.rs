//! The fields of an end device: what each holds, and which servers let it be written.

use super::super::route::Server;
use super::enums::{self, Enum};

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tts) enum Kind {
    /// At most this many characters.
    Text(usize),
    /// Empty, or an id.
    Id,
    /// This many bytes, written in hex.
    Hex(usize),
    Bool,
    Number,
    Enum(Enum),
    /// `host[:port]`.
    Address,
    Time,
    /// Up to ten texts by id.
    Attributes,
    /// Any JSON, addressed as a whole.
    Whole,
    /// A message this stand-in does not look into; every path below it is allowed.
    Open,
}

/// One field, by its path from the end device.
#[derive(Debug, Clone, Copy)]
pub(in crate::tts) struct Field {
    pub(in crate::tts) path: &'static str,
    pub(in crate::tts) kind: Kind,
    /// Servers that have it.
    pub(in crate::tts) servers: &'static [Server],
}

const I: Server = Server::Identity;
const J: Server = Server::Join;
const N: Server = Server::Network;
const A: Server = Server::Application;

const fn field(path: &'static str, kind: Kind, servers: &'static [Server]) -> Field {
    Field { path, kind, servers }
}

/// All fields, those of a message next to each other.
pub(in crate::tts) const FIELDS: [Field; 67] = [
    field("ids.device_id", Kind::Id, &[J, N, A]),
    field("ids.application_ids.application_id", Kind::Id, &[J, N, A]),
    field("ids.dev_eui", Kind::Hex(8), &[J, N, A]),
    field("ids.join_eui", Kind::Hex(8), &[J, N, A]),
    field("ids.dev_addr", Kind::Hex(4), &[]),
    field("name", Kind::Text(50), &[I]),
    field("description", Kind::Text(2000), &[I]),
    field("attributes", Kind::Attributes, &[I]),
    field("version_ids.brand_id", Kind::Id, &[I, N, A]),
    field("version_ids.model_id", Kind::Id, &[I, N, A]),
    field("version_ids.hardware_version", Kind::Text(32), &[I, N, A]),
    field("version_ids.firmware_version", Kind::Text(32), &[I, N, A]),
    field("version_ids.band_id", Kind::Text(32), &[I, N, A]),
    field("network_server_address", Kind::Address, &[I, J]),
    field("application_server_address", Kind::Address, &[I, J]),
    field("join_server_address", Kind::Address, &[I]),
    field("locations", Kind::Whole, &[I]),
    field("picture", Kind::Open, &[I]),
    field("service_profile_id", Kind::Text(64), &[I]),
    field("lora_alliance_profile_ids.vendor_id", Kind::Number, &[I, A]),
    field("lora_alliance_profile_ids.vendor_profile_id", Kind::Number, &[I, A]),
    field("serial_number", Kind::Id, &[I, A]),
    field("claim_authentication_code.value", Kind::Text(32), &[I, J]),
    field("claim_authentication_code.valid_from", Kind::Time, &[I, J]),
    field("claim_authentication_code.valid_to", Kind::Time, &[I, J]),
    field("activated_at", Kind::Time, &[I]),
    field("last_seen_at", Kind::Time, &[I]),
    field("root_keys.root_key_id", Kind::Text(2048), &[J]),
    field("root_keys.app_key.key", Kind::Hex(16), &[J]),
    field("root_keys.nwk_key.key", Kind::Hex(16), &[J]),
    field("net_id", Kind::Hex(3), &[J]),
    field("application_server_id", Kind::Text(100), &[J]),
    field("network_server_kek_label", Kind::Text(2048), &[J]),
    field("application_server_kek_label", Kind::Text(2048), &[J]),
    field("resets_join_nonces", Kind::Bool, &[J]),
    field("provisioner_id", Kind::Id, &[J]),
    field("provisioning_data", Kind::Whole, &[J]),
    field("last_dev_nonce", Kind::Number, &[J]),
    field("last_join_nonce", Kind::Number, &[J]),
    field("last_rj_count_0", Kind::Number, &[J]),
    field("last_rj_count_1", Kind::Number, &[J]),
    field("used_dev_nonces", Kind::Whole, &[J]),
    field("frequency_plan_id", Kind::Text(64), &[N]),
    field("lorawan_version", Kind::Enum(enums::MAC_VERSION), &[N]),
    field("lorawan_phy_version", Kind::Enum(enums::PHY_VERSION), &[N]),
    field("supports_join", Kind::Bool, &[N]),
    field("supports_class_b", Kind::Bool, &[N]),
    field("supports_class_c", Kind::Bool, &[N]),
    field("multicast", Kind::Bool, &[N]),
    field("mac_settings", Kind::Open, &[N]),
    field("mac_state", Kind::Open, &[N]),
    field("session.dev_addr", Kind::Hex(4), &[N, A]),
    field("session.keys.session_key_id", Kind::Text(4096), &[N, A]),
    field("session.keys.app_s_key.key", Kind::Hex(16), &[A]),
    field("session.keys.f_nwk_s_int_key.key", Kind::Hex(16), &[N]),
    field("session.keys.nwk_s_enc_key.key", Kind::Hex(16), &[N]),
    field("session.keys.s_nwk_s_int_key.key", Kind::Hex(16), &[N]),
    field("session.last_a_f_cnt_down", Kind::Number, &[A]),
    field("session.last_f_cnt_up", Kind::Number, &[N]),
    field("session.last_n_f_cnt_down", Kind::Number, &[N]),
    field("battery_percentage", Kind::Number, &[N]),
    field("formatters.up_formatter", Kind::Enum(enums::FORMATTER), &[A]),
    field("formatters.up_formatter_parameter", Kind::Text(40_960), &[A]),
    field("formatters.down_formatter", Kind::Enum(enums::FORMATTER), &[A]),
    field("formatters.down_formatter_parameter", Kind::Text(40_960), &[A]),
    field("skip_payload_crypto", Kind::Bool, &[A]),
    field("skip_payload_crypto_override", Kind::Bool, &[A]),
];

/// Messages that are only written field by field.
const ONLY_BY_FIELD: [&str; 2] = ["session", "session.keys"];

/// Whether `outer` is a message around `inner`.
pub(in crate::tts) fn is_around(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a server lets a path of a field mask be written.
pub(in crate::tts) fn is_writable(server: Server, path: &str) -> bool {
    !ONLY_BY_FIELD.contains(&path) && FIELDS.iter().any(|field| field.servers.contains(&server) && names(field, path))
}

/// Whether a server lets a path of a field mask be read.
pub(in crate::tts) fn is_readable(server: Server, path: &str) -> bool {
    let is_common = ["created_at", "updated_at"].contains(&path);
    is_common || path == "ids" || is_around("ids", path) && is_known(path) || is_known_to(server, path)
}

fn is_known(path: &str) -> bool {
    FIELDS.iter().any(|field| names(field, path))
}

fn is_known_to(server: Server, path: &str) -> bool {
    FIELDS.iter().any(|field| field.servers.contains(&server) && names(field, path))
}

fn names(field: &Field, path: &str) -> bool {
    field.path == path || is_around(path, field.path) || field.kind == Kind::Open && is_around(field.path, path)
}

//! Who may call the API: API keys and their rights.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use super::options::Options;
use super::rejection::{Code, Rejection};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new key: `NNSXS`, an id of 39 and a secret of 52 base32 characters.
pub(super) fn generate_api_key() -> String {
    let part = |length| (0..length).map(|_| char::from(BASE32[fastrand::usize(..32)])).collect::<String>();
    format!("NNSXS.{}.{}", part(39), part(52))
}

/// Every right there is for an application.
pub(super) const ALL: &str = "RIGHT_APPLICATION_ALL";

/// Rights that requests need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Info,
    DevicesRead,
    DevicesReadKeys,
    DevicesWrite,
    DevicesWriteKeys,
    TrafficRead,
    TrafficDownWrite,
    TrafficUpWrite,
    SettingsBasic,
}

impl Right {
    fn name(self) -> &'static str {
        match self {
            Self::Info => "RIGHT_APPLICATION_INFO",
            Self::DevicesRead => "RIGHT_APPLICATION_DEVICES_READ",
            Self::DevicesReadKeys => "RIGHT_APPLICATION_DEVICES_READ_KEYS",
            Self::DevicesWrite => "RIGHT_APPLICATION_DEVICES_WRITE",
            Self::DevicesWriteKeys => "RIGHT_APPLICATION_DEVICES_WRITE_KEYS",
            Self::TrafficRead => "RIGHT_APPLICATION_TRAFFIC_READ",
            Self::TrafficDownWrite => "RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE",
            Self::TrafficUpWrite => "RIGHT_APPLICATION_TRAFFIC_UP_WRITE",
            Self::SettingsBasic => "RIGHT_APPLICATION_SETTINGS_BASIC",
        }
    }
}

/// Lets the known key use the applications there are.
pub(super) fn authorize(headers: &HeaderMap, options: &Options, application_id: &str) -> Result<(), Rejection> {
    authenticate(headers, &options.api_key)?;
    if options.has_application(application_id) && !options.rights.is_empty() {
        return Ok(());
    }
    let message = format!("no rights for application `{application_id}`");
    Err(Rejection::new(Code::PermissionDenied, "pkg/auth/rights", "no_application_rights", message)
        .with("uid", application_id))
}

/// Refuses what the key may not do.
pub(super) fn require(options: &Options, application_id: &str, rights: &[Right]) -> Result<(), Rejection> {
    let has = |right: &Right| options.rights.iter().any(|name| name == ALL || name == right.name());
    let missing: Vec<&str> = rights.iter().filter(|right| !has(right)).map(|right| right.name()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("insufficient rights for application `{application_id}`");
    Err(Rejection::new(Code::PermissionDenied, "pkg/auth/rights", "insufficient_application_rights", message)
        .with("uid", application_id)
        .with_value("missing", missing.into()))
}

pub(super) fn authenticate(headers: &HeaderMap, api_key: &str) -> Result<(), Rejection> {
    let unauthenticated =
        |namespace, name, message| Err(Rejection::new(Code::Unauthenticated, namespace, name, message));
    let Some(authorization) = headers.get(AUTHORIZATION) else {
        return unauthenticated("pkg/auth/rights", "unauthenticated", "unauthenticated");
    };
    let (scheme, token) = authorization.to_str().unwrap_or_default().split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return unauthenticated("pkg/identityserver", "unsupported_authorization", "unsupported authorization method");
    }
    let parts: Vec<&str> = token.split('.').collect();
    if parts.len() != 3 || parts[0] != "NNSXS" {
        // Not 401: the token is refused before anybody is asked whose it is.
        return Err(Rejection::new(Code::InvalidArgument, "pkg/auth", "token", "invalid token"));
    }
    if !bool::from(subtle::ConstantTimeEq::ct_eq(token.as_bytes(), api_key.as_bytes())) {
        return unauthenticated("pkg/identityserver", "api_key_not_found", "API key not found");
    }
    Ok(())
}

/// Whether a key looks like one that was issued.
pub(super) fn is_api_key(key: &str) -> bool {
    let base32 = |part: &str, length| part.len() == length && part.bytes().all(|byte| BASE32.contains(&byte));
    let parts: Vec<&str> = key.split('.').collect();
    matches!(parts.as_slice(), ["NNSXS", id, secret] if base32(id, 39) && base32(secret, 52))
}

//! `SharedKey` authorization: a request signed with the account's key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use reqwest::Url;
use sha2::Sha256;
use time::OffsetDateTime;

/// The version of the REST API that is spoken.
pub(super) const API_VERSION: &str = "2021-12-02";

/// The media type of every body that is sent.
pub(super) const CONTENT_TYPE: &str = "application/xml";

/// An account's name and its decoded key.
#[derive(Clone)]
pub(super) struct SharedKey {
    account: String,
    key: Vec<u8>,
}

impl std::fmt::Debug for SharedKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SharedKey({})", self.account)
    }
}

impl SharedKey {
    /// From the parts of a connection string; `None` if the key is not base64.
    pub(super) fn new(account: &str, key: &str) -> Option<Self> {
        Some(Self { account: account.to_owned(), key: STANDARD.decode(key).ok()? })
    }

    /// The value of `Authorization` for a request with these very headers: `x-ms-date`, `x-ms-version` and, with a
    /// body, `Content-Type`.
    pub(super) fn authorization(&self, method: &str, url: &Url, date: &str, body_length: usize) -> String {
        let (length, content_type) = match body_length {
            0 => (String::new(), ""),
            length => (length.to_string(), CONTENT_TYPE),
        };
        let resource = self.canonicalized_resource(url);
        let text = format!(
            "{method}\n\n\n{length}\n\n{content_type}\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{API_VERSION}\n{resource}"
        );
        // A key of any length makes an HMAC.
        let signature = Hmac::<Sha256>::new_from_slice(&self.key).map(|mut hmac| {
            hmac.update(text.as_bytes());
            STANDARD.encode(hmac.finalize().into_bytes())
        });
        format!("SharedKey {}:{}", self.account, signature.unwrap_or_default())
    }

    /// Account and path, in which an endpoint of path style has the account once more, then the decoded query by name.
    fn canonicalized_resource(&self, url: &Url) -> String {
        let mut query: Vec<_> = url.query_pairs().map(|(name, value)| format!("\n{name}:{value}")).collect();
        query.sort();
        format!("/{}{}{}", self.account, url.path(), query.concat())
    }
}

/// A date as HTTP writes it.
pub(super) fn http_date(time: OffsetDateTime) -> String {
    let (weekday, month) = (time.weekday().to_string(), time.month().to_string());
    let (hour, minute, second) = time.to_hms();
    let (day, year) = (time.day(), time.year());
    format!("{}, {day:02} {} {year:04} {hour:02}:{minute:02}:{second:02} GMT", &weekday[..3], &month[..3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_wants_them() {
        let time = OffsetDateTime::from_unix_timestamp(1_795_204_805).unwrap();
        assert_eq!(http_date(time), "Fri, 20 Nov 2026 20:00:05 GMT");
    }

    #[test]
    fn the_resource_names_a_path_style_account_twice_and_its_query_decoded_and_sorted() {
        let key = SharedKey::new("devstoreaccount1", "a2V5").unwrap();
        let url = "http://127.0.0.1:10001/devstoreaccount1/jobs/messages/1?visibilitytimeout=5&popreceipt=a%2Bb%3D";
        assert_eq!(
            key.canonicalized_resource(&Url::parse(url).unwrap()),
            "/devstoreaccount1/devstoreaccount1/jobs/messages/1\npopreceipt:a+b=\nvisibilitytimeout:5"
        );
    }

    #[test]
    fn the_key_is_not_shown_and_must_be_base64() {
        assert_eq!(format!("{:?}", SharedKey::new("a", "a2V5").unwrap()), "SharedKey(a)");
        assert!(SharedKey::new("a", "no base64").is_none());
    }
}

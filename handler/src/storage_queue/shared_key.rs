//! Signatures with an account's key: pure, the time is in the request.
//! See <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use url::Url;

use crate::secret::Secret;

/// What is signed of a request.
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a Url,
    pub(super) content_type: &'a str,
    pub(super) content_length: usize,
    /// `x-ms-…` headers, lower case and in alphabetical order.
    pub(super) headers: &'a [(&'a str, &'a str)],
}

/// The `Authorization` header's value.
pub(super) fn authorization(account_name: &str, key: &Secret, request: &Unsigned<'_>) -> String {
    // A key that is not base64 cannot come out of settings; an empty one merely fails to verify at the service.
    let key = STANDARD.decode(key.expose()).unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(string_to_sign(account_name, request).as_bytes());
    format!("SharedKey {account_name}:{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn string_to_sign(account_name: &str, request: &Unsigned<'_>) -> String {
    let length = Some(request.content_length).filter(|length| *length > 0).map(|length| length.to_string());
    let (method, length, content_type) = (request.method, length.unwrap_or_default(), request.content_type);
    // The gaps: encoding, language; MD5; date, four conditions, range.
    let mut text = format!("{method}\n\n\n{length}\n\n{content_type}\n\n\n\n\n\n\n");
    for (name, value) in request.headers {
        text.extend([name, ":", value, "\n"]);
    }
    // An emulator's path begins with the account's name, which is then there twice.
    text.extend(["/", account_name, request.url.path()]);
    let mut parameters: Vec<_> =
        request.url.query_pairs().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    parameters.sort();
    for (name, value) in parameters {
        text.extend(["\n", &name, ":", &value]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: [(&str, &str); 2] = [("x-ms-date", "Sat, 21 Nov 2026 10:00:00 GMT"), ("x-ms-version", "2023-11-03")];

    fn signed(account_name: &str, method: &str, url: &str, content_type: &str, content_length: usize) -> String {
        let key =
            Secret::new("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==");
        let url = Url::parse(url).unwrap();
        authorization(
            account_name,
            &key,
            &Unsigned { method, url: &url, content_type, content_length, headers: &HEADERS },
        )
    }

    #[test]
    fn signatures_equal_those_of_the_official_python_sdk() {
        assert_eq!(
            signed(
                "devstoreaccount1",
                "GET",
                "http://127.0.0.1:10001/devstoreaccount1/dead-letter/messages?numofmessages=32&visibilitytimeout=120",
                "",
                0
            ),
            "SharedKey devstoreaccount1:gAlhkOT2RX439LKasL/VwpKfGKlKJM1uWLvPvQ5luXI="
        );
        let queue = "https://plant.queue.core.windows.net";
        for (method, path, content_type, length, expected) in [
            (
                "POST",
                "/parked/messages?messagettl=-1",
                "application/xml",
                79,
                "fBXArrDfPqw5sA+F3ANmZkS0wntOLcKo5+9kYLesoPE=",
            ),
            (
                "DELETE",
                "/dead-letter/messages/6a1c?popreceipt=AgAAAAMAAAAAAAAAu%2BsQ%3D%3D",
                "",
                0,
                "61ZxH6fVD/XHj7HsiEcgsynIkabTdrn9Oei8W4FNGrw=",
            ),
            (
                "PUT",
                "/parked/messages/6a1c?visibilitytimeout=0&popreceipt=Zz%3D",
                "",
                0,
                "Ck1wJxXavS3VSTsI3jQ1ffMKvaRz/KSIPYXwjNRaLng=",
            ),
        ] {
            let found = signed("plant", method, &format!("{queue}{path}"), content_type, length);
            assert_eq!(found, format!("SharedKey plant:{expected}"), "{method} {path}");
        }
    }
}

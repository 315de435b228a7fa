//! Who issued a token, to whom, for what and until when. Tokens look as JSON web tokens do, signed with a key of our own.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

/// Issues tokens, and knows its own from fakes.
#[derive(Debug)]
pub struct Directory {
    key: [u8; 32],
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: String,
    /// Object id: who.
    oid: String,
    /// Client id.
    appid: String,
    nbf: i64,
    exp: i64,
    /// Makes every token another.
    uti: String,
}

impl Default for Directory {
    fn default() -> Self {
        let mut key = [0; 32];
        key.fill_with(|| fastrand::u8(..));
        Self { key }
    }
}

impl Directory {
    /// A token for a principal, valid from now on until `expires_on` (Unix seconds).
    #[must_use]
    pub fn issue(&self, principal_id: &str, client_id: &str, audience: &str, (now, expires_on): (i64, i64)) -> String {
        let claims = Claims {
            aud: audience.to_owned(),
            oid: principal_id.to_owned(),
            appid: client_id.to_owned(),
            nbf: now,
            exp: expires_on,
            uti: Uuid::new_v4().simple().to_string(),
        };
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(json!({"alg": "HS256", "typ": "JWT"})), part(json!(claims)));
        let signature = URL_SAFE_NO_PAD.encode(self.mac(&signed).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    /// The principal a token was issued to.
    ///
    /// # Errors
    /// Why the token opens nothing.
    pub fn principal_of(&self, token: &str, audience: &str, now: i64) -> Result<String, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("not a web token")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "not a web token")?;
        self.mac(signed).verify_slice(&signature).map_err(|_| "token not issued here")?;
        let claims = signed.split_once('.').and_then(|(_, claims)| URL_SAFE_NO_PAD.decode(claims).ok());
        let claims: Option<Claims> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
        let claims = claims.ok_or("not a web token")?;
        if claims.aud.trim_end_matches('/') != audience {
            return Err("token for another audience");
        }
        if !(claims.nbf..claims.exp).contains(&now) {
            return Err("token expired");
        }
        Ok(claims.oid)
    }

    fn mac(&self, signed: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(signed.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_what_it_was_issued_for_while_it_is_valid() {
        let directory = Directory::default();
        let token = directory.issue("someone", "app", "https://hub", (100, 200));
        assert_eq!(directory.principal_of(&token, "https://hub", 100), Ok("someone".to_owned()));
        assert_eq!(directory.principal_of(&token, "https://hub", 200), Err("token expired"));
        assert_eq!(directory.principal_of(&token, "https://hub", 99), Err("token expired"));
        assert_eq!(directory.principal_of(&token, "https://vault", 100), Err("token for another audience"));
        assert_eq!(Directory::default().principal_of(&token, "https://hub", 100), Err("token not issued here"));
        let (head, rest) = token.split_once('.').unwrap();
        let forged = format!("{head}.x{rest}");
        assert_eq!(directory.principal_of(&forged, "https://hub", 100), Err("token not issued here"));
        for text in ["", ".", "a.b.c", "a.b.é"] {
            assert!(directory.principal_of(text, "https://hub", 100).is_err(), "{text}");
        }
    }
}

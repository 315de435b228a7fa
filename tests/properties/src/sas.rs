//! Shared access signatures: the hub stand-in accepts every token the handler makes, and panics at none it is given.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use handler::fuzzing::sas_token;
use handler::secret::Secret;
use hyper::header::HeaderValue;
use local::iot_hub::sas::Token;

use crate::lines;

/// Lines: key, policy, expiry, resource. The whole is tried as a token, too.
pub fn sas(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for token in [Token::parse(&text), Token::parse(&format!("SharedAccessSignature {text}"))].into_iter().flatten() {
        let _ = (token.is_signed_by(&text), token.is_signed_by(""), token.is_expired(0), token.scope());
    }
    let [key, policy, expiry, resource] = lines(&text);
    let expiry: u32 = expiry.parse().unwrap_or(1);
    let key = STANDARD.encode(key);
    for policy in [Some(policy), None] {
        is_accepted(resource, &key, policy, expiry);
    }
}

fn is_accepted(resource: &str, key: &str, policy: Option<&str>, expiry: u32) {
    let text = sas_token(resource, &Secret::new(key), policy, expiry.into());
    HeaderValue::from_str(&text).expect("a header's value");
    let token = Token::parse(&text).expect("the verifier reads what the signer writes");
    assert!(token.is_signed_by(key), "{text}");
    assert!(!token.is_signed_by(&STANDARD.encode(format!("other{key}"))), "{text}");
    assert_eq!(token.policy.as_deref(), policy.filter(|policy| !policy.is_empty()));
    assert!(token.is_expired(expiry.into()) && !token.is_expired(i64::from(expiry) - 1));
    let scope = token.scope().expect("a scope");
    let mut expected = resource.trim_end_matches('/').split('/');
    assert_eq!(Some(scope.host.as_str()), expected.next());
    assert!(scope.path.iter().map(String::as_str).eq(expected), "{text}");
}

//! Valid JSON as a list of words, read without a JSON library so that nothing of the text gets lost.

/// The text's words without white space, commas and colons, and without the members called one of `left_out` at any
/// depth. A key ends in a colon and is decoded where it is text at all; every other word is as written.
///
/// `text` must be valid JSON.
#[must_use]
pub fn words(text: &str, left_out: &[&str]) -> Vec<String> {
    let tokens = tokens(text);
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if tokens.get(at + 1) == Some(&":") {
            let key = key(token);
            at += 2;
            if left_out.contains(&key.as_str()) {
                at += value_length(&tokens[at..]);
            } else {
                words.push(key + ":");
            }
        } else {
            words.extend((*token != ",").then(|| (*token).to_owned()));
            at += 1;
        }
    }
    words
}

/// Whether any object of the text has a member of one of these names. `text` must be valid JSON.
#[must_use]
pub fn has_member(text: &str, names: &[&str]) -> bool {
    words(text, names) != words(text, &[])
}

/// Half a surrogate pair cannot be decoded; such a key is compared as written.
fn key(token: &str) -> String {
    serde_json::from_str(token).unwrap_or_else(|_| token.to_owned())
}

fn value_length(tokens: &[&str]) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate() {
        match *token {
            "{" | "[" => depth += 1,
            "}" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            '{' | '}' | '[' | ']' | ',' | ':' => 1,
            _ => rest.find(|c: char| c.is_ascii_whitespace() || "{}[],:\"".contains(c)).unwrap_or(rest.len()),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_left_out_whole_and_the_rest_stays_as_written() {
        let text = r#"{"a": {"\u006b":[{"x":1}], "b":1e999}, "k" : "}" ,"\ud800":["k:", -0.0]}"#;
        let expected = ["{", "a:", "{", "b:", "1e999", "}", "\"\\ud800\":", "[", "\"k:\"", "-0.0", "]", "}"];
        assert_eq!(words(text, &["k"]), expected);
        assert!(has_member(text, &["k"]) && !has_member(text, &["k:", "c"]));
    }
}

//! The words of a route condition.

use super::ParseError;

/// One word and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) position: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, a number, a function or a bare property name.
    Word,
    /// `$body.a[0]`, `$twin.tags.x`, `$contentType`.
    Reference,
    /// The text between quotes.
    Quoted,
    Open,
    Close,
    Comparison,
    End,
}

impl Token {
    pub(super) fn is_keyword(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    pub(super) fn unexpected(&self, expected: &'static str) -> ParseError {
        let found = if self.kind == Kind::End { "the end".to_owned() } else { format!("`{}`", self.text) };
        ParseError { position: self.position, found, expected }
    }
}

/// Cuts a condition into words; the last one is always [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&first) = characters.get(at) {
        if first.is_whitespace() {
            at += 1;
            continue;
        }
        let rest = &characters[at..];
        let (kind, length) = match first {
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            '\'' | '"' => (Kind::Quoted, quoted_length(rest)),
            '$' => (
                Kind::Reference,
                1 + length_of(&rest[1..], |character| is_name(character) || "[]$".contains(character)),
            ),
            '=' | '<' | '>' | '!' => (Kind::Comparison, comparison_length(rest)),
            character if is_name(character) => (Kind::Word, length_of(rest, is_name)),
            _ => (Kind::Word, 0),
        };
        tokens.push(token(kind, rest, length, at + 1)?);
        at += length;
    }
    tokens.push(Token { kind: Kind::End, text: String::new(), position: characters.len() + 1 });
    Ok(tokens)
}

fn token(kind: Kind, rest: &[char], length: usize, position: usize) -> Result<Token, ParseError> {
    let error = |found: &[char], expected| {
        Err(ParseError { position, found: format!("`{}`", found.iter().collect::<String>()), expected })
    };
    match (kind, length) {
        (Kind::Quoted, 0) => error(rest, "a closing quote"),
        (_, 0) => error(&rest[..1], "a name, a value or an operator"),
        (Kind::Quoted, _) => Ok(Token { kind, text: rest[1..length - 1].iter().collect(), position }),
        _ => Ok(Token { kind, text: rest[..length].iter().collect(), position }),
    }
}

/// Dots belong to names: to a reference they separate keys, to a number its fraction.
fn is_name(character: char) -> bool {
    !character.is_whitespace() && !character.is_control() && !"$()<>@,;:\\\"/?={}[]'!".contains(character)
}

fn length_of(characters: &[char], belongs: impl Fn(char) -> bool) -> usize {
    characters.iter().take_while(|character| belongs(**character)).count()
}

fn quoted_length(rest: &[char]) -> usize {
    rest[1..].iter().position(|character| *character == rest[0]).map_or(0, |end| end + 2)
}

fn comparison_length(rest: &[char]) -> usize {
    match (rest[0], rest.get(1)) {
        ('<' | '>' | '!', Some('=')) | ('<', Some('>')) => 2,
        ('!', _) => 0,
        _ => 1,
    }
}

//! Queries over twins: `SELECT … FROM devices WHERE …`, as far as lists of devices need it.
//!
//! Conditions are those of routes, over paths into the twin. There is no `IN`, no grouping and no order.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::error::HubError;
use super::query::{Condition, RoutedMessage};

const PAGE: usize = 100;

/// A query that makes sense.
#[derive(Debug)]
pub(crate) struct TwinQuery {
    columns: Columns,
    condition: Option<Condition>,
}

#[derive(Debug, PartialEq)]
enum Columns {
    All,
    /// Under this name.
    Count(String),
    /// Paths and the names they are answered under.
    Paths(Vec<(String, String)>),
}

/// One page of an answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    pub(crate) continuation: Option<String>,
}

impl TwinQuery {
    pub(crate) fn parse(text: &str) -> Result<Self, HubError> {
        let error = || HubError::argument(format!("query: '{text}' is not SELECT … FROM devices [WHERE …]"));
        let (select, rest) = split_at_word(text, "from").ok_or_else(error)?;
        let (from, condition) = match split_at_word(rest, "where") {
            Some((from, condition)) => (from, Some(condition)),
            None => (rest, None),
        };
        let select = select.trim_start();
        let has_select = select.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"));
        if !has_select || !from.trim().eq_ignore_ascii_case("devices") {
            return Err(error());
        }
        let condition = condition.map(Condition::parse).transpose();
        let condition = condition.map_err(|error| HubError::argument(format!("query: WHERE: {error}")))?;
        Ok(Self { columns: columns(select[6..].trim()), condition })
    }

    /// `x-ms-item-type`.
    pub(crate) fn item_type(&self) -> &'static str {
        if self.columns == Columns::All { "Twin" } else { "Raw" }
    }

    /// `continuation` is what the page before ended with.
    pub(crate) fn page(
        &self,
        twins: impl Iterator<Item = Value>,
        size: Option<usize>,
        continuation: Option<&str>,
    ) -> Result<Page, HubError> {
        let skipped = continuation.map_or(Ok(0), offset)?;
        let size = size.unwrap_or(PAGE).clamp(1, PAGE);
        let mut twins = twins.filter(|twin| self.matches(twin)).skip(skipped);
        let paths = match &self.columns {
            Columns::Count(name) => {
                let count = twins.count() + skipped;
                return Ok(Page { items: vec![json!({ name.as_str(): count })], continuation: None });
            }
            Columns::All => None,
            Columns::Paths(paths) => Some(paths),
        };
        let items: Vec<_> = twins.by_ref().take(size).map(|twin| selected(twin, paths)).collect();
        let continuation = twins.next().map(|_| STANDARD.encode((skipped + items.len()).to_string()));
        Ok(Page { items, continuation })
    }

    fn matches(&self, twin: &Value) -> bool {
        let Some(condition) = &self.condition else { return true };
        let (mut properties, none) = (Map::new(), Map::new());
        flatten("", twin, &mut properties);
        condition.matches(&RoutedMessage { body: None, twin: None, properties: &properties, system: &none })
    }
}

/// At the first such word outside quotes.
fn split_at_word<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let mut quote = None;
    let is_edge = |edge: Option<char>| edge.is_none_or(char::is_whitespace);
    for (index, character) in text.char_indices() {
        match quote {
            Some(open) if open == character => quote = None,
            None if matches!(character, '\'' | '"') => quote = Some(character),
            Some(_) | None => {}
        }
        let end = index + word.len();
        let found = text.get(index..end).is_some_and(|found| found.eq_ignore_ascii_case(word));
        if quote.is_none() && found && is_edge(text[..index].chars().last()) && is_edge(text[end..].chars().next()) {
            return Some((&text[..index], &text[end..]));
        }
    }
    None
}

fn columns(text: &str) -> Columns {
    if text == "*" {
        return Columns::All;
    }
    let column = |column: &str| match split_at_word(column, "as") {
        Some((path, name)) => (path.trim().to_owned(), name.trim().to_owned()),
        None => {
            let path = column.trim();
            (path.to_owned(), path.rsplit('.').next().unwrap_or(path).to_owned())
        }
    };
    let columns: Vec<_> = text.split(',').map(column).collect();
    match columns.as_slice() {
        [(path, name)] if path.eq_ignore_ascii_case("count()") => {
            Columns::Count(if path == name { "$1".to_owned() } else { name.clone() })
        }
        _ => Columns::Paths(columns),
    }
}

fn offset(continuation: &str) -> Result<usize, HubError> {
    let text = STANDARD.decode(continuation).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let offset = text.and_then(|text| text.parse().ok());
    offset.ok_or_else(|| HubError::argument("x-ms-continuation is not one of ours"))
}

fn selected(twin: Value, paths: Option<&Vec<(String, String)>>) -> Value {
    let Some(paths) = paths else { return twin };
    let found = |path: &str| path.split('.').try_fold(&twin, |value, key| value.get(key)).cloned();
    let columns = paths.iter().filter_map(|(path, name)| Some((name.clone(), found(path)?)));
    Value::Object(columns.collect())
}

/// Every value under its whole path: route conditions know properties by name only.
fn flatten(prefix: &str, value: &Value, into: &mut Map<String, Value>) {
    let Value::Object(object) = value else { return };
    for (key, value) in object {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        flatten(&path, value, into);
        into.insert(path, value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twins() -> Vec<Value> {
        let twin = |id: &str, site: &str, level: u8| json!({"deviceId": id, "tags": {"lorawan": {"site": site}}, "properties": {"reported": {"level": level}}});
        vec![twin("a", "roof from here", 1), twin("b", "cellar", 2), twin("c", "roof from here", 3)]
    }

    fn ask(query: &str) -> Result<Value, HubError> {
        let page = TwinQuery::parse(query)?.page(twins().into_iter(), None, None)?;
        Ok(Value::Array(page.items))
    }

    #[test]
    fn a_query_selects_columns_of_the_twins_it_asks_for() {
        let table = [
            ("SELECT deviceId FROM devices", json!([{"deviceId": "a"}, {"deviceId": "b"}, {"deviceId": "c"}])),
            ("select deviceId from devices where tags.lorawan.site = 'cellar'", json!([{"deviceId": "b"}])),
            (
                "SELECT deviceId, properties.reported.level AS l FROM devices WHERE tags.lorawan.site = 'roof from here' AND properties.reported.level > 1",
                json!([{"deviceId": "c", "l": 3}]),
            ),
            ("SELECT tags.lorawan FROM devices WHERE deviceId='b'", json!([{"lorawan": {"site": "cellar"}}])),
            ("SELECT COUNT() AS n FROM devices WHERE is_defined(tags.lorawan)", json!([{"n": 3}])),
            ("SELECT * FROM devices WHERE tags.missing = 1", json!([])),
        ];
        for (query, expected) in table {
            assert_eq!(ask(query), Ok(expected), "{query}");
        }
        assert_eq!(ask("SELECT * FROM devices"), Ok(Value::Array(twins())));
    }

    #[test]
    fn a_long_answer_comes_in_pages() {
        let query = TwinQuery::parse("SELECT deviceId FROM devices").unwrap();
        let first = query.page(twins().into_iter(), Some(2), None).unwrap();
        assert_eq!(first.items, [json!({"deviceId": "a"}), json!({"deviceId": "b"})]);
        let second = query.page(twins().into_iter(), Some(2), first.continuation.as_deref()).unwrap();
        assert_eq!(second, Page { items: vec![json!({"deviceId": "c"})], continuation: None });
        assert!(query.page(twins().into_iter(), None, Some("x")).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        for query in ["", "SELECT *", "DELETE * FROM devices", "SELECT * FROM jobs", "SELECT * FROM devices WHERE ="] {
            assert_eq!(ask(query).unwrap_err().code.name(), "ArgumentInvalid", "{query}");
        }
    }
}

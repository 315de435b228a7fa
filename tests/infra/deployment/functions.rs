//! The functions our templates use, as far as they need no Azure.

use super::Value;
use super::scope::Scope;

/// Stands for what `uniqueString` makes: thirteen small letters and digits.
const UNIQUE: &str = "u4iqu5str1ng7";

pub(super) fn call(scope: &Scope<'_>, object: Option<Value>, name: &str, arguments: &[Value]) -> Value {
    let unknown = || {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let object = object.as_ref().map(|object| format!("{object}.")).unwrap_or_default();
        format!("{object}{name}({})", arguments.join(", ")).replace(['‹', '›'], "")
    };
    if name.starts_with("list") || name == "getSecret" {
        return Value::secret(&unknown());
    }
    of_text(name, arguments)
        .or_else(|| of_sizes(name, arguments))
        .or_else(|| of_lists(name, arguments))
        .or_else(|| of_files(scope, name, arguments))
        .or_else(|| of_azure(name, arguments))
        .unwrap_or_else(|| match arguments.iter().any(Value::is_secret) {
            true => Value::secret(&unknown()),
            false => Value::Unknown(unknown()),
        })
}

fn of_text(name: &str, arguments: &[Value]) -> Option<Value> {
    let text = |at: usize| arguments.get(at).and_then(Value::as_text);
    Some(match (name, arguments) {
        ("toLower", _) => Value::Text(text(0)?.to_lowercase()),
        ("toUpper", _) => Value::Text(text(0)?.to_uppercase()),
        ("trim", _) => Value::text(text(0)?.trim()),
        ("replace", _) => Value::Text(text(0)?.replace(text(1)?, text(2)?)),
        ("take", [Value::Text(text), Value::Number(count)]) => {
            Value::Text(text.chars().take(usize::try_from(*count).ok()?).collect())
        }
        ("split", _) if !arguments[0].is_unknown() => Value::Array(text(0)?.split(text(1)?).map(Value::text).collect()),
        ("join", [list @ Value::Array(_), Value::Text(between)]) => {
            Value::Text(list.items().iter().map(ToString::to_string).collect::<Vec<_>>().join(between))
        }
        ("startsWith", _) if !arguments[0].is_unknown() => Value::Bool(text(0)?.starts_with(text(1)?)),
        ("endsWith", _) if !arguments[0].is_unknown() => Value::Bool(text(0)?.ends_with(text(1)?)),
        ("string", [one]) => Value::Text(one.to_string()),
        ("uniqueString", _) => Value::text(UNIQUE),
        ("format", [Value::Text(pattern), rest @ ..]) => {
            let insert =
                |text: String, (at, value): (usize, &Value)| text.replace(&format!("{{{at}}}"), &value.to_string());
            Value::Text(rest.iter().enumerate().fold(pattern.clone(), insert))
        }
        _ => return None,
    })
}

fn of_sizes(name: &str, arguments: &[Value]) -> Option<Value> {
    Some(match (name, arguments) {
        ("empty", [Value::Text(text)]) => Value::Bool(text.is_empty()),
        ("empty", [Value::Null]) => Value::Bool(true),
        ("empty", [list @ (Value::Array(_) | Value::Object(_))]) => {
            Value::Bool(list.items().is_empty() && list.properties().is_empty())
        }
        // What Azure fills in is not empty.
        ("empty", [Value::Unknown(_)]) => Value::Bool(false),
        ("length", [Value::Array(items)]) => Value::Number(i64::try_from(items.len()).ok()?),
        ("length", [Value::Text(text)]) => Value::Number(i64::try_from(text.chars().count()).ok()?),
        _ => return None,
    })
}

fn of_lists(name: &str, arguments: &[Value]) -> Option<Value> {
    Some(match (name, arguments) {
        ("first", [Value::Array(items)]) => items.first().cloned().unwrap_or(Value::Null),
        ("last", [Value::Array(items)]) => items.last().cloned().unwrap_or(Value::Null),
        ("contains", [Value::Array(items), one]) => Value::Bool(items.contains(one)),
        ("contains", [Value::Object(properties), Value::Text(name)]) => {
            Value::Bool(properties.iter().any(|(key, _)| key == name))
        }
        ("contains", [Value::Text(text), Value::Text(part)]) if !text.contains('‹') => {
            Value::Bool(text.contains(part))
        }
        ("range", [Value::Number(first), Value::Number(count)]) => {
            Value::Array((*first..first.checked_add(*count)?).map(Value::Number).collect())
        }
        ("concat", [Value::Text(_), ..]) => Value::Text(arguments.iter().map(ToString::to_string).collect()),
        ("concat" | "union", [Value::Array(_), ..]) => {
            Value::Array(arguments.iter().flat_map(|list| list.items().iter().cloned()).collect())
        }
        ("union", [Value::Object(_), ..]) => {
            let mut merged: Vec<(String, Value)> = Vec::new();
            for (name, value) in arguments.iter().flat_map(|object| object.properties().iter().cloned()) {
                merged.retain(|(known, _)| *known != name);
                merged.push((name, value));
            }
            Value::Object(merged)
        }
        ("items", [Value::Object(properties)]) => {
            let item = |(name, value): &(String, Value)| {
                Value::Object(vec![("key".to_owned(), Value::text(name)), ("value".to_owned(), value.clone())])
            };
            Value::Array(properties.iter().map(item).collect())
        }
        ("min", _) => arguments.iter().map(number).collect::<Option<Vec<_>>>()?.into_iter().min().map(Value::Number)?,
        ("max", _) => arguments.iter().map(number).collect::<Option<Vec<_>>>()?.into_iter().max().map(Value::Number)?,
        _ => return None,
    })
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

fn of_files(scope: &Scope<'_>, name: &str, arguments: &[Value]) -> Option<Value> {
    let reference = arguments.first()?.as_text()?;
    let folder = scope.template.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = match reference.strip_prefix("../") {
        Some(above) => format!("{}/{above}", folder.rsplit_once('/').map_or("", |(folder, _)| folder)),
        None => format!("{folder}/{}", reference.trim_start_matches("./")),
    };
    match name {
        "loadJsonContent" => Some(Value::of_json(&scope.sources.json(&path))),
        "loadTextContent" => Some(Value::text(scope.sources.text(&path))),
        _ => None,
    }
}

fn of_azure(name: &str, arguments: &[Value]) -> Option<Value> {
    match (name, arguments) {
        ("subscriptionResourceId" | "resourceId", parts) => {
            let parts: Vec<_> = parts.iter().map(ToString::to_string).collect();
            Some(Value::Text(format!("‹{name}›/{}", parts.join("/"))))
        }
        ("readEnvironmentVariable", [_, default]) => Some(default.clone()),
        ("any", [one]) => Some(one.clone()),
        _ => None,
    }
}

//! Field masks: how requests carry them, and reading and writing by them.

use serde_json::{Map, Value, json};

use super::super::rejection::{Code, Rejection};
use super::super::route::Server;
use super::schema::{FIELDS, is_around, is_readable, is_writable};

/// The paths of a request's `field_mask`: a comma string or `{"paths": […]}`.
pub(in crate::tts) fn in_body(request: &Value) -> Result<Vec<String>, Rejection> {
    let unreadable = || Rejection::bare(Code::InvalidArgument, "json: cannot unmarshal field_mask into FieldMask");
    match request.get("field_mask") {
        None => Ok(Vec::new()),
        Some(Value::String(paths)) => Ok(split(paths)),
        Some(Value::Object(mask)) => match mask.get("paths") {
            None => Ok(Vec::new()),
            Some(Value::Array(paths)) => {
                let path = |path: &Value| path.as_str().map(str::to_owned).ok_or_else(unreadable);
                paths.iter().map(path).collect()
            }
            Some(_) => Err(unreadable()),
        },
        Some(_) => Err(unreadable()),
    }
}

/// The paths of a query: `field_mask=a,b` or `field_mask.paths=a`, each as often as wanted.
pub(in crate::tts) fn in_query(query: Option<&str>) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let masks = pairs.filter(|(name, _)| name == "field_mask" || name == "field_mask.paths");
    masks.flat_map(|(_, paths)| split(&paths)).collect()
}

fn split(paths: &str) -> Vec<String> {
    paths.split(',').map(str::trim).filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

/// Refuses a mask for writing with paths that are not the server's.
pub(in crate::tts) fn require_writable(server: Server, paths: &[String]) -> Result<(), Rejection> {
    refuse(paths.iter().filter(|path| !is_writable(server, path)))
}

/// Refuses a mask for reading with paths that are not the server's.
pub(in crate::tts) fn require_readable(server: Server, paths: &[String]) -> Result<(), Rejection> {
    refuse(paths.iter().filter(|path| !is_readable(server, path)))
}

/// Refuses paths that a server does not have.
pub(in crate::tts) fn refuse<'a>(forbidden: impl Iterator<Item = &'a String>) -> Result<(), Rejection> {
    let forbidden: Vec<&str> = forbidden.map(String::as_str).collect();
    if forbidden.is_empty() {
        return Ok(());
    }
    let (namespace, name) = ("pkg/rpcmiddleware/validator", "field_mask_paths");
    let rejection =
        Rejection::new(Code::InvalidArgument, namespace, name, "paths that this server does not have in field masks");
    Err(rejection.with_value("forbidden_paths", json!(forbidden)))
}

/// Whether the mask names the path, a message around it or something in it.
pub(in crate::tts) fn touches(paths: &[String], path: &str) -> bool {
    paths.iter().any(|on_mask| on_mask == path || is_around(on_mask, path) || is_around(path, on_mask))
}

/// Writes what the mask names: what `from` has not, goes.
pub(in crate::tts) fn write(device: &mut Value, from: &Value, paths: &[String]) {
    for path in paths {
        put(device, path, get(from, path).cloned());
    }
}

/// Keeps of a device only what a server has of it.
pub(in crate::tts) fn of_server(server: Server, from: &Value) -> Value {
    let mut device = json!({});
    put(&mut device, "ids", from.get("ids").cloned());
    for field in FIELDS.iter().filter(|field| field.servers.contains(&server)) {
        put(&mut device, field.path, get(from, field.path).cloned());
    }
    device
}

/// The answer to a request with this mask: without one only ids and times.
pub(in crate::tts) fn read(device: &Value, paths: &[String]) -> Value {
    let mut answer = json!({});
    let always = ["ids", "created_at", "updated_at"];
    for path in always.into_iter().chain(paths.iter().map(String::as_str)) {
        if let Some(value) = get(device, path) {
            put(&mut answer, path, Some(value.clone()));
        }
    }
    answer
}

/// The value at a path.
pub(in crate::tts) fn get<'a>(device: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(device, |value, name| value.get(name))
}

/// Puts a value at a path, or takes away what is there; messages left without a field go as well.
pub(in crate::tts) fn put(device: &mut Value, path: &str, value: Option<Value>) {
    let Value::Object(object) = device else { return };
    let Some((name, rest)) = path.split_once('.') else {
        match value {
            Some(value) => object.insert(path.to_owned(), value),
            None => object.shift_remove(path),
        };
        return;
    };
    if value.is_none() && !object.contains_key(name) {
        return;
    }
    let inner = object.entry(name).or_insert_with(|| Map::new().into());
    if !inner.is_object() {
        *inner = json!({});
    }
    put(inner, rest, value);
    if inner.as_object().is_some_and(Map::is_empty) {
        object.shift_remove(name);
    }
}

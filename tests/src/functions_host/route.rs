//! Route templates of HTTP triggers, e.g. `tts/{*rest}`.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// A parsed template. Literals match in any case, parameters match one segment or, starred, all that are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route(Vec<Segment>);

/// Ordered as the host prefers them when several routes match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Parameter { name: String, optional: bool },
    Rest(String),
}

impl Route {
    /// Parses a template; constraints such as `{id:int}` are not played.
    pub(super) fn parse(template: &str) -> Result<Self, String> {
        let segments: Vec<_> = segments_of(template).map(Segment::parse).collect::<Result<_, _>>()?;
        let last = segments.len().saturating_sub(1);
        match segments.iter().position(|segment| matches!(segment, Segment::Rest(_))) {
            Some(position) if position != last => Err(format!("{template}: a catch-all must come last")),
            Some(_) | None => Ok(Self(segments)),
        }
    }

    /// The parameters, if the path (without prefix) belongs to this route.
    pub(super) fn params(&self, path: &str) -> Option<Map<String, Value>> {
        let mut parts = segments_of(path);
        let mut params = Map::new();
        for segment in &self.0 {
            match (segment, parts.next()) {
                (Segment::Literal(literal), Some(part)) if literal.eq_ignore_ascii_case(&decoded(part)) => {}
                (Segment::Parameter { name, .. }, Some(part)) => {
                    drop(params.insert(name.clone(), decoded(part).into()))
                }
                (Segment::Parameter { optional: true, .. } | Segment::Rest(_), None) => {}
                (Segment::Rest(name), Some(part)) => {
                    let rest: Vec<_> = std::iter::once(part).chain(parts.by_ref()).map(decoded).collect();
                    params.insert(name.clone(), rest.join("/").into());
                }
                (Segment::Literal(_), _) | (Segment::Parameter { optional: false, .. }, None) => return None,
            }
        }
        parts.next().is_none().then_some(params)
    }

    /// Sorts literals before parameters before catch-alls.
    pub(super) fn precedence(&self) -> Vec<u8> {
        let rank = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Parameter { .. } => 1,
            Segment::Rest(_) => 2,
        };
        self.0.iter().map(rank).collect()
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, String> {
        let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
            return if text.contains(['{', '}']) { Err(unsupported(text)) } else { Ok(Self::Literal(text.to_owned())) };
        };
        if let Some(name) = inner.strip_prefix('*') {
            return Ok(Self::Rest(name.trim_start_matches('*').to_owned()));
        }
        let (name, optional) = inner.strip_suffix('?').map_or((inner, false), |name| (name, true));
        match name.contains([':', '=', '{']) || name.is_empty() {
            true => Err(unsupported(text)),
            false => Ok(Self::Parameter { name: name.to_owned(), optional }),
        }
    }
}

fn unsupported(segment: &str) -> String {
    format!("the stand-in does not play the route segment {segment}")
}

fn segments_of(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_gives_the_parameters_its_template_names() {
        for (template, path, expected) in [
            ("health", "Health", Some(json!({}))),
            ("health", "health/deep", None),
            ("tts/{*rest}", "tts/uplink/message", Some(json!({"rest": "uplink/message"}))),
            ("tts/{*rest}", "tts", Some(json!({}))),
            ("tts/{*rest}", "other/uplink", None),
            ("devices/{id}", "devices/dev%207", Some(json!({"id": "dev 7"}))),
            ("devices/{id}", "devices", None),
            ("devices/{id?}", "devices", Some(json!({}))),
        ] {
            let params = Route::parse(template).unwrap().params(path).map(Value::Object);
            assert_eq!(params, expected, "{template} {path}");
        }
    }

    #[test]
    fn templates_the_stand_in_cannot_play_are_refused() {
        for template in ["{id:int}", "a{id}", "{*rest}/more", "{}"] {
            assert!(Route::parse(template).is_err(), "{template}");
        }
    }

    #[test]
    fn literals_go_before_parameters_before_catch_alls() {
        let ranks = ["a/b", "a/{b}", "a/{*b}"].map(|template| Route::parse(template).unwrap().precedence());
        assert!(ranks.is_sorted());
    }
}

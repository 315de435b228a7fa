//! Bodies: properties known, required ones there, none that only Azure may set.

use super::scalars;
use super::table::{ObjectType, PropertyType, ResourceTypes, table};
use crate::bicep::{Expr, Kind, Resource, Template};
use crate::checks::Simple;
use crate::problem::{At, Problem, suggestion};

/// Bicep's own properties of a resource.
const OF_BICEP: [&str; 3] = ["parent", "scope", "dependsOn"];

pub(crate) fn problems(template: &Template) -> Vec<Problem> {
    template.resources.iter().flat_map(|resource| of_resource(template, resource)).collect()
}

fn of_resource(template: &Template, resource: &Resource) -> Vec<Problem> {
    let kind = &resource.type_and_version;
    let Some(types) = table().get(kind) else {
        let near = suggestion(kind, table().keys().map(String::as_str));
        let message = format!("'{kind}' is not in the type table{near} If it is right, add it to types/generate.py");
        return vec![Problem::new(&template.path, resource.at, message)];
    };
    let mut check = Check { template, types, problems: Vec::new() };
    let body = &resource.deployed.body;
    if resource.existing {
        for property in body.properties() {
            let name = property.key.text().unwrap_or_default();
            if name != "name" && !OF_BICEP.contains(&name) {
                check.problem(property.at, format!("`{name}` cannot be set on an existing resource"));
            }
        }
    } else if let Some(object) = types.types.get("body") {
        check.object(body, object, resource.symbol.as_str(), true);
    }
    check.problems
}

struct Check<'a> {
    template: &'a Template,
    types: &'static ResourceTypes,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn problem(&mut self, at: At, message: String) {
        self.problems.push(Problem::new(&self.template.path, at, message));
    }

    /// `whole` unless the object is merged with others, which may have the required properties.
    fn object(&mut self, found: &Expr, object: &'static ObjectType, path: &str, whole: bool) {
        let object = self.variant(found, object);
        let at_top = !path.contains('.');
        for property in found.properties() {
            let Some(name) = property.key.text() else { continue };
            let inner = format!("{path}.{name}");
            match object.properties.get(name).or(object.additional.as_ref()) {
                Some(expected) if expected.read_only => {
                    self.problem(property.at, format!("`{inner}` is read-only: Azure sets it"));
                }
                Some(expected) => self.value(&property.value, expected, &inner, true),
                None if at_top && OF_BICEP.contains(&name) => {}
                None => {
                    let near = suggestion(name, object.properties.keys().map(String::as_str));
                    self.problem(property.at, format!("`{path}` has no property `{name}`{near}"));
                }
            }
        }
        let missing =
            object.properties.iter().filter(|(name, property)| property.required && found.property(name).is_none());
        for (name, _) in missing.filter(|_| whole) {
            self.problem(found.at, format!("`{path}` needs the property `{name}`"));
        }
    }

    /// The shape that the discriminator tells, if there are several.
    fn variant(&self, found: &Expr, object: &'static ObjectType) -> &'static ObjectType {
        let told = object.discriminator.as_deref().and_then(|name| found.property(name)?.text());
        let variant = told.and_then(|told| self.types.types.get(object.variants.get(told)?));
        variant.unwrap_or(object)
    }

    fn value(&mut self, found: &Expr, expected: &'static PropertyType, path: &str, whole: bool) {
        match &found.kind {
            Kind::Null => {}
            Kind::Choice(parts) => {
                let [_, yes, no] = parts.as_ref();
                self.value(yes, expected, path, whole);
                self.value(no, expected, path, whole);
            }
            Kind::Binary(left, operator, right) if operator == "??" => {
                self.value(left, expected, path, whole);
                self.value(right, expected, path, whole);
            }
            Kind::Name(name) => match self.template.vars.iter().find(|var| var.name == *name) {
                Some(var) => self.value(&var.value, expected, path, whole),
                None => self.kind(found, expected, path),
            },
            Kind::Call(_, function, parts) if function == "union" || function == "concat" => {
                parts.iter().for_each(|part| self.value(part, expected, path, false));
            }
            Kind::For(_, _, body) => match &expected.items {
                Some(item) => self.value(body, item, &format!("{path}[]"), true),
                None => self.kind(found, expected, path),
            },
            Kind::Array(items) => self.list(found, items, expected, path, whole),
            Kind::Object(_) => match expected.kind.as_deref().and_then(|name| self.types.types.get(name)) {
                Some(object) => self.object(found, object, path, whole),
                None => self.kind(found, expected, path),
            },
            _ => self.kind(found, expected, path),
        }
    }

    fn list(&mut self, found: &Expr, items: &[Expr], expected: &'static PropertyType, path: &str, whole: bool) {
        let Some(item) = &expected.items else {
            self.kind(found, expected, path);
            return;
        };
        let (least, most) = (expected.min_length.unwrap_or(0), expected.max_length.unwrap_or(usize::MAX));
        if items.len() > most || whole && items.len() < least {
            self.problem(found.at, format!("`{path}` has {} items, expected {least} to {most}", items.len()));
        }
        for each in items {
            self.value(each, item, &format!("{path}[]"), true);
        }
    }

    /// Anything that is not looked into further.
    fn kind(&mut self, found: &Expr, expected: &'static PropertyType, path: &str) {
        let wanted = match (&expected.items, expected.kind.as_deref()) {
            (Some(_), _) => Some(Simple::Array),
            (None, Some("any") | None) => return,
            (None, Some(name)) => Simple::of_name(name).or(Some(Simple::Object)),
        };
        let is = Simple::of(found, self.template);
        if let (Some(is), Some(wanted)) = (is, wanted)
            && is != wanted
        {
            self.problem(found.at, format!("`{path}` is {}, expected {}", is.name(), wanted.name()));
        } else if let Some(message) = scalars::problem(found, expected) {
            self.problem(found.at, format!("`{path}` {message}"));
        }
    }
}

//! `resource.property` and `module.outputs.name` exist.

use super::types::{ObjectType, PropertyType, ResourceTypes, table};
use crate::bicep::{Expr, Kind, Template};
use crate::problem::{Problem, suggestion};
use crate::sources::Templates;

/// What an expression refers to.
enum Referred<'a> {
    Object(&'a ResourceTypes, &'a ObjectType),
    List(&'a ResourceTypes, &'a PropertyType),
    Module(&'a Template),
    Outputs(&'a Template),
}

const OF_EVERY_RESOURCE: [&str; 4] = ["id", "name", "type", "apiVersion"];

pub(super) fn problems(template: &Template, templates: &Templates) -> Vec<Problem> {
    let mut problems = Vec::new();
    template.visit(&mut |expression, _| {
        let Kind::Member(object, name) = &expression.kind else { return };
        if let (Kind::Name(symbol), false) = (&object.kind, OF_EVERY_RESOURCE.contains(&name.as_str()))
            && is_conditional(symbol, template)
        {
            let message = format!("`{symbol}` is conditional; write `{symbol}!.{name}` where it is certainly there");
            problems.push(Problem::new(&template.path, expression.at, message));
        }
        let complaint = match referred(object, template, templates) {
            Some(Referred::Object(_, object)) if !object.has(name) && !OF_EVERY_RESOURCE.contains(&name.as_str()) => {
                let known = object.properties.keys().map(String::as_str).chain(OF_EVERY_RESOURCE);
                format!("there is no `{name}`{}", suggestion(name, known))
            }
            Some(Referred::Module(target)) if name != "outputs" && name != "name" => {
                format!("{} has outputs only, no `{name}`", target.path)
            }
            Some(Referred::Outputs(target)) if !target.outputs.iter().any(|output| output.name == *name) => {
                let near = suggestion(name, target.outputs.iter().map(|output| output.name.as_str()));
                format!("{} has no output `{name}`{near}", target.path)
            }
            _ => return,
        };
        problems.push(Problem::new(&template.path, expression.at, complaint));
    });
    problems
}

fn is_conditional(symbol: &str, template: &Template) -> bool {
    let resources = template.resources.iter().map(|resource| (&resource.symbol, &resource.deployed));
    let modules = template.modules.iter().map(|module| (&module.symbol, &module.deployed));
    resources.chain(modules).any(|(name, deployed)| name == symbol && deployed.condition.is_some())
}

fn referred<'a>(expression: &Expr, template: &Template, templates: &'a Templates) -> Option<Referred<'a>> {
    match &expression.kind {
        Kind::Sure(inner) => referred(inner, template, templates),
        Kind::Name(name) => {
            if let Some(resource) = template.resources.iter().find(|resource| resource.symbol == *name) {
                let types = table().get(&resource.type_and_version)?;
                return Some(Referred::Object(types, types.types.get("body")?));
            }
            let module = template.modules.iter().find(|module| module.symbol == *name)?;
            templates.referred(&template.path, &module.reference).map(Referred::Module)
        }
        Kind::Index(object, _) => match referred(object, template, templates)? {
            Referred::List(types, list) => of_type(types, list.items.as_deref()?),
            // One of several resources or modules.
            other => Some(other),
        },
        Kind::Member(object, name) => match referred(object, template, templates)? {
            Referred::Object(types, object) => of_type(types, object.properties.get(name)?),
            Referred::Module(target) if name == "outputs" => Some(Referred::Outputs(target)),
            Referred::Module(_) | Referred::Outputs(_) | Referred::List(..) => None,
        },
        _ => None,
    }
}

fn of_type<'a>(types: &'a ResourceTypes, property: &'a PropertyType) -> Option<Referred<'a>> {
    if property.items.is_some() {
        return Some(Referred::List(types, property));
    }
    Some(Referred::Object(types, types.types.get(property.kind.as_deref()?)?))
}

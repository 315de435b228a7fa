//! Rules of the linter that `infra/bicepconfig.json` makes errors of, as far as they are asked of us.

use crate::bicep::{Deployed, Expr, Kind, Piece, Template};
use crate::problem::Problem;

/// Hosts that differ between Azure's clouds; `environment()` and the resources know them.
const HOSTS: [&str; 8] = [
    "azurewebsites.net",
    "core.windows.net",
    "database.windows.net",
    "graph.windows.net",
    "login.microsoftonline.com",
    "management.azure.com",
    "management.core.windows.net",
    "vault.azure.net",
];

pub(super) fn problems(template: &Template) -> Vec<Problem> {
    let mut problems = Vec::new();
    template.visit(&mut |expression, _| {
        problems.extend(text(expression).map(|message| Problem::new(&template.path, expression.at, message)));
        for property in expression.properties() {
            let value = &property.value;
            if matches!(&value.kind, Kind::Text(pieces) if matches!(pieces.as_slice(), [Piece::Inserted(_)])) {
                problems.push(Problem::new(&template.path, value.at, "a string of one insertion is the value itself"));
            }
        }
    });
    let resources = template.resources.iter().map(|resource| &resource.deployed);
    for deployed in resources.chain(template.modules.iter().map(|module| &module.deployed)) {
        problems.extend(location(template, deployed));
        problems.extend(needless(template, deployed));
    }
    problems
}

fn text(expression: &Expr) -> Option<String> {
    let Kind::Text(pieces) = &expression.kind else { return None };
    let hosts = |piece: &Piece| match piece {
        Piece::Literal(text) => HOSTS.into_iter().find(|host| text.contains(host)),
        Piece::Inserted(_) => None,
    };
    let host = pieces.iter().find_map(hosts)?;
    Some(format!("{host} is not the same in all of Azure's clouds; take it from the resource or environment()"))
}

/// Where something is comes from a parameter; what is everywhere is `global`.
fn location(template: &Template, deployed: &Deployed) -> Option<Problem> {
    let location = deployed.body.property("location")?;
    let literal = location.text().is_some_and(|text| text != "global");
    let of_group = matches!(&location.kind, Kind::Member(_, name) if name == "location");
    let message = "the location does not come from a parameter";
    (literal || of_group).then(|| Problem::new(&template.path, location.at, message))
}

/// Symbols in `dependsOn` that the rest of the body refers to anyway.
fn needless(template: &Template, deployed: &Deployed) -> Vec<Problem> {
    let mut used = Vec::new();
    for property in deployed.body.properties().iter().filter(|property| property.key.text() != Some("dependsOn")) {
        property.value.visit(&mut Vec::new(), &mut |inner, _| used.extend(inner.symbol()));
    }
    let listed = deployed.body.property("dependsOn").map(|list| &list.kind);
    let Some(Kind::Array(listed)) = listed else { return Vec::new() };
    let needless =
        listed.iter().filter_map(|item| Some((item.at, item.symbol()?))).filter(|(_, name)| used.contains(name));
    needless
        .map(|(at, name)| Problem::new(&template.path, at, format!("dependsOn `{name}` is needless: it is used")))
        .collect()
}

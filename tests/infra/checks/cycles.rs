//! Nothing is made of itself. Without this, evaluation would not end.

use std::collections::BTreeMap;

use crate::bicep::{Deployed, Expr, Template};
use crate::problem::{At, Problem};
use crate::sources::Templates;

/// What a symbol is made of, and where it is declared.
type Uses<'a> = BTreeMap<&'a str, (At, Vec<&'a str>)>;

pub(crate) fn problems(templates: &Templates) -> Vec<Problem> {
    let mut problems = Vec::new();
    for template in &templates.all {
        let uses = uses(template);
        for (symbol, (at, _)) in &uses {
            if let Some(way) = way(symbol, symbol, &uses, &mut Vec::new()) {
                let message = format!("`{symbol}` is made of itself: {symbol} → {}", way.join(" → "));
                problems.push(Problem::new(&template.path, *at, message));
            }
        }
        let deeper = template.modules.iter().filter(|_| template.path.contains("/modules/"));
        let message = "a module deploys modules; only main.bicep does";
        problems.extend(deeper.map(|module| Problem::new(&template.path, module.at, message)));
    }
    problems
}

fn uses(template: &Template) -> Uses<'_> {
    let mut uses = Uses::new();
    for var in &template.vars {
        uses.insert(&var.name, (var.at, names(&var.value)));
    }
    for (param, default) in template.params.iter().filter_map(|param| Some((param, param.default.as_ref()?))) {
        uses.insert(&param.name, (param.at, names(default)));
    }
    for resource in &template.resources {
        uses.insert(&resource.symbol, (resource.at, names_of(&resource.deployed)));
    }
    for module in &template.modules {
        uses.insert(&module.symbol, (module.at, names_of(&module.deployed)));
    }
    uses
}

fn names(expression: &Expr) -> Vec<&str> {
    let mut names = Vec::new();
    expression.visit(&mut Vec::new(), &mut |inner, _| names.extend(inner.symbol()));
    names
}

fn names_of(deployed: &Deployed) -> Vec<&str> {
    let mut names = Vec::new();
    deployed.visit(&mut |inner, _| names.extend(inner.symbol()));
    names
}

/// The way from one symbol to another, if there is any. `been` has been tried.
fn way<'a>(from: &str, to: &str, uses: &Uses<'a>, been: &mut Vec<&'a str>) -> Option<Vec<&'a str>> {
    let (_, next) = uses.get(from)?;
    for symbol in next {
        if *symbol == to {
            return Some(vec![symbol]);
        }
        if been.contains(symbol) {
            continue;
        }
        been.push(symbol);
        if let Some(mut rest) = way(symbol, to, uses, been) {
            rest.insert(0, symbol);
            return Some(rest);
        }
    }
    None
}

//! What a profile deploys: the templates evaluated, as far as that can be done without Azure.
//!
//! What only Azure knows stands in angle quotes, `‹modules/storage.bicep:account.id›`; secrets are marked, wherever
//! they go.

mod arithmetic;
mod functions;
mod scope;
mod value;

use std::collections::BTreeMap;

pub(crate) use value::Value;

use crate::bicep::{Deployed, Resource};
use crate::problem::{At, Problem};
use crate::sources::{Sources, Templates};
use scope::{Locals, Scope};

/// A resource that is deployed, or referred to as `existing`.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) file: String,
    pub(crate) at: At,
    pub(crate) symbol: String,
    /// `Microsoft.Storage/storageAccounts`
    pub(crate) kind: String,
    pub(crate) existing: bool,
    pub(crate) name: String,
    /// The resource group, if the module names one.
    pub(crate) group: Option<Value>,
    /// The resource that `scope` names: its type and name.
    pub(crate) scope: Option<(String, String)>,
    /// The resource that `parent` names, likewise.
    pub(crate) parent: Option<(String, String)>,
    pub(crate) body: Value,
}

/// Everything that is deployed by one set of parameters.
#[derive(Debug, Default)]
pub(crate) struct Deployment {
    /// What tells it from others, for messages.
    pub(crate) title: String,
    pub(crate) items: Vec<Item>,
    /// Outputs of main.bicep.
    pub(crate) outputs: BTreeMap<String, Value>,
    /// Outputs of every template: file, place, name, value.
    pub(crate) all_outputs: Vec<(String, At, String, Value)>,
    /// Secrets given to parameters that are not `@secure()`, and properties that objects do not have.
    pub(crate) problems: Vec<Problem>,
}

impl Deployment {
    /// Deploys `infra/<profile>.bicepparam` with some parameters set otherwise.
    pub(crate) fn of(sources: &Sources, templates: &Templates, profile: &str, set: &[(&str, Value)]) -> Self {
        let path = format!("infra/{profile}.bicepparam");
        let parameters = templates.parameters.iter().find(|parameters| parameters.path == path);
        let parameters = parameters.unwrap_or_else(|| panic!("{path} is not there"));
        let main = templates.referred(&path, &parameters.using).expect("the parameters fit a template");
        let outside = Scope::outside(sources, templates);
        let given = parameters.values.iter().map(|var| (var.name.clone(), outside.value(&var.value, &Locals::new())));
        let set_otherwise = set.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let scope = Scope::new(sources, templates, main, given.chain(set_otherwise).collect(), None);
        let settings: String = set.iter().map(|(name, value)| format!(", {name} {value}")).collect();
        let mut deployment = Self { title: format!("{profile}{settings}"), ..Self::default() };
        deployment.outputs = scope.outputs().into_iter().collect();
        deployment.add(&scope, None);
        deployment
    }

    fn add(&mut self, scope: &Scope<'_>, group: Option<&Value>) {
        for resource in &scope.template.resources {
            for (locals, body) in instances(scope, &resource.deployed) {
                self.items.push(Item { group: group.cloned(), ..item(scope, resource, &locals, body) });
            }
        }
        for output in &scope.template.outputs {
            let value = scope.value(&output.value, &Locals::new());
            self.all_outputs.push((scope.template.path.clone(), output.at, output.name.clone(), value));
        }
        for module in &scope.template.modules {
            let group = module.deployed.body.property("scope").map(|group| scope.value(group, &Locals::new()));
            for (locals, _) in instances(scope, &module.deployed) {
                if let Some(inner) = scope.module(module, &locals) {
                    self.problems.extend(inner.leaks(&scope.template.path, module.at));
                    self.add(&inner, group.as_ref());
                }
            }
        }
        self.problems.extend(scope.missing.take());
    }

    /// Whether the parameters name an endpoint or a policy beside the bridge's own.
    pub(crate) fn is_further(&self, name: &Value) -> bool {
        ["name", "keyName"].iter().any(|key| self.title.contains(&format!("{{{key}: {name}, ")))
    }

    /// What this deploys of one type, without `existing` ones.
    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Item> {
        self.items.iter().filter(move |item| item.kind == kind && !item.existing)
    }
}

/// Each time a resource or module is deployed: what the loop's variables are, and the body.
fn instances(scope: &Scope<'_>, deployed: &Deployed) -> Vec<(Locals, Value)> {
    let rounds = match &deployed.each {
        Some(each) => scope.rounds(each, &Locals::new()),
        None => vec![Locals::new()],
    };
    let wanted = rounds.into_iter().filter(|locals| {
        let condition = deployed.condition.as_ref().map(|condition| scope.value(condition, locals));
        condition != Some(Value::Bool(false))
    });
    wanted.map(|locals| (locals.clone(), scope.value(&deployed.body, &locals))).collect()
}

fn item(scope: &Scope<'_>, resource: &Resource, locals: &Locals, body: Value) -> Item {
    let named = |property| {
        let symbol = resource.deployed.body.property(property)?;
        let target = scope.resource(symbol)?;
        Some((kind_of(target), scope.name_of(target)))
    };
    Item {
        file: scope.template.path.clone(),
        at: resource.at,
        symbol: resource.symbol.clone(),
        kind: kind_of(resource),
        existing: resource.existing,
        name: resource
            .deployed
            .body
            .property("name")
            .map(|name| scope.value(name, locals).to_string())
            .unwrap_or_default(),
        group: None,
        scope: named("scope"),
        parent: named("parent"),
        body,
    }
}

fn kind_of(resource: &Resource) -> String {
    resource.type_and_version.split('@').next().unwrap_or_default().to_owned()
}

impl Item {
    /// A value within the body: `properties.routing.routes`. Null if it is not there.
    pub(crate) fn get(&self, path: &str) -> &Value {
        path.split('.').fold(&self.body, |value, name| value.get(name))
    }

    /// That something is wrong with it.
    pub(crate) fn problem(&self, message: &str) -> Problem {
        Problem::new(&self.file, self.at, format!("{} `{}`: {message}", self.kind, self.symbol))
    }

    /// A problem unless the value is the one expected.
    pub(crate) fn expect(&self, path: &str, expected: &Value) -> Option<Problem> {
        let found = self.get(path);
        (found != expected).then(|| self.problem(&format!("{path} is {found}, expected {expected}")))
    }
}

//! A template with its parameters: what its expressions are.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Value, arithmetic, functions};
use crate::bicep::{Each, Expr, Kind, Module, Param, Piece, Resource, Template, has_decorator};
use crate::problem::{At, Problem, suggestion};
use crate::sources::{Sources, Templates};

/// Loop variables.
pub(super) type Locals = Vec<(String, Value)>;

pub(super) struct Scope<'a> {
    pub(super) sources: &'a Sources,
    pub(super) templates: &'a Templates,
    pub(super) template: &'a Template,
    params: BTreeMap<String, Value>,
    /// Outputs of modules, by symbol: each is evaluated once.
    known: RefCell<BTreeMap<String, Value>>,
    /// Properties asked of objects that do not have them.
    pub(super) missing: RefCell<Vec<Problem>>,
    /// What Azure answers about the tier of a hub.
    tier: Value,
}

impl<'a> Scope<'a> {
    /// Secrets among the parameters are marked, unless they are empty.
    pub(super) fn new(
        sources: &'a Sources,
        templates: &'a Templates,
        template: &'a Template,
        given: BTreeMap<String, Value>,
        tier: Option<&Value>,
    ) -> Self {
        let mut scope = Self { template, params: given, ..Self::outside(sources, templates) };
        for param in &template.params {
            let default = || param.default.as_ref().map(|default| scope.value(default, &Locals::new()));
            let value = scope.params.get(&param.name).cloned().or_else(default);
            let value = value.unwrap_or_else(|| Value::Unknown(format!("parameter {}", param.name)));
            let hidden = has_decorator(&param.decorators, "secure") && value != Value::text("") && !value.is_secret();
            let value = if hidden { Value::secret(&param.name) } else { value };
            scope.params.insert(param.name.clone(), value);
        }
        let of = |name| scope.params.get(name).cloned().unwrap_or(Value::Null);
        let of_main = || vec![("name".to_owned(), of("iotHubSku")), ("capacity".to_owned(), of("iotHubUnits"))];
        scope.tier = tier.cloned().unwrap_or_else(|| Value::Object(of_main()));
        scope
    }

    /// Where a file of parameters is evaluated: nothing has a name.
    pub(super) fn outside(sources: &'a Sources, templates: &'a Templates) -> Self {
        let template = &templates.all[0];
        let (params, known, missing) = (BTreeMap::new(), RefCell::default(), RefCell::default());
        Self { sources, templates, template, params, known, missing, tier: Value::Null }
    }

    pub(super) fn value(&self, expression: &Expr, locals: &Locals) -> Value {
        match &expression.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(*number),
            Kind::Text(pieces) => self.text(pieces, locals),
            Kind::Array(items) => Value::Array(items.iter().map(|item| self.value(item, locals)).collect()),
            Kind::Object(properties) => {
                let pair =
                    |name: &Expr, value: &Expr| (self.value(name, locals).to_string(), self.value(value, locals));
                Value::Object(properties.iter().map(|property| pair(&property.key, &property.value)).collect())
            }
            Kind::Name(name) => self.named(name, locals),
            Kind::Member(object, name) => self.member(expression, object, name, locals),
            Kind::Index(object, index) => {
                let (object, index) = (self.value(object, locals), self.value(index, locals));
                match index.is_unknown() {
                    true => Value::Unknown(format!("{object}[{index}]").replace(['‹', '›'], "")),
                    false => self.part(expression, &object, &index.to_string()),
                }
            }
            Kind::Call(object, name, arguments) => {
                let arguments: Vec<_> = arguments.iter().map(|argument| self.value(argument, locals)).collect();
                let object =
                    object.as_deref().filter(|object| !matches!(&object.kind, Kind::Name(name) if name == "az"));
                functions::call(self, object.map(|object| self.value(object, locals)), name, &arguments)
            }
            Kind::Sure(inner) => self.value(inner, locals),
            Kind::Not(inner) => arithmetic::not(self.value(inner, locals)),
            Kind::Binary(left, operator, right) => {
                arithmetic::binary(self.value(left, locals), operator, || self.value(right, locals))
            }
            Kind::Choice(parts) => {
                let [condition, yes, no] = parts.as_ref();
                arithmetic::choice(self.value(condition, locals), || self.value(yes, locals), || self.value(no, locals))
            }
            Kind::For(each, condition, body) => self.for_each(each, condition.as_deref(), body, locals),
        }
    }

    fn for_each(&self, each: &Each, condition: Option<&Expr>, body: &Expr, locals: &Locals) -> Value {
        let mut rounds = self.rounds(each, locals);
        rounds.retain(|locals| condition.is_none_or(|condition| self.value(condition, locals) != Value::Bool(false)));
        Value::Array(rounds.iter().map(|locals| self.value(body, locals)).collect())
    }

    /// The variables of each round of a loop.
    pub(super) fn rounds(&self, each: &Each, locals: &Locals) -> Vec<Locals> {
        let over = self.value(&each.over, locals);
        let round = |(at, item): (usize, &Value)| {
            let mut locals = locals.clone();
            locals.push((each.item.clone(), item.clone()));
            locals
                .extend(each.index.clone().map(|index| (index, Value::Number(i64::try_from(at).unwrap_or(i64::MAX)))));
            locals
        };
        over.items().iter().enumerate().map(round).collect()
    }

    fn text(&self, pieces: &[Piece], locals: &Locals) -> Value {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Inserted(inner) => self.value(inner, locals).to_string(),
        };
        Value::Text(pieces.iter().map(piece).collect())
    }

    fn named(&self, name: &str, locals: &Locals) -> Value {
        if let Some((_, value)) = locals.iter().rev().find(|(local, _)| local == name) {
            return value.clone();
        }
        if let Some(value) = self.params.get(name) {
            return value.clone();
        }
        match self.template.vars.iter().find(|var| var.name == name) {
            Some(var) => self.value(&var.value, &Locals::new()),
            None => Value::Unknown(format!("{}:{name}", self.template.path)),
        }
    }

    fn member(&self, whole: &Expr, object: &Expr, name: &str, locals: &Locals) -> Value {
        if let Some(resource) = self.resource(object) {
            match name {
                "name" => return Value::Text(self.name_of(resource)),
                "sku" if resource.type_and_version.starts_with("Microsoft.Devices/IotHubs@") => {
                    return self.tier.clone();
                }
                _ => {}
            }
        }
        if name == "outputs"
            && let Some(module) = self.module_named(object)
        {
            return self.outputs_of(module);
        }
        self.part(whole, &self.value(object, locals), name)
    }

    /// A property of a value; of an unknown one, it is unknown too.
    fn part(&self, whole: &Expr, value: &Value, name: &str) -> Value {
        match value {
            Value::Unknown(owner) => Value::Unknown(format!("{owner}.{name}")),
            Value::Text(text) if text.contains('‹') => {
                Value::Unknown(format!("{text}.{name}").replace(['‹', '›'], ""))
            }
            Value::Object(properties) if properties.iter().all(|(known, _)| known != name) => {
                let near = suggestion(name, properties.iter().map(|(known, _)| known.as_str()));
                let message = format!("there is no `{name}`{near}");
                self.missing.borrow_mut().push(Problem::new(&self.template.path, whole.at, message));
                Value::Null
            }
            value => value.get(name).clone(),
        }
    }

    /// The resource an expression names.
    pub(super) fn resource(&self, expression: &Expr) -> Option<&'a Resource> {
        let name = expression.symbol()?;
        self.template.resources.iter().find(|resource| resource.symbol == name)
    }

    pub(super) fn name_of(&self, resource: &Resource) -> String {
        let name = resource.deployed.body.property("name");
        name.map(|name| self.value(name, &Locals::new()).to_string()).unwrap_or_default()
    }

    fn module_named(&self, expression: &Expr) -> Option<&'a Module> {
        let name = expression.symbol()?;
        self.template.modules.iter().find(|module| module.symbol == name)
    }

    fn outputs_of(&self, module: &Module) -> Value {
        let known = self.known.borrow().get(&module.symbol).cloned();
        known.unwrap_or_else(|| {
            let inner = self.module(module, &Locals::new());
            let outputs = inner.map_or(Value::Null, |inner| Value::Object(inner.outputs()));
            self.known.borrow_mut().insert(module.symbol.clone(), outputs.clone());
            outputs
        })
    }

    /// The scope of a module, given its parameters.
    pub(super) fn module(&self, module: &Module, locals: &Locals) -> Option<Scope<'a>> {
        let target = self.templates.referred(&self.template.path, &module.reference)?;
        let params = module.deployed.body.property("params").map(|params| params.properties()).unwrap_or_default();
        let given =
            params.iter().map(|param| (self.value(&param.key, locals).to_string(), self.value(&param.value, locals)));
        Some(Scope::new(self.sources, self.templates, target, given.collect(), Some(&self.tier)))
    }

    /// Secrets among the parameters that are not marked.
    pub(super) fn leaks(&self, file: &str, at: At) -> Vec<Problem> {
        let unmarked = self.template.params.iter().filter(|param| !has_decorator(&param.decorators, "secure"));
        let leaks = unmarked.filter(|param| self.params.get(&param.name).is_some_and(Value::is_secret));
        let message = |param: &Param| {
            format!("{} takes a secret as `{}`, which is not @secure()", self.template.path, param.name)
        };
        leaks.map(|param| Problem::new(file, at, message(param))).collect()
    }

    pub(super) fn outputs(&self) -> Vec<(String, Value)> {
        let outputs = self.template.outputs.iter();
        outputs.map(|output| (output.name.clone(), self.value(&output.value, &Locals::new()))).collect()
    }
}

//! What the compiler and its linter would say, as far as it can be known without them.

mod cycles;
mod decorators;
mod functions;
mod kinds;
mod linter;
mod members;
mod modules;
mod parameters;
mod symbols;
mod types;

pub(crate) use cycles::problems as cycles;
pub(crate) use decorators::is_secure;
pub(crate) use kinds::Simple;
pub(crate) use types::names;

use crate::problem::Problem;
use crate::sources::Templates;

/// Everything that is wrong with the templates as programs.
pub(crate) fn problems(templates: &Templates) -> Vec<Problem> {
    let mut problems = Vec::new();
    for template in &templates.all {
        problems.extend(symbols::problems(template));
        problems.extend(functions::problems(template));
        problems.extend(decorators::problems(template));
        problems.extend(linter::problems(template));
        problems.extend(modules::problems(template, templates));
        problems.extend(members::problems(template, templates));
        problems.extend(types::problems(template));
    }
    for parameters in &templates.parameters {
        problems.extend(parameters::problems(parameters, templates));
    }
    problems
}

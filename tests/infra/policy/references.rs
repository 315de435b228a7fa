//! What templates refer to: nothing from elsewhere, and no previews.

use crate::problem::Problem;
use crate::sources::Templates;

/// The preview that everybody uses; the stable version is older and knows no category groups.
const PREVIEW: &str = "Microsoft.Insights/diagnosticSettings@2021-05-01-preview";

pub(super) fn problems(templates: &Templates) -> Vec<Problem> {
    let mut problems = Vec::new();
    for template in &templates.all {
        for module in &template.modules {
            if module.reference.contains(':') {
                let message = format!("'{}' comes from a registry; modules are files here", module.reference);
                problems.push(Problem::new(&template.path, module.at, message));
            }
        }
        for resource in &template.resources {
            let kind = &resource.type_and_version;
            if kind.ends_with("-preview") && kind != PREVIEW {
                let message = format!("'{kind}' is a preview: it may change or end");
                problems.push(Problem::new(&template.path, resource.at, message));
            }
            if kind.starts_with("Microsoft.Resources/") {
                let message = format!("'{kind}': no deployment scripts and no nested deployments");
                problems.push(Problem::new(&template.path, resource.at, message));
            }
        }
    }
    problems
}

//! `infra/deploy.sh` against an az CLI that answers from a script, and the stand-ins for everything else.
#![expect(clippy::unwrap_used, reason = "a scenario's helpers fail the scenario")]

mod azure;
mod run;

mod agreement;
mod arguments;
mod docs;
mod existing_hub;
mod first_and_again;
mod last_deployment;
mod links;
mod operating;
mod own_hub;
mod prerequisites;
mod rotation;
mod the_things_stack;
mod uninstall;
mod webhook_template;
mod workflows;

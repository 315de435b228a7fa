//! What the product promises. The names of the scenarios are the feature list.
#![expect(clippy::unwrap_used, reason = "a scenario's helpers fail the scenario")]

mod sensor;
mod support;

mod created_anew;
mod dead_letters;
mod devices;
mod downlinks;
mod health;
mod host_contract;
mod hub_events;
mod keyless;
mod ledger;
mod log_lines;
mod parking;
mod redelivery;
mod registration;
mod registration_refused;
mod registration_repeated;
mod settings;
mod try_it;
mod twin_rates;
mod twins;
mod uplink;
mod uplink_refused;
mod uplink_retried;

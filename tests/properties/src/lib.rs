//! What holds for every input of every parser. Each property takes any bytes and panics where it is broken; the fuzz
//! targets and the ordinary tests call the same ones.
//!
//! This package alone sees both sides: what the handler writes, the stand-ins must read, and the other way round.

mod connection_string;
mod envelope;
mod event;
mod json_members;
pub mod json_text;
mod queue_item;
mod route_condition;
mod sas;
mod webhook;

pub use connection_string::connection_string;
pub use envelope::envelope;
pub use event::event;
pub use json_members::json_members;
pub use queue_item::queue_item;
pub use route_condition::route_condition;
pub use sas::sas;
pub use webhook::webhook;

/// The first `N - 1` lines of an input, and what follows them; missing ones are empty.
fn lines<const N: usize>(input: &str) -> [&str; N] {
    let mut rest = input.splitn(N, '\n');
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}

//! Resources against the table of what Azure takes, `types.json`.

mod bodies;
mod names;
mod scalars;
mod table;

pub(super) use bodies::problems;
pub(crate) use names::names;
pub(super) use table::{ObjectType, PropertyType, ResourceTypes, table};

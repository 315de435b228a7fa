//! Resources against the table of what Azure takes, `types.json`.

mod bodies;
mod scalars;
mod table;

pub(super) use bodies::problems;
pub(super) use table::{ObjectType, PropertyType, ResourceTypes, table};

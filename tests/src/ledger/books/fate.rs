//! How an item ended.

/// Where an item is at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ledger) enum Fate {
    /// Its peer has it.
    Delivered,
    /// A newer change of the same device made it pointless; counts as delivered.
    Overtaken,
    /// In `parked` or `parked-poison`.
    Parked,
    /// In `dead-letter`.
    DeadLettered,
    /// Nowhere.
    Lost,
}

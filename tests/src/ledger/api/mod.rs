//! The ledger of the ordinary API (`TTS_DELIVERY=api`).
//!
//! Every event the hub sends is acknowledged here too. What it asks for must have been done at the end, or it lies in
//! `parked`, `parked-poison` or `dead-letter`; else it is **lost**:
//!
//! - **Devices.** The last event of tags answers for its device: all four servers have it with exactly the EUIs, keys,
//!   plan, version, class and name its twin says, and `tags.lorawanStatus` says `registered`. Wrong tags, and right ones
//!   that a fault refused, are `refused` and in `dead-letter`. The last deletion answers for a device that is gone from
//!   the hub, or is there without tags: no server has it.
//! - **Downlinks.** Each change of `rawDownlink` is accepted with the correlation id of its `$version`; or it is
//!   **superseded**, which counts as delivered: it waited in a queue while the property changed again or the device was
//!   deleted, or the device was deleted before the trigger had come so far. One that an older replacement or a deletion
//!   took from the queue before the device did counts as not accepted; unless it was wanted before its device had tags:
//!   that was not to be registered then, and whatever queue took its downlink was that of a device deleted before, and
//!   goes with it. While that one's deletion waits, its downlink of the same version may be taken for it.
//!
//! **Doubled** is a push that is made again while it is in the queue, which the handler could have seen there. One the
//! device has taken it can see nowhere: an answer that was lost, or a handler that died before its own, makes it come
//! again. These are counted as **doubled in the window**. A replacement made again while it is in the queue reaches the
//! device once, and is counted apart.
//!
//! **Reordered** is a downlink accepted, for the first time, behind a newer one of the same device. Counted as **raced**
//! instead is a late one, if the twin was read within the 30 s one try may take and before the newer one was wanted; and
//! one of before the handler died, if the device has taken all newer ones since.
//!
//! **Misversioned** is a downlink that bears the correlation id of another version, **leaked** a known secret.

mod account;
mod asks;
mod change;
mod downlinks;
mod fault;
mod life;
mod note;
mod reckoning;
mod tags;

pub(super) use account::Account;
pub use account::Downlinks;
pub(super) use change::Change;
pub(super) use downlinks::Judged;
pub(super) use fault::draw as draw_fault;
pub(super) use life::Life;
pub(super) use note::Note;
pub(super) use reckoning::BothSides;

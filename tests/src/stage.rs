//! Lays out the script root.

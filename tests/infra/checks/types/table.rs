//! The table; `types/generate.py` writes it.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use regex::Regex;
use serde::Deserialize;

/// All types that one resource is made of; its body is `body`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResourceTypes {
    /// The package it was taken from.
    #[serde(rename = "source")]
    _source: String,
    pub(crate) types: BTreeMap<String, ObjectType>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectType {
    pub(crate) properties: BTreeMap<String, PropertyType>,
    /// What any other property may be.
    pub(crate) additional: Option<PropertyType>,
    /// The property that tells which of the variants this is.
    pub(crate) discriminator: Option<String>,
    #[serde(default)]
    pub(crate) variants: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PropertyType {
    /// `string`, `int`, `bool`, `any` or the name of an object type. None for lists and what cannot be written.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) items: Option<Box<PropertyType>>,
    #[serde(default)]
    pub(crate) values: Vec<String>,
    /// The compiler takes other values, too.
    #[serde(default)]
    pub(crate) open: bool,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) read_only: bool,
    pub(crate) pattern: Option<String>,
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
}

impl ObjectType {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.properties.contains_key(name) || self.additional.is_some()
    }
}

/// `Microsoft.Devices/IotHubs@2023-06-30` → its types.
pub(crate) fn table() -> &'static BTreeMap<String, ResourceTypes> {
    static TABLE: LazyLock<BTreeMap<String, ResourceTypes>> =
        LazyLock::new(|| serde_json::from_str(include_str!("../../types.json")).expect("types.json is a type table"));
    &TABLE
}

/// Whether a text matches a pattern of the table. None for patterns that look ahead: those are left to Azure.
pub(super) fn matches(pattern: &str, text: &str) -> Option<bool> {
    static COMPILED: Mutex<BTreeMap<String, Option<Regex>>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap();
    let regex = compiled.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok());
    regex.as_ref().map(|regex| regex.is_match(text))
}

//! Message routing: which events reach the Event Hub.

use std::sync::Arc;

use serde_json::Value;

use super::query::{Condition, ParseError, RoutedMessage};
use crate::event_hub::{EventData, EventHub};

/// Where routed messages come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Devices created and deleted.
    DeviceLifecycleEvents,
    /// Tags, desired and reported properties changed.
    TwinChangeEvents,
    /// What devices send.
    DeviceMessages,
}

/// A route to the Event Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Unique within the hub.
    pub name: String,
    /// One source; a second needs a second route.
    pub source: Source,
    /// In the routing query language.
    pub condition: String,
}

impl Route {
    /// Every device created or deleted.
    #[must_use]
    pub fn lifecycle() -> Self {
        Self::new("lifecycle", Source::DeviceLifecycleEvents, "true")
    }

    /// Desired properties and the tag `lorawan`, which are all the bridge acts on.
    #[must_use]
    pub fn twin_changes() -> Self {
        let condition = "IS_OBJECT($body.properties.desired) OR IS_OBJECT($body.tags.lorawan)";
        Self::new("twin-changes", Source::TwinChangeEvents, condition)
    }

    /// All twin changes without the echo of reported properties, as the vendor's template routes them.
    #[must_use]
    pub fn all_twin_changes() -> Self {
        let condition = "IS_OBJECT($body.properties.desired) OR IS_OBJECT($body.tags)";
        Self::new("all-twin-changes", Source::TwinChangeEvents, condition)
    }

    fn new(name: &str, source: Source, condition: &str) -> Self {
        Self { name: name.to_owned(), source, condition: condition.to_owned() }
    }
}

/// All routes with their conditions understood.
#[derive(Debug)]
pub(crate) struct Router {
    routes: Vec<(Source, Condition)>,
    event_hub: Arc<EventHub>,
}

impl Router {
    /// Fails with the name of the first route whose condition cannot be read.
    pub(crate) fn new(routes: &[Route], event_hub: Arc<EventHub>) -> Result<Self, (String, ParseError)> {
        let parse = |route: &Route| match Condition::parse(&route.condition) {
            Ok(condition) => Ok((route.source, condition)),
            Err(error) => Err((route.name.clone(), error)),
        };
        Ok(Self { routes: routes.iter().map(parse).collect::<Result<_, _>>()?, event_hub })
    }

    /// Whether there is any route from a source.
    pub(crate) fn has(&self, source: Source) -> bool {
        self.routes.iter().any(|(from, _)| *from == source)
    }

    /// Sends the event once, however many routes match. `twin` is the twin after the change.
    pub(crate) fn route(&self, source: Source, event: EventData, twin: &Value) {
        let body = json_body(&event);
        let message = RoutedMessage {
            body: body.as_ref(),
            twin: Some(twin),
            properties: &event.properties,
            system: &event.system_properties,
        };
        let matches = self.routes.iter().any(|(from, condition)| *from == source && condition.matches(&message));
        if matches {
            self.event_hub.send(event);
        }
    }
}

/// A body can be asked about only if content type and encoding say that it is JSON; UTF-16 and 32 are left out.
fn json_body(event: &EventData) -> Option<Value> {
    let says = |name: &str, expected: &str| {
        let value = event.system_properties.get(name).and_then(Value::as_str);
        value.and_then(|value| value.split(';').next()).is_some_and(|value| value.trim().eq_ignore_ascii_case(expected))
    };
    if !says("content-type", "application/json") || !says("content-encoding", "utf-8") {
        return None;
    }
    serde_json::from_slice(&event.body).ok()
}

//! What is written into a twin, as the device side of twins sees it.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// An update of a device's reported properties, and how it gets along with what others write.
pub trait Update: fmt::Debug + Send + Sync {
    /// The merge patch for a twin that shows nothing newer.
    fn patch(&self) -> &Value;

    /// Whether the present properties have to be read first. Asked when it is its turn.
    fn reads_first(&self) -> bool;

    /// Which of a device's updates it competes with; the newest of them counts.
    fn kind(&self) -> &'static str;

    /// What is to be written beside what is there; `None` if that is newer.
    fn beside(&self, twin: &Value) -> Option<Value>;

    /// Whether a twin shows it, or a newer one of its kind.
    fn is_shown_in(&self, twin: &Value) -> bool;
}

/// The newest update of each kind that was written, until it is known that nobody has written something older over it.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed(Vec<Arc<dyn Update>>);

impl Unconfirmed {
    /// An update was written. It is newer than what was written of its kind before: who comes late reads first.
    pub(super) fn note(&mut self, update: &Arc<dyn Update>) {
        self.0.retain(|earlier| earlier.kind() != update.kind());
        self.0.push(Arc::clone(update));
    }

    /// An update that the twin does not show any more, nor a newer one.
    pub(super) fn lost_in(&self, twin: &Value) -> Option<&dyn Update> {
        self.0.iter().map(Arc::as_ref).find(|update| !update.is_shown_in(twin))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An update of a kind, at a time.
    #[derive(Debug)]
    struct At(&'static str, u64);

    impl Update for At {
        fn patch(&self) -> &Value {
            &Value::Null
        }

        fn reads_first(&self) -> bool {
            false
        }

        fn kind(&self) -> &'static str {
            self.0
        }

        fn beside(&self, twin: &Value) -> Option<Value> {
            (!self.is_shown_in(twin)).then(|| json!({self.0: self.1}))
        }

        fn is_shown_in(&self, twin: &Value) -> bool {
            twin["reported"][self.0].as_u64() >= Some(self.1)
        }
    }

    #[test]
    fn of_each_kind_the_newest_is_missed_where_something_older_is_shown() {
        let mut unconfirmed = Unconfirmed::default();
        for (kind, at) in [("seen", 1), ("joined", 2), ("seen", 3)] {
            let update: Arc<dyn Update> = Arc::new(At(kind, at));
            unconfirmed.note(&update);
        }
        assert_eq!(unconfirmed.len(), 2);
        for (seen, joined, lost) in [(3, 2, None), (4, 9, None), (2, 2, Some("seen")), (3, 1, Some("joined"))] {
            let twin = json!({"reported": {"seen": seen, "joined": joined}});
            assert_eq!(unconfirmed.lost_in(&twin).map(Update::kind), lost, "{twin}");
        }
        assert_eq!(unconfirmed.lost_in(&json!({"reported": {"seen": 3}})).map(Update::kind), Some("joined"));
    }
}

//! Limits a second: what is over them waits its turn, and what would wait too long is refused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much MQTT a hub bears. `None` is any number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttThrottle {
    /// New connections; those that would wait too long are refused as if the service were unavailable.
    pub connections_per_second: Option<u32>,
    /// Reported patches of devices (a live hub counts the service's twin updates too); those that would wait too long
    /// get 429.
    pub twin_updates_per_second: Option<u32>,
    /// How long anything may wait.
    pub longest_wait: Duration,
}

impl Default for MqttThrottle {
    fn default() -> Self {
        Self { connections_per_second: None, twin_updates_per_second: None, longest_wait: Duration::from_secs(10) }
    }
}

/// One limit. The first second's worth may come all at once.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Time between two; zero is no limit.
    interval: Duration,
    longest_wait: Duration,
    /// When the next one would be due if they came evenly.
    due: Mutex<Option<Instant>>,
}

impl Throttle {
    pub(crate) fn new(per_second: Option<u32>, longest_wait: Duration) -> Self {
        let interval = per_second.map_or(Duration::ZERO, |count| Duration::from_secs(1) / count.max(1));
        Self { interval, longest_wait, due: Mutex::new(None) }
    }

    /// How long to wait now, or `None` for too long.
    pub(crate) fn turn(&self, now: Instant) -> Option<Duration> {
        if self.interval.is_zero() {
            return Some(Duration::ZERO);
        }
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let next = due.map_or(now, |due| due.max(now)) + self.interval;
        let wait = next.duration_since(now).saturating_sub(Duration::from_secs(1));
        if wait > self.longest_wait {
            return None;
        }
        *due = Some(next);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_at_once_then_one_by_one_then_no_more() {
        let throttle = Throttle::new(Some(2), Duration::from_secs(1));
        let now = Instant::now();
        let waits: Vec<_> = (0..5).map(|_| throttle.turn(now).map(|wait| wait.as_millis())).collect();
        assert_eq!(waits, [Some(0), Some(0), Some(500), Some(1000), None]);
        assert_eq!(throttle.turn(now + Duration::from_secs(3)), Some(Duration::ZERO));
        assert_eq!(Throttle::new(None, Duration::ZERO).turn(now), Some(Duration::ZERO));
    }
}

//! Retry policies of Event Hub triggers.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::app_settings::time_span;

/// `retry` of a `function.json`; `maxRetryCount` of -1 means for ever.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "strategy", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum RetryPolicy {
    FixedDelay {
        max_retry_count: i32,
        #[serde(deserialize_with = "interval")]
        delay_interval: Duration,
    },
    ExponentialBackoff {
        max_retry_count: i32,
        #[serde(deserialize_with = "interval")]
        minimum_interval: Duration,
        #[serde(deserialize_with = "interval")]
        maximum_interval: Duration,
    },
}

impl RetryPolicy {
    /// How often the batch is sent again after its first time.
    pub(super) fn max_retry_count(self) -> i32 {
        match self {
            Self::FixedDelay { max_retry_count, .. } | Self::ExponentialBackoff { max_retry_count, .. } => {
                max_retry_count
            }
        }
    }

    /// The pause before the given retry, counted from 1; `None` when there are no more.
    ///
    /// The back-off doubles exactly, where the host also jitters.
    pub(super) fn pause_before(self, retry: u32) -> Option<Duration> {
        if u32::try_from(self.max_retry_count()).is_ok_and(|most| retry > most) {
            return None;
        }
        Some(match self {
            Self::FixedDelay { delay_interval, .. } => delay_interval,
            Self::ExponentialBackoff { minimum_interval, maximum_interval, .. } => {
                let factor = 2_u32.saturating_pow(retry.saturating_sub(1));
                minimum_interval.saturating_mul(factor).min(maximum_interval)
            }
        })
    }
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    time_span(&text).ok_or_else(|| serde::de::Error::custom(format!("{text} is not hh:mm:ss")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(json: &str) -> Vec<Option<u64>> {
        let policy: RetryPolicy = serde_json::from_str(json).unwrap();
        (1..=5).map(|retry| policy.pause_before(retry).map(|pause| pause.as_secs())).collect()
    }

    #[test]
    fn a_fixed_delay_is_the_same_each_time() {
        let json = r#"{"strategy":"fixedDelay","maxRetryCount":3,"delayInterval":"00:00:10"}"#;
        assert_eq!(pauses(json), [Some(10), Some(10), Some(10), None, None]);
    }

    #[test]
    fn a_back_off_doubles_up_to_its_maximum() {
        let json = r#"{"strategy":"exponentialBackoff","maxRetryCount":4,
            "minimumInterval":"00:00:02","maximumInterval":"00:00:10"}"#;
        assert_eq!(pauses(json), [Some(2), Some(4), Some(8), Some(10), None]);
    }

    #[test]
    fn a_count_of_minus_one_never_ends() {
        let json = r#"{"strategy":"fixedDelay","maxRetryCount":-1,"delayInterval":"00:00:01"}"#;
        assert_eq!(pauses(json), [Some(1); 5]);
    }
}

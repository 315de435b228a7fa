//! Rate limits: one token bucket for each path, as The Things Stack keeps them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hyper::Response;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::rejection::Rejection;

/// How many requests are let through; a bucket holds as many and fills evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// So many requests…
    pub count: u32,
    /// …in this time.
    pub per: Duration,
}

impl RateLimit {
    /// For each path.
    #[must_use]
    pub fn per_second(count: u32) -> Self {
        Self { count, per: Duration::from_secs(1) }
    }

    /// For each path.
    #[must_use]
    pub fn per_minute(count: u32) -> Self {
        Self { count, per: Duration::from_secs(60) }
    }

    fn tokens_in(&self, time: Duration) -> f64 {
        f64::from(self.count) * time.as_secs_f64() / self.per.as_secs_f64()
    }

    fn time_for(&self, tokens: f64) -> u64 {
        let seconds = tokens * self.per.as_secs_f64() / f64::from(self.count.max(1));
        // What division adds by rounding is no whole second.
        (seconds - 1e-6).ceil() as u64
    }
}

/// The buckets and how often one was empty.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: Option<RateLimit>,
    buckets: HashMap<String, Bucket>,
    pub(super) refused: u64,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

/// What a request is told of its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quota {
    limit: u32,
    available: u64,
    /// Seconds until the bucket is full.
    reset: u64,
    /// Seconds until the next request is let through, for one that was not.
    retry: Option<u64>,
}

impl Limiter {
    pub(super) fn new(limit: Option<RateLimit>) -> Self {
        Self { limit, buckets: HashMap::new(), refused: 0 }
    }

    /// Takes a token for one request; without a limit there is nothing to tell.
    pub(super) fn take(&mut self, path: &str, now: Instant) -> Option<Quota> {
        let limit = self.limit?;
        let most = f64::from(limit.count);
        let full = || Bucket { tokens: most, filled_at: now };
        let bucket = self.buckets.entry(path.to_owned()).or_insert_with(full);
        let filled = limit.tokens_in(now.saturating_duration_since(bucket.filled_at));
        *bucket = Bucket { tokens: (bucket.tokens + filled).min(most), filled_at: now };
        let is_let_through = bucket.tokens >= 1.0;
        if is_let_through {
            bucket.tokens -= 1.0;
        } else {
            self.refused += 1;
        }
        Some(Quota {
            limit: limit.count,
            available: bucket.tokens as u64,
            reset: limit.time_for(most - bucket.tokens),
            retry: (!is_let_through).then(|| limit.time_for(1.0 - bucket.tokens)),
        })
    }
}

impl Quota {
    /// What every client gets that asks too often, as a fault.
    pub(super) const REFUSED: Self = Self { limit: 20, available: 0, reset: 60, retry: Some(3) };

    /// The answer, if the request is not let through.
    pub(super) fn refusal(&self) -> Option<Rejection> {
        self.retry.map(|_| Rejection::rate_limited(*self))
    }

    /// Adds the headers to an answer. There is never a `Retry-After`.
    pub(super) fn show<T>(&self, response: &mut Response<T>) {
        let headers: &mut HeaderMap = response.headers_mut();
        let Self { limit, available, reset, retry } = *self;
        headers.insert(HeaderName::from_static("x-rate-limit-limit"), HeaderValue::from(limit));
        headers.insert(HeaderName::from_static("x-rate-limit-available"), HeaderValue::from(available));
        headers.insert(HeaderName::from_static("x-rate-limit-reset"), HeaderValue::from(reset));
        if let Some(retry) = retry {
            headers.insert(HeaderName::from_static("x-rate-limit-retry"), HeaderValue::from(retry));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills() {
        let mut limiter = Limiter::new(Some(RateLimit::per_minute(2)));
        let begin = Instant::now();
        let mut take = |path: &str, seconds| {
            let quota = limiter.take(path, begin + Duration::from_secs(seconds)).expect("limit");
            (quota.available, quota.reset, quota.retry)
        };
        assert_eq!(take("/a", 0), (1, 30, None));
        assert_eq!(take("/a", 0), (0, 60, None));
        assert_eq!(take("/a", 10), (0, 50, Some(20)));
        assert_eq!(take("/b", 10), (1, 30, None));
        assert_eq!(take("/a", 31), (0, 59, None));
        assert_eq!(limiter.refused, 1);
    }
}

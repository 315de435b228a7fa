//! Every request the hub saw, so that tests can count them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::faults::Operation;
use crate::newest::Newest;

/// One request, in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `PUT`, …
    pub method: String,
    /// As sent, without the query.
    pub path: String,
    /// What was answered; `None` for a reset, and as long as there is no answer.
    pub status: Option<u16>,
    /// What it asked for.
    pub kind: Operation,
    /// Why it was refused, with the reasons a hub keeps to itself.
    pub refusal: Option<String>,
}

/// The newest requests, and how many of each kind there ever were.
#[derive(Debug)]
pub(crate) struct RequestLog(Mutex<Log>);

#[derive(Debug)]
struct Log {
    requests: Newest<Request>,
    counts: [usize; Operation::COUNT],
}

impl RequestLog {
    /// Keeps so many requests.
    pub(crate) fn new(most: usize) -> Self {
        Self(Mutex::new(Log { requests: Newest::new(most), counts: [0; Operation::COUNT] }))
    }

    /// Notes an arrival; the answer comes later, to the number this returns.
    pub(crate) fn arrived(&self, method: &str, path: &str, kind: Operation) -> usize {
        let mut log = self.lock();
        log.counts[kind as usize] += 1;
        let request = Request { method: method.to_owned(), path: path.to_owned(), status: None, kind, refusal: None };
        log.requests.push(request)
    }

    pub(crate) fn answered(&self, number: usize, status: u16, refusal: Option<String>) {
        if let Some(request) = self.lock().requests.get_mut(number) {
            request.status = Some(status);
            request.refusal = refusal;
        }
    }

    pub(crate) fn all(&self) -> Vec<Request> {
        self.lock().requests.from(0).cloned().collect()
    }

    pub(crate) fn count(&self, kind: Operation) -> usize {
        self.lock().counts[kind as usize]
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

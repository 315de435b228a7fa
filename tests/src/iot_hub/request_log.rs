//! Every request the hub saw, so that tests can count them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::faults::Operation;

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

#[derive(Debug, Default)]
pub(crate) struct RequestLog(Mutex<Vec<Request>>);

impl RequestLog {
    /// Notes an arrival; the answer comes later, to the number this returns.
    pub(crate) fn arrived(&self, method: &str, path: &str, kind: Operation) -> usize {
        let mut requests = self.lock();
        let request = Request { method: method.to_owned(), path: path.to_owned(), status: None, kind, refusal: None };
        requests.push(request);
        requests.len() - 1
    }

    pub(crate) fn answered(&self, number: usize, status: u16, refusal: Option<String>) {
        if let Some(request) = self.lock().get_mut(number) {
            request.status = Some(status);
            request.refusal = refusal;
        }
    }

    pub(crate) fn all(&self) -> Vec<Request> {
        self.lock().clone()
    }

    pub(crate) fn count(&self, kind: Operation) -> usize {
        self.lock().iter().filter(|request| request.kind == kind).count()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

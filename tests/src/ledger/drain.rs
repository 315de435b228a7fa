//! After the storm: what is parked gets its time.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::api::Life;
use super::books::{Books, Subject};
use super::watcher::Watcher;

/// Time between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Looks between two lines of progress.
const LOOKS_PER_LINE: u32 = 10;

/// Longest time for events to be read: with no more faults one try of each batch is enough.
const MOST_READING: Duration = Duration::from_mins(3);

/// Waits until all events are read, whatever happens, and nothing is parked that is due within `limit`, but what waits
/// for a person; says whether the latter came true. Devices, if they have a life, go on meanwhile.
pub(super) async fn drain(watcher: &mut Watcher, books: &Books, life: Option<&Life>, limit: Duration) -> bool {
    let (give_up, horizon) = (Instant::now() + limit, now() + limit);
    let mut looks = tokio::time::interval(BETWEEN_LOOKS);
    for number in 0_u32.. {
        looks.tick().await;
        life.into_iter().for_each(Life::go_on);
        watcher.look();
        let backlog = watcher.backlog();
        let is_due =
            |subject: Option<Subject>| !life.zip(subject).is_some_and(|(life, subject)| life.is_stuck(subject));
        if backlog == 0 && !watcher.last.due_before(horizon).any(is_due) {
            return true;
        }
        if Instant::now() > give_up && backlog == 0 {
            return false;
        }
        if Instant::now() > give_up + MOST_READING {
            books.breach("unread", format!("{backlog} events are not read although nothing goes wrong"));
            return false;
        }
        if number.is_multiple_of(LOOKS_PER_LINE) {
            watcher.tell();
        }
    }
    false
}

#[expect(clippy::disallowed_methods, reason = "items name times of day")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

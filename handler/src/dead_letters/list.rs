//! `dead-letters list`

use std::io::Write;

use serde_json::json;

use super::failure::{Failure, Outcome};
use super::row::{Content, Row, name_of};
use super::table::{cell, table};
use super::walk::Walk;
use crate::storage_queue::{QueueError, StorageQueue};

const HEADING: [&str; 7] = ["id", "kind", "device_id", "first_seen", "attempts", "error", "reason"];

/// Longest ids, and longest reason, in characters.
const LONGEST: usize = 40;
const LONGEST_REASON: usize = 80;

/// Shows every message of the queue, oldest failure first.
pub(super) async fn list(queue: &StorageQueue, as_json: bool, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let count = match queue.approximate_count().await {
        Err(QueueError::NoQueue) => None,
        count => Some(count.map_err(|error| Failure::queue(&queue.name, error))?),
    };
    let mut walk = Walk::looking(queue.clone());
    let rows = match count {
        Some(_) => rows(&mut walk).await.map_err(|error| Failure::queue(&queue.name, error)),
        None => Ok(Vec::new()),
    };
    let given_back = walk.give_back().await;
    let rows = rows?;
    let hidden = count.map(|count| count.saturating_sub(rows.len() as u64));
    if as_json {
        let list = json!({"queue": &*queue.name, "exists": count.is_some(), "total": rows.len(), "hidden": hidden.unwrap_or(0), "messages": rows});
        writeln!(out, "{list:#}")?;
    } else {
        out.write_all(text(&queue.name, &rows, hidden).as_bytes())?;
    }
    given_back.map_err(Failure::Start)?;
    Ok(Outcome::Done)
}

async fn rows(walk: &mut Walk) -> Result<Vec<Row>, QueueError> {
    let mut rows = Vec::new();
    while let Some(page) = walk.next_page().await? {
        rows.extend(page.iter().map(Row::new));
    }
    rows.sort_by(|a, b| (a.first_seen().is_none(), a.first_seen()).cmp(&(b.first_seen().is_none(), b.first_seen())));
    Ok(rows)
}

/// `hidden` is absent if there is no queue.
fn text(queue: &str, rows: &[Row], hidden: Option<u64>) -> String {
    let Some(hidden) = hidden else {
        return format!(
            "There is no queue {queue}: the Functions host creates it with its first message. If there should be some, \
            check AzureWebJobsStorage and the queues' names.\n"
        );
    };
    let mut text = String::new();
    if !rows.is_empty() {
        text.push_str(&table(HEADING, &rows.iter().map(cells).collect::<Vec<_>>()));
        text.push('\n');
    }
    let messages = if rows.len() == 1 { "message" } else { "messages" };
    text.push_str(&format!("{} {messages} in queue {queue}.\n", rows.len()));
    if hidden > 0 {
        text.push_str(&format!("About {hidden} more are hidden: being tried now, or waiting for their next try.\n"));
    }
    if let Some(next) = rows.iter().map(|row| row.expires.as_str()).min().filter(|time| !time.starts_with("9999")) {
        text.push_str(&format!("Azure Storage drops what is still there when it expires; the first at {next}.\n"));
    }
    text
}

fn cells(row: &Row) -> [String; 7] {
    let id = cell(&row.id, LONGEST);
    match &row.content {
        Content::Item { kind, device_id, first_seen, attempts, error, reason, .. } => [
            id,
            name_of(*kind),
            cell(device_id.as_deref().unwrap_or("-"), LONGEST),
            cell(first_seen, LONGEST),
            attempts.to_string(),
            cell(error, LONGEST),
            cell(reason, LONGEST_REASON),
        ],
        Content::Foreign { problem } => {
            let unknown = || "-".to_owned();
            [id, unknown(), unknown(), unknown(), unknown(), unknown(), cell(problem, LONGEST_REASON)]
        }
    }
}

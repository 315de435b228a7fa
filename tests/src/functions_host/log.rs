//! What the handler writes to stdout and stderr, by line.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;

use super::history::History;

/// Which of the child's streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The level the host gives a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// All of stdout.
    Information,
    /// A line of stderr with "warn" in it, in any case.
    Warning,
    /// Any other line of stderr.
    Error,
}

/// A line as it would appear in the host's log, category `Host.Function.Console`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Where the handler wrote it.
    pub stream: Stream,
    /// What the host made of it.
    pub level: Level,
    /// The line without its end.
    pub text: String,
}

impl LogLine {
    fn new(stream: Stream, text: String) -> Self {
        let level = match stream {
            Stream::Stdout => Level::Information,
            Stream::Stderr if text.to_ascii_lowercase().contains("warn") => Level::Warning,
            Stream::Stderr => Level::Error,
        };
        Self { stream, level, text }
    }
}

/// All lines so far, of every process the host has started.
#[derive(Debug, Clone)]
pub(super) struct Log {
    lines: Arc<Mutex<History<LogLine>>>,
    changed: watch::Sender<()>,
}

impl Log {
    /// Keeps so many lines.
    pub(super) fn new(most: usize) -> Self {
        Self { lines: Arc::new(Mutex::new(History::new(most))), changed: watch::Sender::new(()) }
    }

    /// Reads a stream to its end. Lines for the host's own system log are not the app's and left out.
    pub(super) async fn capture(self, stream: Stream, output: impl AsyncRead + Unpin) {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while matches!(output.read_until(b'\n', &mut line).await, Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            if !text.starts_with("LanguageWorkerConsoleLog") {
                self.lock().push(LogLine::new(stream, text));
                self.changed.send_replace(());
            }
            line.clear();
        }
    }

    pub(super) fn lines(&self) -> Vec<LogLine> {
        self.lock().to_vec()
    }

    /// The last lines, for messages to people.
    pub(super) fn tail(&self, most: usize) -> String {
        let lines = self.lock();
        let tail = lines.from(lines.count().saturating_sub(most));
        tail.map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    pub(super) async fn wait_for(&self, predicate: impl Fn(&str) -> bool, limit: Duration) -> Result<LogLine, String> {
        let found = tokio::time::timeout(limit, async {
            let mut changes = self.changed.subscribe();
            let mut seen = 0;
            loop {
                changes.mark_unchanged();
                if let Some(line) = self.find_from(&mut seen, &predicate) {
                    return line;
                }
                drop(changes.changed().await);
            }
        });
        found.await.map_err(|_| format!("no such line within {limit:?}; the last ones:\n{}", self.tail(20)))
    }

    /// Looks through the lines not `seen` yet.
    fn find_from(&self, seen: &mut usize, predicate: impl Fn(&str) -> bool) -> Option<LogLine> {
        let lines = self.lock();
        let unseen = std::mem::replace(seen, lines.count());
        lines.from(unseen).find(|line| predicate(&line.text)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, History<LogLine>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stdout_is_information_and_stderr_an_error_unless_it_warns() {
        let log = Log::new(usize::MAX);
        log.clone().capture(Stream::Stdout, b"one\r\nLanguageWorkerConsoleLog two\nerror\n".as_slice()).await;
        log.clone().capture(Stream::Stderr, b"panicked\nsome Warning\nlast".as_slice()).await;
        let lines: Vec<_> = log.lines().into_iter().map(|line| (line.level, line.text)).collect();
        let expected = [
            (Level::Information, "one"),
            (Level::Information, "error"),
            (Level::Error, "panicked"),
            (Level::Warning, "some Warning"),
            (Level::Error, "last"),
        ];
        assert_eq!(lines, expected.map(|(level, text)| (level, text.to_owned())));
    }
}

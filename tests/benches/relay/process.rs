//! A process under measurement, ended with its value; what it used is read from `/proc`.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;

/// Linux counts a process's CPU time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// How often a process that is starting is asked.
const POLL: Duration = Duration::from_micros(200);

/// Longest start.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
    pub(crate) first_answer: Duration,
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Process {
    /// Starts it on a free port and waits for its first answer to `GET /`.
    pub(crate) async fn start(mut command: Command) -> Result<Self, Failure> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        command.env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string()).stdin(Stdio::null()).stdout(Stdio::null());
        let began = Instant::now();
        let mut process = Self { child: command.spawn()?, port, first_answer: Duration::ZERO };
        while !is_answering(port).await {
            if process.child.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                return Err(format!("{command:?} did not start").into());
            }
            tokio::time::sleep(POLL).await;
        }
        process.first_answer = began.elapsed();
        Ok(process)
    }

    /// User and system time of all its threads so far.
    pub(crate) fn cpu(&self) -> Result<[Duration; 2], Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold blanks; user and system time are the 12th and 13th fields behind it.
        let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/…/stat")?;
        let mut fields = fields.split_whitespace().skip(11);
        let mut time = || -> Result<u32, Failure> {
            fields.next().ok_or("no times in /proc/…/stat")?.parse().map_err(Failure::from)
        };
        Ok([TICK * time()?, TICK * time()?])
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1_024)
    }
}

async fn is_answering(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut first = [0];
    asked.is_ok() && matches!(stream.read(&mut first).await, Ok(1))
}

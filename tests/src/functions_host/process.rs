//! The handler's process: awaited, restarted by the host's rules, killed.

use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::client::HandlerClient;
use super::launch::Launch;
use super::log::{Log, Stream};

/// How often the host asks whether the handler listens.
const POLL: Duration = Duration::from_millis(25);
/// Errors are forgotten after so long without one.
const ERROR_WINDOW: Duration = Duration::from_mins(30);
/// The exit code by which a handler asks for a restart.
const RESTART_ME: i32 = 200;
/// How long the last words of a dead handler are read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the handler is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Started, not listening yet.
    Starting,
    /// Answers on the port.
    Listening { port: u16, pid: Option<u32> },
    /// Exited with 0: never started again, every invocation is refused.
    Finished,
    /// Failed too often: the host stops.
    GivenUp(String),
}

/// The supervised process, as seen from the rest of the host.
#[derive(Debug, Clone)]
pub(super) struct Handler {
    state: watch::Receiver<State>,
    orders: mpsc::UnboundedSender<Order>,
    starts: Arc<AtomicUsize>,
}

/// Dropped by the supervisor when done, which is the acknowledgement.
#[derive(Debug)]
enum Order {
    /// SIGKILL; counts as an error, as any non-zero exit.
    Kill(oneshot::Sender<()>),
    /// SIGKILL and start again, uncounted, unless another process is there already.
    Replace { pid: Option<u32> },
    /// SIGKILL, and no more.
    Stop(oneshot::Sender<()>),
}

impl Handler {
    /// Starts the supervisor in `tasks`; ending that task kills the process.
    pub(super) fn start(launch: Launch, client: HandlerClient, log: Log, tasks: &mut JoinSet<()>) -> Self {
        let (state_sender, state) = watch::channel(State::Starting);
        let (orders, received) = mpsc::unbounded_channel();
        let starts = Arc::<AtomicUsize>::default();
        let supervisor = Supervisor {
            launch,
            client,
            log,
            state: state_sender,
            orders: received,
            starts: starts.clone(),
            errors: Vec::new(),
        };
        tasks.spawn(supervisor.run());
        Self { state, orders, starts }
    }

    /// Waits until the handler is no longer starting.
    pub(super) async fn settled(&self) -> State {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| *state != State::Starting).await;
        settled.map_or_else(|_| State::GivenUp("the host has stopped".to_owned()), |state| state.clone())
    }

    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits until the host has given up on the handler or is stopping.
    pub(super) async fn given_up(&self) {
        let mut state = self.state.clone();
        drop(state.wait_for(|state| matches!(state, State::GivenUp(_))).await);
    }

    /// Whether the host has given up on the handler or is stopping.
    pub(super) fn is_given_up(&self) -> bool {
        matches!(*self.state.borrow(), State::GivenUp(_))
    }

    pub(super) fn starts(&self) -> usize {
        self.starts.load(Ordering::Relaxed)
    }

    /// Returns when the process is dead.
    pub(super) async fn kill(&self) {
        let (done, acknowledged) = oneshot::channel();
        drop(self.orders.send(Order::Kill(done)));
        drop(acknowledged.await);
    }

    /// Returns when the process is dead and the supervisor has ended.
    pub(super) async fn stop(&self) {
        let (done, acknowledged) = oneshot::channel();
        drop(self.orders.send(Order::Stop(done)));
        drop(acknowledged.await);
    }

    /// What the host does to a handler that exceeded the function timeout.
    pub(super) fn replace(&self, pid: Option<u32>) {
        drop(self.orders.send(Order::Replace { pid }));
    }
}

struct Supervisor {
    launch: Launch,
    client: HandlerClient,
    log: Log,
    state: watch::Sender<State>,
    orders: mpsc::UnboundedReceiver<Order>,
    starts: Arc<AtomicUsize>,
    errors: Vec<Instant>,
}

/// How one process came to its end.
enum End {
    Exited(ExitStatus),
    NotStarted(String),
    Replaced,
    Stopped,
}

impl Supervisor {
    async fn run(mut self) {
        loop {
            let mut acknowledgements = Vec::new();
            let end = self.run_once(&mut acknowledgements).await;
            let next = match end {
                End::Stopped => return,
                End::Replaced => State::Starting,
                End::NotStarted(reason) => self.after_error(reason),
                End::Exited(status) => match status.code() {
                    Some(0) => State::Finished,
                    Some(RESTART_ME) => State::Starting,
                    Some(_) | None => self.after_error(format!("the handler ended with {status}")),
                },
            };
            self.state.send_replace(next.clone());
            drop(acknowledgements);
            if next != State::Starting {
                return self.until_stopped().await;
            }
        }
    }

    /// Runs one process to its end; whoever wants to know of that end is added to `acknowledgements`.
    async fn run_once(&mut self, acknowledgements: &mut Vec<oneshot::Sender<()>>) -> End {
        let (mut child, mut readers) = match self.spawn() {
            Ok(spawned) => spawned,
            Err(error) => return End::NotStarted(format!("{}: {error}", self.launch.executable.display())),
        };
        let (port, pid) = (self.launch.port, child.id());
        let limit = self.launch.initialization_timeout;
        let listening = tokio::time::timeout(limit, until_listening(self.client.clone(), port));
        tokio::pin!(listening);
        let mut end = None;
        loop {
            tokio::select! {
                status = child.wait() => {
                    drop(tokio::time::timeout(LAST_WORDS, async { while readers.join_next().await.is_some() {} }).await);
                    let failed = |error: std::io::Error| End::NotStarted(error.to_string());
                    return end.unwrap_or_else(|| status.map_or_else(failed, End::Exited));
                }
                answer = &mut listening, if end.is_none() && self.state.borrow().eq(&State::Starting) => match answer {
                    Ok(()) => drop(self.state.send_replace(State::Listening { port, pid })),
                    Err(_) => end = Some(End::NotStarted(format!("no answer to GET / within {limit:?}"))),
                },
                Some(order) = self.orders.recv() => match order {
                    Order::Kill(done) => { acknowledgements.push(done); kill(&mut child); }
                    Order::Stop(done) => {
                        acknowledgements.push(done);
                        self.state.send_replace(State::GivenUp("the host has stopped".to_owned()));
                        end = Some(End::Stopped);
                    }
                    Order::Replace { pid: culprit } if culprit == pid => end = Some(End::Replaced),
                    Order::Replace { .. } => {}
                },
            }
            if end.is_some() {
                kill(&mut child);
            }
        }
    }

    fn spawn(&self) -> std::io::Result<(Child, JoinSet<()>)> {
        let mut child = self.launch.command().spawn()?;
        self.starts.fetch_add(1, Ordering::Relaxed);
        let mut readers = JoinSet::new();
        if let Some(output) = child.stdout.take() {
            readers.spawn(self.log.clone().capture(Stream::Stdout, output));
        }
        if let Some(output) = child.stderr.take() {
            readers.spawn(self.log.clone().capture(Stream::Stderr, output));
        }
        Ok((child, readers))
    }

    fn after_error(&mut self, reason: String) -> State {
        let now = Instant::now();
        if self.errors.last().is_some_and(|last| now.duration_since(*last) > ERROR_WINDOW) {
            self.errors.clear();
        }
        self.errors.push(now);
        if self.errors.len() > self.launch.restart_limit { State::GivenUp(reason) } else { State::Starting }
    }

    async fn until_stopped(mut self) {
        while let Some(order) = self.orders.recv().await {
            if let Order::Stop(_) = order {
                return;
            }
        }
    }
}

fn kill(child: &mut Child) {
    drop(child.start_kill());
}

async fn until_listening(client: HandlerClient, port: u16) {
    while !client.is_listening(port).await {
        tokio::time::sleep(POLL).await;
    }
}

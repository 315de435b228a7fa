//! Start-up, in order.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::{Parser, Subcommand};
use handler::app::{App, misconfigured_router, router};
use handler::settings::{Problems, Settings, listen_port_from_env, log_level_from_env};
use handler::{dead_letters, health, http};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// sysexits: configuration error. Only for `check-config`; under the host a wrong setting must not end the process.
const EX_CONFIG: u8 = 64;
/// sysexits: internal error. Never 0: the Functions host does not restart a handler that ended with 0.
const EX_SOFTWARE: u8 = 70;

/// How long invocations in flight may take after a signal.
const GRACE: Duration = Duration::from_secs(5);

/// Threads beside the one that does everything: names are looked up there. Many cost memory, and a burst of new
/// connections asks for the same name.
const LOOKUPS: usize = 4;

/// Azure Functions custom handler between The Things Stack and Azure IoT Hub. Without a command it serves the
/// Functions host on FUNCTIONS_CUSTOMHANDLER_PORT.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Prints version and settings problems as JSON; exits 0 if there are none, else 64.
    CheckConfig,
    /// Shows messages that could not be delivered, tries them again, or deletes them.
    DeadLetters {
        #[command(subcommand)]
        command: dead_letters::Command,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Some(Command::CheckConfig) => check_config(),
        Some(Command::DeadLetters { command }) => ExitCode::from(dead_letters::run(command)),
        None => serve(),
    }
}

fn check_config() -> ExitCode {
    let problems = Settings::from_env().err().unwrap_or_default();
    let report = format!("{:#}\n", health::report(&problems));
    if std::io::stdout().write_all(report.as_bytes()).is_err() {
        return ExitCode::from(EX_SOFTWARE);
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EX_CONFIG) }
}

fn serve() -> ExitCode {
    log_to_stdout();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(LOOKUPS).build()
    {
        Ok(runtime) => runtime,
        Err(reason) => return fault(&format!("cannot start the asynchronous runtime: {reason}")),
    };
    let app = Settings::from_env().map(build);
    let router = match app {
        Ok(Ok(app)) => router(app),
        Ok(Err(reason)) => return fault(&reason),
        Err(problems) => {
            complain(&problems);
            misconfigured_router(problems)
        }
    };
    run(runtime, listen(router))
}

/// Runs to the end, and leaves name look-ups where they are: they cannot be interrupted, and may take minutes.
fn run(runtime: Runtime, served: impl Future<Output = ExitCode>) -> ExitCode {
    let code = runtime.block_on(served);
    runtime.shutdown_background();
    code
}

fn build(mut settings: Settings) -> Result<App, String> {
    let extra_roots = std::mem::take(&mut settings.iot_hub_extra_roots);
    let tls =
        http::tls_config(extra_roots).map_err(|reason| format!("cannot use IOT_HUB_CA_FILE for TLS: {reason}"))?;
    let clients =
        http::Clients::new(tls.clone()).map_err(|reason| format!("cannot build the HTTPS clients: {reason}"))?;
    Ok(App::new(settings, clients, Arc::new(tls)))
}

/// Everything goes to stdout: the host calls every stderr line an error.
fn log_to_stdout() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_max_level(log_level_from_env())
        .init();
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panic: {}", panic.payload_as_str().unwrap_or("without a message"));
    }));
}

fn complain(problems: &Problems) {
    for problem in problems.iter() {
        tracing::error!(setting = &*problem.name, "wrong setting {problem}");
    }
    tracing::error!(
        "answering every invocation with 503 until the settings are right; function health lists the problems"
    );
}

/// Listens last: to the host, listening means ready.
async fn listen(router: Router) -> ExitCode {
    let port = match listen_port_from_env() {
        Ok(port) => port,
        Err(reason) => return fault(&reason),
    };
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(listener) => listener,
        Err(reason) => return fault(&format!("cannot listen on 127.0.0.1:{port}: {reason}")),
    };
    let (mut interrupt, mut terminate) = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(reason), _) | (_, Err(reason)) => return fault(&format!("cannot listen for signals: {reason}")),
    };
    tracing::info!(port, version = env!("CARGO_PKG_VERSION"), "listening");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let mut server = tokio::spawn(server.into_future());
    let code = tokio::select! {
        ended = &mut server => return fault(&format!("the server ended: {ended:?}")),
        _ = interrupt.recv() => 128 + 2,
        _ = terminate.recv() => 128 + 15,
    };
    tracing::info!("stopping on a signal");
    let _ = stop.send(());
    let _ = tokio::time::timeout(GRACE, server).await;
    ExitCode::from(code)
}

fn fault(reason: &str) -> ExitCode {
    tracing::error!("{reason}");
    ExitCode::from(EX_SOFTWARE)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_name_that_is_looked_up_for_ever_does_not_keep_the_process() {
        let (answer, looked_up) = mpsc::channel::<()>();
        let (ended, has_ended) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let code = run(runtime, async {
                tokio::task::spawn_blocking(move || looked_up.recv());
                ExitCode::SUCCESS
            });
            ended.send(code)
        });
        let code = has_ended.recv_timeout(GRACE);
        drop(answer);
        assert_eq!(code, Ok(ExitCode::SUCCESS));
    }
}

//! Why the host does not start.

use std::path::PathBuf;

/// What is wrong with the script root, the settings or the handler.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `host.json` or a `function.json` is missing or not JSON of the expected shape.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What reading it said.
        reason: String,
    },
    /// `host.json` asks for something the host refuses or the stand-in does not play.
    #[error("host.json: {0}")]
    HostJson(String),
    /// A `function.json` asks for something the host refuses or the stand-in does not play.
    #[error("function {function}: {reason}")]
    Function {
        /// The function's name, which is its folder's.
        function: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A `%NAME%` in a `function.json` without such an app setting.
    #[error("function {function}: {field} names the app setting {name}, which does not exist")]
    Unresolved {
        /// The function's name.
        function: String,
        /// The binding's field.
        field: &'static str,
        /// The missing setting.
        name: String,
    },
    /// The host starts no handler for an app without functions.
    #[error("no enabled function directly under {}", .0.display())]
    NoFunctions(PathBuf),
    /// The HTTP front cannot have its port.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// Which one.
        port: u16,
        /// Why not.
        source: std::io::Error,
    },
    /// The script root or a socket's address cannot be had from the system.
    #[error("cannot look around")]
    System(#[from] std::io::Error),
    /// The handler never answered `GET /`.
    #[error("the handler did not start: {reason}\n{output}")]
    Handler {
        /// What became of it.
        reason: String,
        /// The last lines it wrote.
        output: String,
    },
}

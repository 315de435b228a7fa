//! Which server of the cluster a path belongs to, and what it names there.

/// The servers of a cluster that hold devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Server {
    /// The registry: applications, devices, API keys.
    Identity,
    /// Root keys.
    Join,
    /// Everything about the radio, and the queue of downlinks.
    Network,
    /// Payload formatters, downlinks, application packages.
    Application,
}

impl Server {
    /// All of them, in the order in which a device is created.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Join, Self::Network, Self::Application];

    /// Where its errors are defined.
    pub(super) fn namespace(self) -> &'static str {
        match self {
            Self::Identity => "pkg/identityserver",
            Self::Join => "pkg/joinserver",
            Self::Network => "pkg/networkserver",
            Self::Application => "pkg/applicationserver",
        }
    }
}

/// What a path names; strings are as the client wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    AuthInfo,
    Application(&'a str),
    Rights(&'a str),
    Devices(&'a str),
    Device(&'a str, &'a str),
    Downlinks(&'a str, &'a str),
    Push(&'a str, &'a str),
    Replace(&'a str, &'a str),
    Events(&'a str),
    Simulate(&'a str, &'a str),
    Webhook(&'a str, &'a str),
}

/// One of the paths there are below `/api/v3/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route<'a> {
    pub(super) server: Server,
    pub(super) target: Target<'a>,
}

impl<'a> Route<'a> {
    /// The route of a path without its query.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let (server, path) = split(path)?;
        let segments: Vec<&str> = path.split('/').collect();
        let target = match (server, segments.as_slice()) {
            (Server::Identity, ["auth_info"]) => Target::AuthInfo,
            (Server::Identity, ["applications", application]) => Target::Application(application),
            (Server::Identity, ["applications", application, "rights"]) => Target::Rights(application),
            (_, ["applications", application, "devices"]) => Target::Devices(application),
            (_, ["applications", application, "devices", device]) => Target::Device(application, device),
            (Server::Application, ["applications", application, "devices", device, "down"]) => {
                Target::Downlinks(application, device)
            }
            (Server::Application, ["applications", application, "devices", device, "down", "push"]) => {
                Target::Push(application, device)
            }
            (Server::Application, ["applications", application, "devices", device, "down", "replace"]) => {
                Target::Replace(application, device)
            }
            (Server::Application, ["applications", application, "devices", device, "up", "simulate"]) => {
                Target::Simulate(application, device)
            }
            (Server::Application, ["webhooks", application, webhook]) => Target::Webhook(application, webhook),
            (Server::Application, ["applications", application, "packages", "azureiothub", "events"]) => {
                Target::Events(application)
            }
            _ => return None,
        };
        Some(Self { server, target })
    }

    /// The device the path names.
    pub(super) fn device_id(&self) -> Option<&'a str> {
        match self.target {
            Target::Device(_, device)
            | Target::Downlinks(_, device)
            | Target::Simulate(_, device)
            | Target::Push(_, device)
            | Target::Replace(_, device) => Some(device),
            Target::AuthInfo
            | Target::Application(_)
            | Target::Rights(_)
            | Target::Devices(_)
            | Target::Events(_)
            | Target::Webhook(..) => None,
        }
    }
}

/// The server a path belongs to, whether or not there is such a route, and the rest.
pub(super) fn split(path: &str) -> Option<(Server, &str)> {
    let path = path.strip_prefix("/api/v3/")?;
    Some(match path.split_once('/') {
        Some(("js", rest)) => (Server::Join, rest),
        Some(("ns", rest)) => (Server::Network, rest),
        Some(("as", rest)) => (Server::Application, rest),
        _ => (Server::Identity, path),
    })
}

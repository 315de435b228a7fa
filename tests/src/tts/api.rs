//! The list of routes below `/api/v3`.

use hyper::Method;
use hyper::header::HOST;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::auth::{self, Right};
use super::registry::{Key, body, identity, mask, not_found, upsert};
use super::rejection::{Code, Rejection};
use super::route::{Route, Server, Target};
use super::state::State;
use super::{SubmittedEvent, downlinks, packages, simulate};

/// What a request has done.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) answer: Value,
    pub(super) deed: Deed,
}

/// What others may want to know of a request.
#[derive(Debug)]
pub(super) enum Deed {
    Nothing,
    Submitted(Vec<SubmittedEvent>),
    Set { server: Server, key: Key, written: Value, is_new: bool },
    Deleted { server: Server, key: Key },
    Downlinks { key: Key, downlinks: Vec<Value>, queue_before: Vec<Value>, is_replace: bool },
}

/// One request to one of the servers.
#[derive(Debug, Clone, Copy)]
struct Call<'a> {
    state: &'a State,
    parts: &'a Parts,
    body: &'a [u8],
    server: Server,
    application_id: &'a str,
}

/// What is accepted of one request.
pub(super) fn answer(state: &State, parts: &Parts, body: &[u8]) -> Result<Accepted, Rejection> {
    let Route { server, target } = Route::of(parts.uri.path()).ok_or_else(Rejection::no_route)?;
    let call = |application_id| {
        auth::authorize(&parts.headers, &state.options, application_id)?;
        Ok(Call { state, parts, body, server, application_id })
    };
    match target {
        Target::AuthInfo => auth_info(state, parts),
        Target::Application(application_id) => call(application_id)?.application(),
        Target::Rights(application_id) => call(application_id)?.rights(),
        Target::Devices(application_id) => call(application_id)?.devices(),
        Target::Device(application_id, device_id) => call(application_id)?.device(device_id),
        Target::Downlinks(application_id, device_id) => call(application_id)?.queue(device_id),
        Target::Push(application_id, device_id) => call(application_id)?.schedule(device_id, false),
        Target::Replace(application_id, device_id) => call(application_id)?.schedule(device_id, true),
        Target::Simulate(application_id, device_id) => call(application_id)?.simulate(device_id),
        Target::Webhook(application_id, webhook_id) => call(application_id)?.webhook(webhook_id),
        Target::Events(_) if !state.options.package_enabled => Err(Rejection::no_route()),
        Target::Events(application_id) => {
            require(&Method::POST, parts)?;
            call(application_id)?;
            let events = packages::submit(application_id, body)?;
            Ok(Accepted { answer: json!({}), deed: Deed::Submitted(events) })
        }
    }
}

fn require(method: &Method, parts: &Parts) -> Result<(), Rejection> {
    if parts.method == *method { Ok(()) } else { Err(not_allowed()) }
}

fn not_allowed() -> Rejection {
    Rejection::bare(Code::Unimplemented, "Method Not Allowed")
}

/// An answer about something that stays as it is.
fn only(answer: Value) -> Accepted {
    Accepted { answer, deed: Deed::Nothing }
}

fn auth_info(state: &State, parts: &Parts) -> Result<Accepted, Rejection> {
    require(&Method::GET, parts)?;
    auth::authenticate(&parts.headers, &state.options.api_key)?;
    let id = state.options.api_key.split('.').nth(1).unwrap_or_default();
    let ids = json!({"application_ids": {"application_id": state.options.application_id}});
    let key = json!({"id": id, "rights": state.options.rights});
    Ok(only(json!({"api_key": {"api_key": key, "entity_ids": ids}})))
}

impl Call<'_> {
    fn require(&self, rights: &[Right]) -> Result<(), Rejection> {
        auth::require(&self.state.options, self.application_id, rights)
    }

    fn key(&self, device_id: &str) -> Result<Key, Rejection> {
        body::require_id("end_device_ids.device_id", device_id)?;
        Ok((self.application_id.to_owned(), device_id.to_owned()))
    }

    fn application(&self) -> Result<Accepted, Rejection> {
        require(&Method::GET, self.parts)?;
        self.require(&[Right::Info])?;
        let paths = mask::in_query(self.parts.uri.query());
        Ok(only(identity::application(&self.state.options, self.application_id, &paths)))
    }

    fn rights(&self) -> Result<Accepted, Rejection> {
        require(&Method::GET, self.parts)?;
        Ok(only(json!({"rights": self.state.options.rights})))
    }

    fn devices(&self) -> Result<Accepted, Rejection> {
        require(&Method::POST, self.parts)?;
        if self.server != Server::Identity {
            return self.set(None);
        }
        let request = body::parse(self.body)?;
        self.require(&[Right::DevicesWrite])?;
        let options = &self.state.options;
        let (key, answer) =
            self.state.change(|registry| identity::create(options, registry, self.application_id, &request))?;
        Ok(self.has_set(key, answer, true))
    }

    fn device(&self, device_id: &str) -> Result<Accepted, Rejection> {
        let key = self.key(device_id)?;
        match (&self.parts.method, self.server) {
            (&Method::GET, _) => self.get(&key),
            (&Method::PUT, Server::Identity) => self.update(key),
            (&Method::PUT, _) => self.set(Some(device_id)),
            (&Method::DELETE, _) => {
                self.require(&[Right::DevicesWrite])?;
                self.state.change(|registry| registry.delete(self.server, &key))?;
                Ok(Accepted { answer: json!({}), deed: Deed::Deleted { server: self.server, key } })
            }
            _ => Err(not_allowed()),
        }
    }

    fn get(&self, key: &Key) -> Result<Accepted, Rejection> {
        let paths = mask::in_query(self.parts.uri.query());
        mask::require_readable(self.server, &paths)?;
        self.require(&[Right::DevicesRead])?;
        if ["root_keys.app_key.key", "root_keys.nwk_key.key", "session.keys"]
            .iter()
            .any(|keys| mask::touches(&paths, keys))
        {
            self.require(&[Right::DevicesReadKeys])?;
        }
        let registry = self.state.registry.borrow();
        let device = registry.at(self.server, key).ok_or_else(|| not_found(self.server, key))?;
        Ok(only(mask::read(device, &paths)))
    }

    fn update(&self, key: Key) -> Result<Accepted, Rejection> {
        let request = body::parse(self.body)?;
        self.require(&[Right::DevicesWrite])?;
        let options = &self.state.options;
        let answer = self.state.change(|registry| identity::update(options, registry, &key, &request))?;
        Ok(self.has_set(key, answer, false))
    }

    fn set(&self, device_id: Option<&str>) -> Result<Accepted, Rejection> {
        let set = upsert::parse(self.server, self.application_id, device_id, &body::parse(self.body)?)?;
        self.require(&[Right::DevicesWrite])?;
        if set.writes_keys() {
            self.require(&[Right::DevicesWriteKeys])?;
        }
        let plans = &self.state.options.frequency_plans;
        let done = self.state.change(|registry| set.carry_out(plans, registry))?;
        Ok(self.has_set(done.key, done.answer, done.is_new))
    }

    /// The answer shows what was written and nothing else.
    fn has_set(&self, key: Key, answer: Value, is_new: bool) -> Accepted {
        let written = answer.clone();
        Accepted { answer, deed: Deed::Set { server: self.server, key, written, is_new } }
    }

    fn queue(&self, device_id: &str) -> Result<Accepted, Rejection> {
        require(&Method::GET, self.parts)?;
        let key = self.key(device_id)?;
        self.require(&[Right::TrafficRead])?;
        downlinks::list(&self.state.registry.borrow(), &key).map(only)
    }

    fn simulate(&self, device_id: &str) -> Result<Accepted, Rejection> {
        require(&Method::POST, self.parts)?;
        let (key, request) = (self.key(device_id)?, body::parse(self.body)?);
        self.require(&[Right::TrafficUpWrite])?;
        let message = simulate::message(&self.state.registry.borrow(), &key, &request)?;
        let host = self.parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let public_address = format!("http://{host}/api/v3");
        // The answer does not wait for the webhooks, and does not tell whether they took the message.
        tokio::spawn(self.state.webhooks.clone().send(self.state.client.clone(), public_address, message));
        Ok(only(json!({})))
    }

    fn webhook(&self, webhook_id: &str) -> Result<Accepted, Rejection> {
        body::require_id("ids.webhook_id", webhook_id)?;
        let key = (self.application_id.to_owned(), webhook_id.to_owned());
        let webhooks = &self.state.webhooks;
        match self.parts.method {
            Method::GET => {
                self.require(&[Right::TrafficRead])?;
                webhooks.get(&key, &mask::in_query(self.parts.uri.query())).map(only)
            }
            Method::PUT => {
                let request = body::parse(self.body)?;
                self.require(&[Right::SettingsBasic, Right::TrafficRead, Right::TrafficDownWrite])?;
                webhooks.set(&key, &request).map(only)
            }
            Method::DELETE => {
                self.require(&[Right::SettingsBasic])?;
                webhooks.delete(&key).map(only)
            }
            _ => Err(not_allowed()),
        }
    }

    fn schedule(&self, device_id: &str, is_replace: bool) -> Result<Accepted, Rejection> {
        require(&Method::POST, self.parts)?;
        let key = self.key(device_id)?;
        let downlinks = downlinks::parse(self.body)?;
        self.require(&[Right::TrafficDownWrite])?;
        let options = &self.state.options;
        let queue_before = self.state.change(|registry| {
            let queue = registry.get(&key).map(|device| device.downlinks.clone()).unwrap_or_default();
            downlinks::schedule(options, registry, &key, &downlinks, is_replace).map(|()| queue)
        })?;
        Ok(Accepted { answer: json!({}), deed: Deed::Downlinks { key, downlinks, queue_before, is_replace } })
    }
}

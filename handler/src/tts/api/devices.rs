//! Creating, writing and deleting end devices. Every call may be repeated: what is there already is found to be so.

use reqwest::Method;
use tokio::time::Instant;

use super::end_device::{EndDevice, Field};
use super::{Answer, Api, Call, Server, unavailable};
use crate::error::{Error, OPERATOR, Peer, Retry};
use crate::tts::error_body::ApiError;
use crate::tts::id::EndDeviceIds;

/// Whether a device is new at the Identity Server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It is.
    Created,
    /// It was there already, with the same EUIs.
    Existed,
}

impl Api {
    /// Creates a device at the Identity Server.
    ///
    /// # Errors
    /// [`Error::Refused`] if its id or its EUIs belong to another device, or a value is not taken.
    pub async fn create(&self, device: &EndDevice, deadline: Instant) -> Result<Creation, Error> {
        let body = device.creation(self.host());
        let path = format!("/applications/{}/devices", device.ids.application_id());
        let call = Call { server: Server::Identity, method: Method::POST, path, body: Some(&body) };
        let error = match self.call(call, deadline).await? {
            Answer::Done(_) => return Ok(Creation::Created),
            Answer::Refused(error) => error,
        };
        if error.is("id_taken") {
            return self.check_euis(device, deadline).await.map(|()| Creation::Existed);
        }
        if error.is("end_device_euis_taken") && is_owner(&error, &device.ids) {
            return Ok(Creation::Existed);
        }
        Err(refused(Server::Identity, &error))
    }

    /// Whether the device that has this id is the one we mean.
    async fn check_euis(&self, device: &EndDevice, deadline: Instant) -> Result<(), Error> {
        match self.euis(&device.ids, deadline).await? {
            Some((dev_eui, join_eui)) if (&dev_eui, &join_eui) == (&device.dev_eui, &device.join_eui) => Ok(()),
            Some((dev_eui, join_eui)) => Err(Error::Refused {
                peer: Peer::Tts,
                what: format!(
                    "found {} with DevEUI {dev_eui} and JoinEUI {join_eui}, expected {} and {}; EUIs cannot be changed: \
                     delete the device, or give this one another id",
                    device.ids, device.dev_eui, device.join_eui
                ),
            }),
            None => Err(unavailable(format!("{} was there and is gone", device.ids), Retry::Soon)),
        }
    }

    /// DevEUI and JoinEUI, upper case, of the device that has this id at the Identity Server; `None` if none has.
    ///
    /// # Errors
    /// [`Error::Refused`] if it does not say.
    pub async fn euis(&self, ids: &EndDeviceIds, deadline: Instant) -> Result<Option<(String, String)>, Error> {
        let path = format!("{}?field_mask=ids", path(ids));
        let call = Call { server: Server::Identity, method: Method::GET, path, body: None };
        match self.call(call, deadline).await? {
            Answer::Done(found) => {
                let eui = |name: &str| found["ids"][name].as_str().unwrap_or("none").to_ascii_uppercase();
                Ok(Some((eui("dev_eui"), eui("join_eui"))))
            }
            Answer::Refused(error) if error.status == 404 => Ok(None),
            Answer::Refused(error) => Err(refused(Server::Identity, &error)),
        }
    }

    /// Registers a device at one of the other servers, or writes these fields anew there.
    ///
    /// # Errors
    /// [`Error::Refused`] if the server does not take it.
    pub async fn register(
        &self,
        server: Server,
        device: &EndDevice,
        fields: &[Field],
        deadline: Instant,
    ) -> Result<(), Error> {
        let body = device.registration(server, self.host(), fields);
        self.put(server, device, &body, deadline).await
    }

    /// Whether a server has the device.
    ///
    /// # Errors
    /// [`Error::Refused`] if it does not say.
    pub async fn is_registered(&self, server: Server, device: &EndDevice, deadline: Instant) -> Result<bool, Error> {
        let call = Call { server, method: Method::GET, path: path(&device.ids), body: None };
        match self.call(call, deadline).await? {
            Answer::Done(_) => Ok(true),
            Answer::Refused(error) if error.status == 404 => Ok(false),
            Answer::Refused(error) => Err(refused(server, &error)),
        }
    }

    /// Writes just these fields at a server; no call if it holds none of them.
    ///
    /// # Errors
    /// [`Error::Refused`] if the server does not take them, or has no such device.
    pub async fn change(
        &self,
        server: Server,
        device: &EndDevice,
        fields: &[Field],
        deadline: Instant,
    ) -> Result<(), Error> {
        match device.change(server, fields) {
            Some(body) => self.put(server, device, &body, deadline).await,
            None => Ok(()),
        }
    }

    async fn put(
        &self,
        server: Server,
        device: &EndDevice,
        body: &serde_json::Value,
        deadline: Instant,
    ) -> Result<(), Error> {
        let call = Call { server, method: Method::PUT, path: path(&device.ids), body: Some(body) };
        match self.call(call, deadline).await? {
            Answer::Done(_) => Ok(()),
            Answer::Refused(error) => Err(refused(server, &error)),
        }
    }

    /// Deletes a device at all servers; one that is gone is no error. The Identity Server comes last, since it holds the
    /// id: a deletion cut short leaves a device that can be deleted again.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when another time may do, [`Error::Refused`] if a server does not let it go.
    pub async fn delete(&self, ids: &EndDeviceIds, deadline: Instant) -> Result<(), Error> {
        for server in [Server::Application, Server::Network, Server::Join, Server::Identity] {
            let call = Call { server, method: Method::DELETE, path: path(ids), body: None };
            match self.call(call, deadline).await? {
                Answer::Done(_) => {}
                Answer::Refused(error) if error.status == 404 => {}
                Answer::Refused(error) => return Err(refused(server, &error)),
            }
        }
        Ok(())
    }
}

fn path(ids: &EndDeviceIds) -> String {
    format!("/applications/{}/devices/{}", ids.application_id(), ids.device_id())
}

fn is_owner(error: &ApiError, ids: &EndDeviceIds) -> bool {
    let is = |name: &str, own: &str| error.attribute(name).is_some_and(|found| found == own);
    is("application_id", ids.application_id()) && is("device_id", ids.device_id())
}

/// What a refusal means to an operator.
fn refused(server: Server, error: &ApiError) -> Error {
    let name = server.name();
    if ["network_server", "application_server", "join_server"]
        .iter()
        .any(|server| error.is(&format!("{server}_address_mismatch")))
    {
        let what = format!("{name}: {error}; the application lives on another cluster, check TTS_BASE_URL");
        return unavailable(what, Retry::After(OPERATOR));
    }
    let advice = match (error.attribute("device_id"), error.attribute("application_id")) {
        (Some(device_id), Some(application_id)) if error.is("end_device_euis_taken") => {
            format!("; these EUIs belong to device {device_id} of application {application_id}")
        }
        _ if error.is("end_device_euis_taken") || error.is("eui_taken") => {
            "; these EUIs belong to another device".to_owned()
        }
        _ => String::new(),
    };
    Error::Refused { peer: Peer::Tts, what: format!("{name}: {error}{advice}") }
}

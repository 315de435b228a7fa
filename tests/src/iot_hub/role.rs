//! Roles of Microsoft Entra ID on a hub: what a principal may do on the service's side.

use super::IotHub;
use super::policy::Right;

/// What a call to the service's side does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    ReadDevices,
    WriteDevices,
    DeleteDevices,
    ReadTwins,
    WriteTwins,
    PurgeCommands,
    ReadServiceStatistics,
}

impl Action {
    /// The right a shared access policy needs for it.
    pub(crate) fn right(self) -> Right {
        match self {
            Self::ReadDevices => Right::RegistryRead,
            Self::WriteDevices | Self::DeleteDevices => Right::RegistryWrite,
            Self::ReadTwins | Self::WriteTwins | Self::PurgeCommands | Self::ReadServiceStatistics => {
                Right::ServiceConnect
            }
        }
    }
}

/// A built-in role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `IoT Hub Data Contributor`: everything.
    DataContributor,
    /// `IoT Hub Data Reader`: reads everything.
    DataReader,
    /// `IoT Hub Registry Contributor`: devices only.
    RegistryContributor,
    /// `IoT Hub Twin Contributor`: twins only.
    TwinContributor,
    /// `Owner` or `Contributor`: the hub as a resource, and nothing in it.
    Contributor,
}

impl Role {
    pub(crate) fn allows(self, action: Action) -> bool {
        match self {
            Self::DataContributor => true,
            Self::DataReader => match action {
                Action::ReadDevices | Action::ReadTwins | Action::ReadServiceStatistics => true,
                Action::WriteDevices | Action::DeleteDevices | Action::WriteTwins | Action::PurgeCommands => false,
            },
            Self::RegistryContributor => {
                matches!(action, Action::ReadDevices | Action::WriteDevices | Action::DeleteDevices)
            }
            Self::TwinContributor => matches!(action, Action::ReadTwins | Action::WriteTwins),
            Self::Contributor => false,
        }
    }
}

impl IotHub {
    /// Assigns a role to a principal of the hub's directory, from now on.
    pub fn assign_role(&self, principal_id: &str, role: Role) {
        self.0.hub.access.roles().push((principal_id.to_owned(), role));
    }

    /// Takes a role away again.
    pub fn remove_role(&self, principal_id: &str, role: Role) {
        self.0.hub.access.roles().retain(|own| *own != (principal_id.to_owned(), role));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::access::{Access, Claim};
    use super::super::policy::Policy;
    use super::*;
    use crate::entra::{Directory, IOT_HUB_AUDIENCE};

    #[test]
    fn a_principal_may_do_what_its_roles_say_and_nothing_as_a_device() {
        let directory = Arc::new(Directory::default());
        let access = Access::new(vec!["h".to_owned()], Policy::built_in(), Some(directory.clone()));
        let path = ["twins".to_owned(), "dev1".to_owned()];
        let issue = |audience| format!("Bearer {}", directory.issue("someone", "app", audience, (100, 200)));
        let (token, stray) = (issue(IOT_HUB_AUDIENCE), issue("https://vault.azure.net"));
        let claim = Claim { token: Some(&token), method: "GET", path: &path, now: 150 };
        let refused = access.check_service(claim, Action::ReadTwins).unwrap_err();
        assert_eq!((refused.code.status(), refused.code.name()), (401, "IotHubUnauthorized"));
        assert!(refused.message.contains("someone is not authorized for GET on /twins/dev1"), "{refused}");
        let allowed = |roles: &[Role]| {
            *access.roles() = roles.iter().map(|role| ("someone".to_owned(), *role)).collect();
            [Action::ReadDevices, Action::WriteDevices, Action::ReadTwins, Action::WriteTwins]
                .map(|action| access.check_service(claim, action).is_ok())
        };
        assert_eq!(allowed(&[Role::RegistryContributor]), [true, true, false, false]);
        assert_eq!(allowed(&[Role::TwinContributor]), [false, false, true, true]);
        assert_eq!(allowed(&[Role::DataReader]), [true, false, true, false]);
        assert_eq!(allowed(&[Role::Contributor]), [false; 4]);
        assert_eq!(allowed(&[Role::RegistryContributor, Role::TwinContributor]), [true; 4]);
        for (claim, hint) in [
            (Claim { now: 200, ..claim }, "token expired"),
            (Claim { token: Some(&stray), ..claim }, "token for another audience"),
            (Claim { token: Some("Bearer x"), ..claim }, "not a web token"),
        ] {
            assert_eq!(access.check_service(claim, Action::ReadTwins).unwrap_err().hint, Some(hint));
        }
        assert_eq!(access.check_device(claim, "dev1", None).unwrap_err().hint, Some("not a shared access signature"));
    }
}

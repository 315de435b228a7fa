//! Registration over HTTPS.

use serde_json::json;

use super::*;

impl Bench {
    /// A request to the provisioning service, signed by a group's derived key.
    fn provision(&self, method: Method, id: &str, rest: &str) -> RequestBuilder {
        let group = &self.hub.enrollment_groups()[0];
        let resource = format!("{}/registrations/{id}", self.hub.id_scope());
        let token = token(&resource, &derived_key(&group.primary_key, id));
        self.request(method, &format!("/{resource}{rest}")).header("Authorization", token)
    }
}

fn derived_key(group_key: &str, registration_id: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(group_key).unwrap()).unwrap();
    mac.update(registration_id.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn a_device_registers_asks_what_has_become_of_it_and_sends() {
    let bench = Bench::start().await;
    let registered = bench.provision(Method::PUT, "dev1", "/register").body(r#"{"registrationId":"dev1"}"#);
    let registered = registered.send().await.unwrap();
    assert_eq!((registered.status().as_u16(), header(&registered, "retry-after")), (202, "1"));
    let location = header(&registered, "location").to_owned();
    let operation = json(registered).await;
    assert_eq!(operation["status"], "assigning");
    let operation = operation["operationId"].as_str().unwrap();
    assert!(location.ends_with(&format!("/operations/{operation}")), "{location}");
    let polled = bench.provision(Method::GET, "dev1", &format!("/operations/{operation}")).body("{}");
    let polled = json(polled.send().await.unwrap()).await;
    let state = &polled["registrationState"];
    assert_eq!((&polled["status"], &state["assignedHub"]), (&json!("assigned"), &json!("localhost")));
    assert_eq!(state["symmetricKey"], json!({"enrollmentGroupId": "devices"}));
    assert_eq!(json(bench.provision(Method::POST, "dev1", "").send().await.unwrap()).await, *state);
    let key = derived_key(&bench.hub.enrollment_groups()[0].primary_key, "dev1");
    let send = bench.request(Method::POST, "/devices/dev1/messages/events").body("1");
    let sent = send.header("Authorization", token("localhost/devices/dev1", &key)).send().await.unwrap();
    assert_eq!(sent.status(), 204);
}

#[tokio::test]
async fn refusals_come_in_the_services_own_envelope() {
    let bench = Bench::start().await;
    let foreign = bench.provision(Method::PUT, "dev1", "/register").body(r#"{"registrationId":"dev2"}"#);
    let unsigned = bench.request(Method::PUT, &format!("/{}/registrations/dev1/register", bench.hub.id_scope()));
    let unknown = bench.request(Method::PUT, "/0ne00FFFFFF/registrations/dev1/register");
    let operation = bench.provision(Method::GET, "dev1", "/operations/4.x");
    for (request, code) in [(foreign, 400_004), (unsigned, 401_002), (unknown, 404_002), (operation, 404_204)] {
        let response = request.send().await.unwrap();
        assert_eq!(u32::from(response.status().as_u16()), code / 1000);
        assert_eq!(header(&response, "x-ms-error-code"), code.to_string());
        assert_eq!(json(response).await["errorCode"], code);
    }
    assert!(bench.hub.devices().is_empty());
}

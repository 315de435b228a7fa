//! The host stand-in around a fake handler, which is this test binary run a second time.

mod event_hub_trigger;
mod fake_handler;
mod front;
mod process;
mod queue_trigger;
mod start;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::queue_settings::MessageEncoding;
use super::*;
use crate::event_hub::EventHub;
use crate::storage_queue::PutFault;

pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// A script root in a temporary folder, removed on drop.
pub(super) struct ScriptRoot(PathBuf);

impl Drop for ScriptRoot {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl ScriptRoot {
    /// With these functions and a `host.json` that starts the fake handler.
    pub(super) fn new(functions: &[(&str, Value)]) -> Self {
        let root = Self(std::env::temp_dir().join(format!("script-root-{}", Uuid::new_v4())));
        root.write("host.json", &host_json());
        for (name, function) in functions {
            root.write(&format!("{name}/function.json"), function);
        }
        root
    }

    pub(super) fn write(&self, path: &str, content: &Value) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content.to_string()).unwrap();
    }

    /// Options with the fake handler's script: what it answers to each function, in turn, the last for ever.
    pub(super) fn options(&self, script: &Value) -> Options {
        Options {
            settings: BTreeMap::from([(fake_handler::SCRIPT.to_owned(), script.to_string())]),
            retry_time_scale: 0.001,
            ..Options::new(self.0.clone())
        }
    }

    pub(super) async fn start(&self, script: &Value) -> FunctionsHost {
        FunctionsHost::start(self.options(script)).await.unwrap()
    }
}

pub(super) fn host_json() -> Value {
    json!({
        "version": "2.0",
        "customHandler": {"description": {
            "defaultExecutablePath": std::env::current_exe().unwrap(),
            "arguments": [fake_handler::TEST_NAME, "--exact", "--ignored", "--nocapture"],
        }},
    })
}

/// A function with one HTTP trigger and output.
pub(super) fn http(route: &str, method: &str) -> Value {
    json!({"bindings": [
        {"type": "httpTrigger", "direction": "in", "name": "req", "methods": [method], "route": route},
        {"type": "http", "direction": "out", "name": "res"},
    ]})
}

/// The requests the fake handler has got, oldest first, once there are so many.
pub(super) async fn requests(host: &FunctionsHost, count: usize) -> Vec<Value> {
    eventually(|| request_lines(host).len() >= count).await;
    request_lines(host).into_iter().map(|line| serde_json::from_str(&line).unwrap()).collect()
}

fn request_lines(host: &FunctionsHost) -> Vec<String> {
    let lines = host.logs();
    let requests = lines.iter().filter_map(|line| line.text.split_once(fake_handler::REQUEST));
    requests.map(|(_, request)| request.to_owned()).collect()
}

/// Waits for a condition nobody announces.
pub(super) async fn eventually(condition: impl Fn() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(2));
    let reached = async {
        while !condition() {
            look.tick().await;
        }
    };
    tokio::time::timeout(LIMIT, reached).await.unwrap();
}

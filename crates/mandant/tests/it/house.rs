//! A relay in front of a simulated provider, with one tenant: for commands that need calls to have been made.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::{Options, SimulatedProvider};
use tokio::runtime::Runtime;

use crate::sandbox::{Sandbox, Serving, pause};

/// The key of the tenant.
const SECRET: &str = "test-secret-of-acme-0123456789";

/// A sandbox with a provider; models `quick` and `slow`, whose answer streams for some seconds.
pub(crate) struct House {
    pub(crate) sandbox: Sandbox,
    _provider: SimulatedProvider,
    _runtime: Runtime,
}

impl House {
    /// `terms` are the tenant's, as resources spell them.
    pub(crate) fn new(terms: &str) -> House {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let provider = runtime.block_on(SimulatedProvider::start(Options::default())).unwrap();
        let sandbox = Sandbox::new();
        let settings = "data_dir = \"data\"\n[relay]\nlisten = \"127.0.0.1:0\"\nshutdown_grace = \"5s\"\n\
                        [control]\nlisten = \"127.0.0.1:0\"\n[storage]\njournal_segment_bytes = \"256KiB\"\n";
        sandbox.write("mandant.toml", settings);
        let model = |id: &str, simulated: &str| {
            format!(
                "[[model]]\nid = \"{id}\"\nroute = [{{ upstream = \"up\", model = \"{simulated}\" }}]\n\
                 price = {{ input = \"0.0375\", output = \"1.9999\" }}\ncontext_window = 100000\n\
                 max_output_tokens = 2000\nhidden_prompt_tokens = 0\n"
            )
        };
        let resources = format!(
            "[[upstream]]\nid = \"up\"\ndialect = \"openai\"\nbase_url = \"{}\"\napi_keys = [\"env:MANDANT_TEST_KEY\"]\n\
             {}{}[[tenant]]\nid = \"acme\"\n{terms}\n[[tenant.project]]\nid = \"main\"\n\
             [[tenant.project.key]]\nname = \"key\"\nsecret = \"{SECRET}\"\n",
            provider.base_url(),
            model("quick", "sim-tokens-20.delay-2"),
            model("slow", "sim-tokens-60.chunk-delay-100"),
        );
        sandbox.write("resources.toml", &resources);
        sandbox.good("apply -f resources.toml");
        House { sandbox, _provider: provider, _runtime: runtime }
    }

    /// Makes a call; `None` when the relay went away under it.
    pub(crate) fn call(&self, serving: &Serving, model: &str, user: &str) -> Option<u16> {
        use std::io::{Read as _, Write as _};
        let body = json!({
            "model": model, "user": user, "stream": model == "slow", "max_tokens": 60,
            "messages": [{ "role": "user", "content": "Say something kind." }],
        });
        let (body, address) = (body.to_string(), serving.address("relay"));
        let mut stream = std::net::TcpStream::connect(&address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(
            stream,
            "POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {SECRET}\r\n\
             Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
    }

    /// Makes so many quick calls.
    pub(crate) fn calls(&self, serving: &Serving, count: usize) {
        for number in 0..count {
            assert_eq!(
                self.call(serving, "quick", &format!("user {number}")),
                Some(200),
                "{}",
                self.sandbox.log_tail()
            );
        }
    }

    /// Serves; has `quick` calls that ended and so many `slow` ones under way; asks `meanwhile`, then makes as many quick
    /// calls again, and kills the relay before it has applied them.
    pub(crate) fn kill_under_way(&self, quick: usize, slow: usize, meanwhile: impl FnOnce()) {
        let mut serving = self.sandbox.serve();
        self.calls(&serving, quick);
        std::thread::scope(|scope| {
            for number in 0..slow {
                let serving = &serving;
                scope.spawn(move || self.call(serving, "slow", &format!("slow {number}")));
            }
            pause(Duration::from_millis(400));
            meanwhile();
            self.calls(&serving, quick);
            serving.signal(Signal::KILL);
        });
        serving.wait();
    }

    /// The list of holds.
    pub(crate) fn holds(&self) -> Vec<Value> {
        self.sandbox.good("holds list --json").json().as_array().expect("a list").clone()
    }

    /// All calls on record.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.sandbox.good("calls --tenant acme --limit 1000 --json").json()["calls"].as_array().unwrap().clone()
    }
}

/// Nano-USD of a member.
pub(crate) fn nanos(object: &Value, name: &str) -> i64 {
    let text = object[name].as_str().unwrap_or_else(|| panic!("{name} in {object:#}"));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<9}").parse().unwrap()
}

/// Nano-USD of a member of all of them.
pub(crate) fn sum(objects: &[Value], name: &str) -> i64 {
    objects.iter().map(|object| nanos(object, name)).sum()
}

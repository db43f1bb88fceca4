//! A provider in this process, a relay in one of its own in front of it, and what the relay's commands say.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use testkit::{Options, SimulatedProvider};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::books::{Audit, Balance, Books, Held, Nanos, PRICE, Row, amount, usd};
use super::caller::secret;
use crate::sandbox::{Sandbox, Serving, pause};

/// Output tokens of one answer at most, by every model of a stand.
pub(super) const OUTPUT_MAX: u64 = 2_000;
/// Calls of one tenant that a command lists at once.
pub(super) const CALLS_MAX: usize = 10_000;

/// A tenant with one key and one budget.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    pub(super) id: String,
    pub(super) budget: Nanos,
}

/// What clients saw.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    /// The traces of calls by the request id that their answers began with.
    pub(super) traces: HashMap<String, String>,
    /// Whole answers: the trace, and the cost where a header said it.
    pub(super) whole: Vec<(String, Option<Nanos>)>,
}

/// See the module's description.
pub(super) struct Stand {
    pub(super) sandbox: Sandbox,
    pub(super) provider: SimulatedProvider,
    pub(super) runtime: Runtime,
    serving: Option<Serving>,
}

impl Stand {
    /// A serving relay. `settings` are lines of the section `relay`; a model is its name and how the provider simulates it.
    pub(super) fn new(options: Options, settings: &str, models: &[(&str, &str)], tenants: &[Tenant]) -> Stand {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let options = Options { captures_max: 0, rate_limit_headers: false, ..options };
        let provider = runtime.block_on(SimulatedProvider::start(options)).unwrap();
        let sandbox = Sandbox::new();
        let text = format!(
            "data_dir = \"data\"\n[relay]\nlisten = \"127.0.0.1:0\"\nshutdown_grace = \"5s\"\n\
             connections_per_address_max = 10000\n{settings}\n[control]\nlisten = \"127.0.0.1:0\"\n"
        );
        sandbox.write("mandant.toml", &text);
        sandbox.write("resources.toml", &resources(&provider.base_url(), models, tenants));
        sandbox.good("apply -f resources.toml");
        let mut stand = Stand { sandbox, provider, runtime, serving: None };
        stand.start();
        stand
    }

    /// Starts the relay on its folder, and says how long it took until it served.
    pub(super) fn start(&mut self) -> Duration {
        assert!(self.serving.is_none(), "it serves already");
        let started = Instant::now();
        self.serving = Some(self.sandbox.serve());
        started.elapsed()
    }

    /// Ends the relay as a power cut of its process would: `kill -9`.
    pub(super) fn kill(&mut self) {
        let mut serving = self.serving.take().expect("a serving relay");
        assert!(serving.is_alive(), "it ended by itself:\n{}", self.sandbox.log_tail());
        serving.signal(Signal::KILL);
        serving.wait();
    }

    /// Where the relay listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.serving().address("relay").parse().unwrap()
    }

    /// The last that the relay said.
    pub(super) fn log_tail(&self) -> String {
        self.sandbox.log_tail()
    }

    pub(super) fn serving(&self) -> &Serving {
        self.serving.as_ref().expect("a serving relay")
    }

    /// The money of a tenant, as its status says it.
    pub(super) fn balance(&self, tenant: &str) -> Balance {
        let status = self.sandbox.good(&format!("status --tenant {tenant} --json")).json();
        assert_eq!(status["live"], true, "{status:#}");
        Balance { spent: amount(&status["current_usage"], "total_cost_usd"), held: amount(&status, "held_usd") }
    }

    /// All usage rows of a tenant.
    pub(super) fn rows(&self, tenant: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut before = String::new();
        loop {
            let page = format!("calls --tenant {tenant} --limit {CALLS_MAX} --json {before}");
            let answer = self.sandbox.good(&page).json();
            rows.extend(answer["calls"].as_array().unwrap().iter().map(Row::read));
            let Value::String(next) = &answer["next_before"] else { return rows };
            before = format!("--before {next}");
        }
    }

    /// All holds that are not settled. A relay without that command has none to show, so that it cannot account for what
    /// a kill interrupted.
    pub(super) fn holds(&self) -> Vec<Held> {
        let said = self.sandbox.run("holds list --json");
        if said.code == 2 {
            return Vec::new();
        }
        assert_eq!(said.code, 0, "mandant holds list: {said:?}");
        let answer = said.json();
        let list = answer.as_array().or_else(|| answer["holds"].as_array());
        list.unwrap_or_else(|| panic!("no list of holds: {answer:#}")).iter().map(Held::read).collect()
    }

    /// Compares one tenant's books with the provider's truth, until they agree: records are written a little after the
    /// call that they are for. They must agree within `within`.
    pub(super) fn audit(&self, tenant: &Tenant, seen: &Sightings, within: Duration) -> Result<Audit, String> {
        let deadline = Instant::now() + within;
        loop {
            let truth = self.runtime.block_on(self.provider.settled_truth(within));
            let books = Books {
                tenant: &tenant.id,
                budget: tenant.budget,
                balance: self.balance(&tenant.id),
                rows: self.rows(&tenant.id),
                holds: self.holds(),
                traces: &seen.traces,
                whole: &seen.whole,
            };
            match books.audit(&truth) {
                Err(_) if Instant::now() < deadline => pause(Duration::from_millis(100)),
                verdict => return verdict,
            }
        }
    }

    /// Waits until a tenant has nothing held, and gives its balance.
    pub(super) fn nothing_held(&self, tenant: &str, within: Duration) -> Balance {
        let deadline = Instant::now() + within;
        loop {
            let balance = self.balance(tenant);
            if balance.held == 0 {
                return balance;
            }
            let held = usd(balance.held);
            assert!(Instant::now() < deadline, "{held} USD of {tenant} is held {within:?} after its last call");
            pause(Duration::from_millis(50));
        }
    }
}

fn resources(base_url: &str, models: &[(&str, &str)], tenants: &[Tenant]) -> String {
    let mut text = format!(
        "[[upstream]]\nid = \"sim\"\ndialect = \"openai\"\nbase_url = \"{base_url}\"\napi_keys = [\"env:MANDANT_TEST_KEY\"]\n"
    );
    for (id, simulated) in models {
        text.push_str(&format!(
            "\n[[model]]\nid = \"{id}\"\nroute = [{{ upstream = \"sim\", model = \"{simulated}\" }}]\nprice = {PRICE}\n\
             context_window = 100000\nmax_output_tokens = {OUTPUT_MAX}\nhidden_prompt_tokens = 0\n"
        ));
    }
    for Tenant { id, budget } in tenants {
        text.push_str(&format!(
            "\n[[tenant]]\nid = \"{id}\"\nbudget = {{ usd_per_month = \"{}\" }}\n[[tenant.project]]\nid = \"main\"\n\
             [[tenant.project.key]]\nname = \"key\"\nsecret = \"{}\"\n",
            usd(*budget),
            secret(id)
        ));
    }
    text
}

/// The options of a provider whose truth is broken down by call.
pub(super) fn traced() -> Options {
    Options { trace_header: "user-agent".into(), ..Options::default() }
}

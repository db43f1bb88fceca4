//! `kill -9` gives nobody a fresh quota, at any limit of any level.

use serde_json::json;
use testkit::{Options, SimulatedProvider};
use tokio::runtime::Runtime;

use super::caller::secret;
use super::tell;
use crate::sandbox::{Sandbox, Serving};

/// Tenants, each with one limit at one level, and its window in seconds.
const TENANTS: [(&str, &str, &str, u64); 9] = [
    ("minute", "limits = { rpm = 4 }", "", 60),
    ("hour", "limits = { rph = 4 }", "", 3_600),
    ("day", "limits = { rpd = 4 }", "", 86_400),
    ("tokens", "limits = { tpm = 9000 }", "", 60),
    ("token-day", "limits = { tpd = 9000 }", "", 86_400),
    ("key", "", "limits = { rpm = 4 }", 60),
    ("model", "limits = { models.m = { rpm = 4 } }", "", 60),
    ("key-model", "", "limits = { models.m = { tpd = 9000 } }", 86_400),
    ("end-user", "limits = { per_end_user = { rph = 4 } }", "", 3_600),
];

fn resources(base_url: &str) -> String {
    let mut text = format!(
        "[[upstream]]\nid = \"sim\"\ndialect = \"openai\"\nbase_url = \"{base_url}\"\napi_keys = [\"env:MANDANT_TEST_KEY\"]\n\
         [[model]]\nid = \"m\"\nroute = [{{ upstream = \"sim\", model = \"sim-tokens-1000\" }}]\n\
         price = {{ input = \"1.00\", output = \"2.00\" }}\ncontext_window = 100000\nmax_output_tokens = 2000\n"
    );
    for (id, of_tenant, of_key, _) in TENANTS {
        text += &format!(
            "[[tenant]]\nid = \"{id}\"\nplan = \"unlimited\"\n{of_tenant}\n[[tenant.project]]\nid = \"main\"\n\
             [[tenant.project.key]]\nname = \"key\"\nsecret = \"{}\"\n{of_key}\n",
            secret(id)
        );
    }
    text
}

/// The status of a call of a tenant and its `Retry-After`.
fn ask(serving: &Serving, tenant: &str) -> (u16, Option<u64>) {
    let body =
        json!({ "model": "m", "user": "ann", "max_tokens": 1_000, "messages": [{ "role": "user", "content": "Hi" }] });
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Type: application/json",
        secret(tenant)
    );
    let (status, answer) = serving.http("relay", &head, &body.to_string());
    let wait = answer.lines().find_map(|line| line.strip_prefix("retry-after: ")?.trim().parse().ok());
    (status, wait)
}

/// A provider, and a sandbox whose tenants have their windows.
fn stand() -> (Runtime, SimulatedProvider, Sandbox) {
    let runtime = Runtime::new().unwrap();
    let options = Options { rate_limit_headers: false, ..Options::default() };
    let provider = runtime.block_on(SimulatedProvider::start(options)).unwrap();
    let sandbox = Sandbox::new();
    sandbox.write("resources.toml", &resources(&provider.base_url()));
    sandbox.good("apply -f resources.toml");
    (runtime, provider, sandbox)
}

#[test]
fn a_killed_relay_remembers_every_window() {
    let (runtime, provider, sandbox) = stand();
    let mut serving = sandbox.serve();
    for (tenant, _, _, _) in TENANTS {
        let answers: Vec<_> = (0..12).map(|_| ask(&serving, tenant)).collect();
        assert!(answers.iter().take(4).all(|answer| answer.0 == 200), "{tenant}: {answers:?}");
        assert_eq!(answers[11].0, 429, "{tenant}: {answers:?}");
    }
    let served = runtime.block_on(async { provider.requests().len() });
    // Once with the journal's end not applied yet, and once more with nothing in it.
    for round in 0..2 {
        serving.signal(rustix::process::Signal::KILL);
        serving.wait();
        let started = tokio::time::Instant::now();
        serving = sandbox.serve();
        tell(&format!("round {round}: serves {:?} after its start", started.elapsed()));
        for (tenant, _, _, window) in TENANTS {
            let (status, wait) = ask(&serving, tenant);
            assert_eq!(status, 429, "{tenant}, round {round}");
            // What was used a moment ago leaves a window later, and at most a sixtieth late.
            let wait = wait.expect("a wait");
            assert!(wait + 30 >= window && wait <= window + window / 60 + 1, "{tenant}, round {round}: {wait} s");
        }
    }
    assert_eq!(provider.requests().len(), served, "a refused call reaches nobody");
}

#[test]
#[ignore = "waits for a minute"]
fn a_retry_after_its_wait_is_admitted_after_a_kill() {
    let (_runtime, _provider, sandbox) = stand();
    let mut serving = sandbox.serve();
    let first: Vec<u16> = (0..4).map(|_| ask(&serving, "minute").0).collect();
    assert_eq!(first, [200; 4]);
    serving.signal(rustix::process::Signal::KILL);
    serving.wait();
    serving = sandbox.serve();
    let (status, wait) = ask(&serving, "minute");
    assert_eq!(status, 429);
    let wait = wait.expect("a wait");
    crate::sandbox::pause(std::time::Duration::from_secs(wait));
    assert_eq!(ask(&serving, "minute").0, 200, "after {wait} s");
}

#[test]
fn a_replay_says_what_other_limits_would_have_refused() {
    let (_runtime, _provider, sandbox) = stand();
    let serving = sandbox.serve();
    for tenant in ["minute", "minute", "minute", "hour", "hour", "day", "day", "day"] {
        assert_eq!(ask(&serving, tenant).0, 200);
    }
    let counted = |tenant: &str| {
        sandbox.good(&format!("calls --tenant {tenant} --json")).json()["calls"].as_array().unwrap().len()
    };
    while counted("minute") + counted("hour") + counted("day") < 8 {
        crate::sandbox::pause(std::time::Duration::from_millis(100));
    }
    let before = sandbox.good("export").out;
    // One is lowered for the tenant, one gets a limit of its key; what the file leaves out stays as it is.
    sandbox.write(
        "new.toml",
        "[[tenant]]\nid = \"minute\"\nplan = \"unlimited\"\nlimits = { rpm = 1, block_for = \"10m\" }\n\
         [[tenant]]\nid = \"day\"\nplan = \"unlimited\"\nlimits = { rpd = 4, shadow = { rph = 2 } }\n\
         [[tenant]]\nid = \"hour\"\nplan = \"unlimited\"\nlimits = { rph = 4 }\n[[tenant.project]]\nid = \"main\"\n\
         [[tenant.project.key]]\nname = \"key\"\nlimits = { tpm = 1 }\n",
    );
    let told = sandbox.good("limits replay --since 1h -f new.toml --json").json();
    let of = |tenant: &str| {
        told["tenants"].as_array().unwrap().iter().find(|one| one["tenant_id"] == tenant).unwrap().clone()
    };
    let minute = of("minute");
    assert_eq!((&minute["calls"], &minute["calls_refused"]), (&json!(3), &json!(2)), "{told:#}");
    let limit = &minute["limits"][0];
    assert_eq!(limit["account"], "tenant minute");
    assert_eq!((&limit["window"], &limit["limit"]), (&json!("requests_per_minute"), &json!(1)));
    assert_eq!((&limit["calls_refused"], &limit["calls_refused_in_blocks"]), (&json!(2), &json!(1)), "{told:#}");
    let day = of("day");
    assert_eq!((&day["calls_refused"], &day["calls_refused_by_shadow"]), (&json!(0), &json!(1)), "{told:#}");
    let shadow = &day["shadow_limits"][0];
    assert_eq!((&shadow["window"], &shadow["limit"]), (&json!("requests_per_hour"), &json!(2)));
    let hour = of("hour");
    assert_eq!((&hour["calls"], &hour["calls_refused"]), (&json!(2), &json!(2)), "{told:#}");
    assert_eq!(hour["limits"][0]["account"], "key main/key");
    // With the limits of now nothing would have been refused that was not; and nothing was changed.
    let same = sandbox.good("limits replay --since 1h -f resources.toml --json").json();
    assert!(same["tenants"].as_array().unwrap().iter().all(|one| one["calls_refused"] == 0), "{same:#}");
    assert_eq!(sandbox.good("export").out, before);
    let left = std::fs::read_dir(sandbox.path("data"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap());
    assert!(left.into_iter().all(|name| !name.starts_with("replay-")));
    let table = sandbox.good("limits replay --since 1h -f new.toml").out;
    assert!(table.contains("2 of 3") && table.contains("1 requests per minute"), "{table}");
    assert!(table.contains("1 of 3") && table.contains("only watched:"), "{table}");
    // What one of the calls held is more than this budget, and less than a dollar.
    for (usd, refused) in [("0.000001", 3), ("1", 0)] {
        let budget = format!("budget = {{ usd_per_day = \"{usd}\" }}");
        sandbox.write("new.toml", &format!("[[tenant]]\nid = \"minute\"\nplan = \"unlimited\"\n{budget}\n"));
        let told = sandbox.good("limits replay --since 1h -f new.toml --json").json();
        let minute = told["tenants"].as_array().unwrap().iter().find(|one| one["tenant_id"] == "minute").unwrap();
        assert_eq!(minute["calls_refused"], refused, "{told:#}");
        if refused > 0 {
            assert_eq!(
                (&minute["limits"][0]["budget"], &minute["limits"][0]["limit_usd"]),
                (&json!("usd_per_day"), &json!(usd))
            );
            let table = sandbox.good("limits replay --since 1h -f new.toml").out;
            assert!(table.contains("3 of 3") && table.contains("0.000001 usd_per_day"), "{table}");
        }
    }
}

//! `doctor`: marks, advice and exit codes.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::sandbox::{Said, Sandbox};

fn mark<'a>(checks: &'a Value, check: &str) -> Vec<&'a str> {
    let list = checks["checks"].as_array().unwrap().iter();
    list.filter(|line| line["check"] == check).map(|line| line["mark"].as_str().unwrap()).collect()
}

#[test]
fn a_fresh_and_a_filled_installation_have_no_problems() {
    let sandbox = Sandbox::new();
    sandbox.good("doctor");
    assert!(!sandbox.path("data").exists(), "looking makes nothing");
    sandbox.good("apply -f resources.toml");
    let checks = sandbox.good("doctor --json").json();
    for check in ["settings", "data folder", "master key", "store", "resources", "credential", "clock"] {
        assert_eq!(mark(&checks, check).first(), Some(&"ok"), "{check} in {checks:#}");
    }
    let serving = sandbox.serve();
    let checks = sandbox.good("doctor --json").json();
    assert_eq!((mark(&checks, "listeners"), mark(&checks, "journal")), (vec!["ok"], vec!["ok"]));
    assert!(sandbox.good("doctor").out.contains("free on its disk"));
    drop(serving);
    let settings = std::fs::read_to_string(sandbox.path("mandant.toml")).unwrap();
    sandbox.write("mandant.toml", &format!("{settings}[storage]\njournal_bytes_max = \"1024GiB\"\n"));
    let disk = rustix::fs::statvfs(sandbox.path("data").as_path()).unwrap();
    let expected = if disk.f_bavail * disk.f_frsize < 1 << 39 { "warning" } else { "ok" };
    assert_eq!(mark(&sandbox.good("doctor --json").json(), "journal"), [expected]);
}

#[test]
fn each_problem_has_its_advice_and_the_exit_code_says_so() {
    let sandbox = Sandbox::new();
    sandbox.good("apply -f resources.toml");
    let open = |name: &str, mode| {
        std::fs::set_permissions(sandbox.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let problem = |advice: &str| {
        let said: Said = sandbox.run("doctor");
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.out.contains("problem") && said.out.contains(advice), "{advice}: {said:?}");
    };
    open("data", 0o755);
    problem("chmod 700");
    open("data", 0o700);
    open("data/master.key", 0o644);
    problem("chmod 600");
    open("data/master.key", 0o600);
    std::fs::create_dir(sandbox.path("data/journal")).unwrap();
    open("data/journal", 0o755);
    problem("chmod 700");
    open("data/journal", 0o700);
    sandbox.good("upstream update up --api-key file:/nonexistent/key");
    problem("/nonexistent/key cannot be read");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    sandbox.write("mandant.toml", &format!("data_dir = \"data\"\n[relay]\nlisten = \"{address}\"\n"));
    problem("cannot be used");
}

//! `holds` and `wallet`, with and without a serving process, and what offline commands show after a kill.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::house::{House, nanos, sum};
use crate::sandbox::pause;

#[test]
fn after_a_kill_offline_commands_show_everything_and_holds_are_resolved() {
    let house = House::new("budget = { usd_per_month = \"10.00\" }");
    let sandbox = &house.sandbox;
    house.kill_under_way(4, 2, || {
        let holds = house.holds();
        assert_eq!(holds.iter().filter(|hold| hold["state"] == "open").count(), 2, "{holds:#?}");
        assert_eq!(sandbox.run("holds resolve 1-1 --release").code, 1, "it ended");
        let open = holds[0]["attempt"].as_str().unwrap();
        assert_eq!(sandbox.run(&format!("holds resolve {open} --release")).code, 1, "it is under way");
    });
    // The last calls are in the journal alone; a command that only looks brings them over.
    let before = sandbox.good("verify --json").json();
    assert!(before["unapplied"].as_u64().unwrap() >= 4, "{before:#}");
    let holds = house.holds();
    for name in ["attempt", "request_id", "tenant", "project", "key", "model", "upstream", "held_tokens", "since"] {
        assert!(!holds[0][name].is_null(), "{name} in {:#}", holds[0]);
    }
    assert!(holds.len() == 2 && holds.iter().all(|hold| hold["state"] == "unknown"), "{holds:#?}");
    assert_eq!(sandbox.good("holds list --tenant nobody --json").json(), json!([]));
    assert_eq!(sandbox.good("verify --json").json()["unapplied"], 0);
    let records = house.records();
    assert_eq!(records.len(), 8);
    let usage = sandbox.good("usage --tenant acme --json").json();
    assert_eq!((&usage["total_requests"], nanos(&usage, "total_cost_usd")), (&json!(8), sum(&records, "cost_usd")));
    let status = sandbox.good("status --tenant acme --json").json();
    let spent = nanos(&status["current_usage"], "total_cost_usd");
    assert_eq!((spent, nanos(&status, "held_usd")), (sum(&records, "cost_usd"), sum(&holds, "held_usd")));

    let [first, second] = [0, 1].map(|place: usize| holds[place]["attempt"].as_str().unwrap().to_owned());
    let said = sandbox.run(&format!("holds resolve {first} --charge 1.00"));
    assert!(said.code == 65 && said.err.contains("that are held"), "{said:?}");
    for (words, code) in [("--release", 1), ("--charge -1", 2), ("", 2), ("--release --charge-whole", 2)] {
        assert_eq!(sandbox.run(&format!("holds resolve 9-9 {words}")).code, code, "{words}");
    }
    let told = sandbox.good(&format!("holds resolve {first} --charge 0.000001 --reason invoice --json")).json();
    assert_eq!(
        (nanos(&told, "charged_usd"), nanos(&told, "released_usd")),
        (1_000, nanos(&holds[0], "held_usd") - 1_000)
    );
    sandbox.good(&format!("holds resolve {second} --charge-whole"));
    assert_eq!(sandbox.run(&format!("holds resolve {second} --charge-whole")).code, 1, "once");
    assert!(house.holds().is_empty());
    let charged = sum(&records, "cost_usd") + 1_000 + nanos(&holds[1], "held_usd");
    let status = || {
        let status = sandbox.good("status --tenant acme --json").json();
        (nanos(&status["current_usage"], "total_cost_usd"), nanos(&status, "held_usd"))
    };
    assert_eq!(status(), (charged, 0));
    sandbox.good("verify");
    let _serving = sandbox.serve();
    assert_eq!(status(), (charged, 0));
    assert!(house.holds().is_empty());
}

#[test]
fn a_decision_through_the_process_is_durable_when_the_command_ends() {
    let house = House::new("budget = { usd_per_month = \"10.00\" }");
    let sandbox = &house.sandbox;
    house.kill_under_way(1, 2, || {});
    let mut serving = sandbox.serve();
    let holds = house.holds();
    assert!(holds.len() == 2 && holds.iter().all(|hold| hold["state"] == "unknown"), "{holds:#?}");
    let attempt = |place: usize| holds[place]["attempt"].as_str().unwrap().to_owned();
    assert_eq!(sandbox.run(&format!("holds resolve {} --charge 5", attempt(0))).code, 65);
    sandbox.good(&format!("holds resolve {} --release --reason never-sent", attempt(0)));
    sandbox.good(&format!("holds resolve {} --charge-whole", attempt(1)));
    serving.signal(Signal::KILL);
    serving.wait();
    assert!(house.holds().is_empty());
    let records = house.records();
    let resolved: Vec<_> = records.iter().filter(|record| record["ending"] == "resolved").collect();
    assert_eq!(resolved.len(), 2, "{records:#?}");
    assert_eq!(resolved.iter().map(|record| nanos(record, "cost_usd")).sum::<i64>(), nanos(&holds[1], "held_usd"));
    sandbox.good("verify");
}

#[test]
fn a_wallet_pays_for_calls_from_the_moment_it_is_credited() {
    let house = House::new("wallet = true");
    let sandbox = &house.sandbox;
    let serving = sandbox.serve();
    assert_eq!(house.call(&serving, "quick", "early"), Some(402));
    let told = sandbox.good("wallet credit acme --usd 0.50 --reference payment-1 --note first --json").json();
    assert_eq!((&told["is_new"], &told["wallet"]["balance_usd"]), (&json!(true), &json!("0.50")));
    assert_eq!(house.call(&serving, "quick", "paid"), Some(200));
    let again = sandbox.good("wallet credit acme --usd 0.50 --reference payment-1 --json").json();
    assert_eq!((&again["is_new"], &again["wallet"]["credited_usd"]), (&json!(false), &json!("0.50")));
    assert_eq!(sandbox.run("wallet credit acme --usd 0.60 --reference payment-1").code, 65, "another amount");
    std::thread::scope(|scope| {
        scope.spawn(|| house.call(&serving, "slow", "held"));
        pause(Duration::from_millis(400));
        let wallet = sandbox.good("wallet show acme --json").json();
        let parts = ["spent_usd", "held_usd", "balance_usd"].map(|name| nanos(&wallet, name));
        assert!(parts.iter().sum::<i64>() == 500_000_000 && parts.iter().all(|part| *part > 0), "{wallet:#}");
        assert_eq!(parts[1], sum(&house.holds(), "held_usd"));
    });
    // What is taken out is not there for calls.
    sandbox.good("wallet credit acme --usd 0.50 --kind refund");
    assert_eq!(house.call(&serving, "quick", "late"), Some(402));
    sandbox.good("wallet credit acme --usd -0.01 --kind adjustment");
    drop(serving);

    let records = house.records();
    let wallet = sandbox.good("wallet show acme --json").json();
    assert_eq!((nanos(&wallet, "spent_usd"), &wallet["credited_usd"]), (sum(&records, "cost_usd"), &json!("0.00")));
    assert!(wallet["balance_usd"].as_str().unwrap().starts_with('-'), "{wallet:#}");
    let list = sandbox.good("wallet list acme --json").json();
    let amounts: Vec<_> = list["credits"].as_array().unwrap().iter().map(|credit| credit["usd"].clone()).collect();
    assert_eq!(amounts, ["0.00", "0.50", "-0.50", "-0.01"]);
    assert!(sandbox.good("wallet show acme").out.contains("balance"));
    assert!(sandbox.good("wallet list acme").out.contains("payment-1"));
    sandbox.good("tenant create poor");
    for (words, code) in [
        ("wallet show poor", 1),
        ("wallet show nobody", 1),
        ("wallet credit poor --usd 1", 65),
        ("wallet credit acme", 2),
    ] {
        assert_eq!(sandbox.run(words).code, code, "{words}");
    }
    sandbox.good("verify");
}

#[test]
fn commands_wait_for_one_another_and_a_start_waits_for_them() {
    let house = House::new("budget = { usd_per_month = \"10.00\" }");
    house.kill_under_way(3, 3, || {});
    let attempts: Vec<String> = house.holds().iter().map(|hold| hold["attempt"].as_str().unwrap().to_owned()).collect();
    std::thread::scope(|scope| {
        let house = &house;
        for attempt in &attempts {
            scope.spawn(move || house.sandbox.good(&format!("holds resolve {attempt} --charge-whole")));
        }
        scope.spawn(|| house.sandbox.serve());
    });
    assert!(house.holds().is_empty());
    house.sandbox.good("verify");
}

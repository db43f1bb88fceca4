//! `demo --once`: everything at once, without a key and without the network.

use std::time::Duration;

use crate::sandbox::{Sandbox, pause};

#[test]
fn the_demonstration_shows_success_a_stream_and_every_kind_of_limit() {
    let sandbox = Sandbox::new();
    let shown = sandbox.good("demo --once --listen 127.0.0.1:0 --data-dir demo --json").json();
    let calls = shown["calls"].as_array().unwrap();
    let statuses: Vec<u64> = calls.iter().map(|call| call["status"].as_u64().unwrap()).collect();
    for status in [200, 402, 403, 429] {
        assert!(statuses.contains(&status), "{status} in {statuses:?}");
    }
    assert!(calls.iter().any(|call| call["stream"] == true && call["status"] == 200));
    for usage in shown["usage"].as_array().unwrap() {
        let tenant = usage["tenant_id"].as_str().unwrap();
        let served = calls.iter().filter(|call| call["tenant_id"] == tenant && call["status"] == 200).count() as u64;
        assert_eq!(usage["total_requests"].as_u64(), Some(served), "{tenant}: {usage:#}");
        assert_ne!(usage["total_cost_usd"], "0.00", "{tenant}");
    }
    // The records outlive the process.
    let receipts = sandbox.good("calls --tenant tenant_premium_001 --data-dir demo --json").json();
    assert_eq!(receipts["calls"].as_array().unwrap().len(), 4);
    assert!(receipts["calls"].as_array().unwrap().iter().all(|call| call["ending"] == "complete"), "{receipts:#}");
}

#[test]
fn a_demonstration_without_a_folder_leaves_none() {
    let sandbox = Sandbox::new();
    let said = sandbox.good("demo --once --listen 127.0.0.1:0");
    let folder = said.out.lines().find_map(|line| line.strip_prefix("socket ")).unwrap().trim();
    pause(Duration::from_millis(10));
    assert!(!std::path::Path::new(folder).parent().unwrap().exists(), "{folder}");
    assert!(said.out.contains("tenant_standard_002 from"), "{said:?}");
}

//! `verify`: what is untouched is sound, and whatever is changed is found.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::house::{House, nanos};
use crate::pages::Pages;
use crate::sandbox::Sandbox;

/// Places that are damaged, each by itself.
const DAMAGES: usize = 200;
/// What `verify` exits with when something is in doubt.
const DOUBTS: i32 = 3;
/// Tables of entries, and the sums of them.
const TABLES: [&str; 10] =
    ["usage", "resolution", "credit", "hold", "lease", "block", "counter", "name", "rollup", "rollup_end_user"];

/// A data folder with rows in every table and records that were not applied.
fn filled() -> House {
    let house = House::new("wallet = true\nbudget = { usd_per_month = \"10.00\", usd_per_day = \"5.00\" }");
    let sandbox = &house.sandbox;
    sandbox.good("wallet credit acme --usd 5.00 --reference payment-1 --note first");
    house.kill_under_way(6, 2, || {});
    let attempt = house.holds()[0]["attempt"].as_str().unwrap().to_owned();
    sandbox.good(&format!("holds resolve {attempt} --charge 0.00001 --reason invoice"));
    house.kill_under_way(6, 2, || drop(house.holds()));
    // Closing it puts the log of the database into the database.
    let report = sandbox.good("verify --json").json();
    assert_eq!((&report["sound"], &report["doubts"], &report["left_out"]), (&json!(true), &json!([]), &json!([])));
    assert!(report["unapplied"].as_u64().unwrap() >= 12 && report["attempts"].as_u64().unwrap() >= 12, "{report:#}");
    assert!(!sandbox.path("data/mandant.db-wal").exists());
    house
}

fn sound(sandbox: &Sandbox) {
    let said = sandbox.run("verify");
    assert!(said.code == 0 && said.out.contains("sound"), "{said:?}");
}

/// The segments of the journal and their bytes.
fn segments(sandbox: &Sandbox) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(sandbox.path("data/journal")).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn every_flipped_byte_of_the_journal_is_found() {
    let house = filled();
    let sandbox = &house.sandbox;
    let segments = segments(sandbox);
    let used = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let parts: Vec<(&PathBuf, usize)> =
        segments.iter().map(|(path, bytes)| (path, used(bytes))).filter(|(_, used)| *used > 0).collect();
    assert!(!parts.is_empty());
    let mut random = fastrand::Rng::with_seed(11);
    for number in 0..DAMAGES {
        let (path, used) = parts[random.usize(..parts.len())];
        let (offset, bit) = (random.usize(..used), random.u8(..8));
        let mut damaged = segments[path].clone();
        damaged[offset] ^= 1 << bit;
        std::fs::write(path, damaged).unwrap();
        let said = sandbox.run("verify");
        std::fs::write(path, &segments[path]).unwrap();
        let place = format!("damage {number}: {} of {used}, byte {offset}, bit {bit}", path.display());
        assert_eq!(said.code, DOUBTS, "{place}: {said:?}");
        assert!(said.out.contains("doubt: journal"), "{place}: {said:?}");
    }
    sound(sandbox);
}

#[test]
fn every_changed_cell_of_the_database_is_found() {
    let house = filled();
    let sandbox = &house.sandbox;
    let file = sandbox.path("data/mandant.db");
    let pages = Pages::new(std::fs::read(&file).unwrap());
    let rows: Vec<(&str, Vec<_>)> = TABLES.iter().map(|table| (*table, pages.table(table))).collect();
    for (table, rows) in &rows {
        assert!(!rows.is_empty(), "{table} has no rows");
    }
    let mut random = fastrand::Rng::with_seed(12);
    let mut made = 0;
    while made < DAMAGES {
        let (table, rows) = &rows[random.usize(..rows.len())];
        let row = &rows[random.usize(..rows.len())];
        let values: Vec<_> = pages.values(row).into_iter().filter(|value| !value.is_empty()).collect();
        // A larger epoch harms nobody.
        if pages.bytes()[values[0].clone()] == *b"epoch" {
            continue;
        }
        let value = &values[random.usize(..values.len())];
        let (offset, bit) = (random.usize(value.clone()), random.u8(..8));
        let mut damaged = pages.bytes().to_vec();
        damaged[offset] ^= 1 << bit;
        std::fs::write(&file, damaged).unwrap();
        let said = sandbox.run("verify --json");
        std::fs::write(&file, pages.bytes()).unwrap();
        let place = format!("damage {made}: {table}, value of {} bytes, byte {offset}, bit {bit}", value.len());
        assert_eq!(said.code, DOUBTS, "{place}: {said:?}");
        let doubts = said.json()["doubts"].as_array().unwrap().clone();
        assert!(doubts.iter().all(|doubt| doubt["what"].as_str().is_some_and(|what| !what.is_empty())), "{place}");
        made += 1;
    }
    sound(sandbox);
}

#[test]
fn what_is_missing_or_from_another_time_is_found() {
    let house = filled();
    let sandbox = &house.sandbox;
    let file = sandbox.path("data/mandant.db");
    let (before, journal) = (std::fs::read(&file).unwrap(), segments(sandbox));
    assert_eq!(house.holds().len(), 3, "of four interrupted calls one was resolved");
    sound(sandbox);
    let applied = std::fs::read(&file).unwrap();
    assert_ne!(before, applied, "the last records were brought over");
    // The journal without its last records, beside a store that has them.
    let (path, bytes) = journal.iter().rfind(|(_, bytes)| bytes.iter().any(|byte| *byte != 0)).unwrap();
    let half = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2;
    let cut: Vec<u8> =
        bytes.iter().enumerate().map(|(at, byte)| if at < half.max(4_096) { *byte } else { 0 }).collect();
    std::fs::write(path, cut).unwrap();
    let said = sandbox.run("verify");
    assert_eq!(said.code, DOUBTS, "{said:?}");
    let said = sandbox.run("holds list");
    assert!(said.code == 1 && said.err.contains("mandant verify"), "{said:?}");
    std::fs::write(path, bytes).unwrap();
    sound(sandbox);
    std::fs::remove_dir_all(sandbox.path("data/journal")).unwrap();
    let said = sandbox.run("verify");
    assert!(said.code == DOUBTS && said.out.contains("there is none"), "{said:?}");
    std::fs::write(&file, b"not a database at all, but some other file").unwrap();
    let said = sandbox.run("verify");
    assert!(said.code == DOUBTS && said.out.contains("doubt: mandant.db"), "{said:?}");
}

#[test]
fn a_store_of_another_installation_is_found_though_both_are_whole() {
    let terms = "budget = { usd_per_month = \"10.00\" }";
    let (house, other) = (House::new(terms), House::new(terms));
    for house in [&house, &other] {
        house.kill_under_way(2, 1, || {});
        house.holds();
        sound(&house.sandbox);
    }
    for name in ["mandant.db", "master.key"] {
        std::fs::copy(other.sandbox.path("data").join(name), house.sandbox.path("data").join(name)).unwrap();
    }
    let said = house.sandbox.run("verify");
    assert_eq!(said.code, DOUBTS, "{said:?}");
    assert!(said.out.contains("the store has another end of attempt"), "{said:?}");
}

#[test]
fn beside_a_serving_process_what_moves_is_left_out() {
    let house = House::new("budget = { usd_per_month = \"10.00\" }");
    let serving = house.sandbox.serve();
    std::thread::scope(|scope| {
        let load = scope.spawn(|| house.calls(&serving, 60));
        let mut runs = 0;
        while !load.is_finished() || runs == 0 {
            let said = house.sandbox.run("verify --json");
            assert_eq!(said.code, 0, "{said:?}");
            assert_eq!(said.json()["left_out"].as_array().unwrap().len(), 3);
            runs += 1;
        }
        load.join().unwrap();
    });
    assert!(house.sandbox.good("verify").out.contains("A process serves"));
    let said = house.sandbox.run("--data-dir nowhere verify");
    assert!(said.code == 1 && !house.sandbox.path("nowhere").exists(), "{said:?}");
}

#[test]
fn the_providers_list_is_compared_call_by_call() {
    let house = House::new("budget = { usd_per_month = \"10.00\" }");
    let sandbox = &house.sandbox;
    let serving = sandbox.serve();
    house.calls(&serving, 4);
    drop(serving);
    let records = house.records();
    let line = |record: &Value| {
        let tokens = record["input_tokens"].as_u64().unwrap() + record["output_tokens"].as_u64().unwrap();
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        (text("upstream_response_id"), text("request_id"), text("cost_usd"), tokens)
    };
    let mut whole = "response_id,cost_usd,tokens\n".to_owned();
    let mut by_request = "tokens,request_id\r\n".to_owned();
    for (id, request, cost, tokens) in records.iter().map(line) {
        whole.push_str(&format!("{id},{cost},{tokens}\n"));
        by_request.push_str(&format!("{tokens},\"{request}\"\r\n"));
    }
    sandbox.write("whole.csv", &whole);
    sandbox.write("by_request.csv", &by_request);
    for file in ["whole.csv", "by_request.csv"] {
        let report = sandbox.good(&format!("verify --provider-usage {file} --json")).json();
        assert_eq!(report["provider_usage"]["same"], 4, "{report:#}");
    }
    let (first, second) = (line(&records[0]), line(&records[1]));
    let third = line(&records[2]);
    sandbox.write(
        "other.csv",
        &format!(
            "response_id,cost_usd,tokens\n{},{},{}\n{},9.5,{}\n{},{},1\nstranger,0.0000000001,7\n",
            first.0, first.2, first.3, second.0, second.3, third.0, third.2
        ),
    );
    let said = sandbox.run("verify --provider-usage other.csv --json");
    assert_eq!(said.code, 4, "{said:?}");
    let report = said.json();
    let compared = &report["provider_usage"];
    assert_eq!(
        (&report["sound"], &compared["same"], &compared["counts"]),
        (&json!(true), &json!(1), &json!([1, 1, 2]))
    );
    assert_eq!(compared["only_provider"][0]["id"], "stranger");
    assert_eq!(nanos(&compared["only_provider"][0]["provider"], "cost_usd"), 1, "rounded up");
    assert_eq!(compared["only_ours"][0]["id"], line(&records[3]).0);
    assert_eq!(compared["provider"]["calls"], 4);
    let said = sandbox.run("verify --provider-usage other.csv");
    assert!(said.code == 4 && said.out.contains("billed by the provider, and not in the books"), "{said:?}");
    // Ours of another time or upstream are not missed.
    for words in ["--upstream elsewhere", "--to 2020-01-01", "--from 2100-01-01"] {
        let said = sandbox.run(&format!("verify --provider-usage other.csv --json {words}"));
        assert_eq!(said.json()["provider_usage"]["counts"], json!([1, 0, 2]), "{words}");
    }
    sandbox.write("bad.csv", "response_id,cost_usd\nx,much\n");
    let said = sandbox.run("verify --provider-usage bad.csv");
    assert!(said.code == 65 && said.err.contains("bad.csv:2"), "{said:?}");
    assert_eq!(sandbox.run("verify --from 2027-01-01").code, 2);
}

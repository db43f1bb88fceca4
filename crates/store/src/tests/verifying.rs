//! Verification: whatever single thing is changed in the file, it is found.

use base::{BudgetPeriod, Money, TenantId, Timestamp};
use fastrand::Rng;
use ledger::Resource;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::entries::{resolved, sound};
use super::usage::{START, many};
use super::{Bench, SMALL};
use crate::{Credit, CreditKind, Ending, IntentRecord, LeaseRecord, Record, database};

/// Tables of the ledger, with how many of their columns are the key.
const TABLES: [(&str, usize); 11] = [
    ("usage", 1),
    ("usage_list", 3),
    ("resolution", 1),
    ("credit", 1),
    ("hold", 1),
    ("lease", 5),
    ("block", 1),
    ("counter", 1),
    ("name", 1),
    ("rollup", 5),
    ("rollup_end_user", 3),
];

/// A ledger with rows in every table.
fn ledger() -> Bench {
    let bench = Bench::new();
    bench.store.next_epoch().unwrap();
    bench.apply(&SMALL.replace("name = \"Acme Ltd\"", "wallet = true"));
    let acme = TenantId::new("acme").unwrap();
    let (mut journal, mut applied) = (Vec::new(), 0);
    for record in many(160) {
        journal.push(Record::Intent(IntentRecord::of(&record)));
        let sequence = record.attempt.sequence;
        let is_unknown = record.ending == Ending::Unknown;
        if !sequence.is_multiple_of(17) {
            journal.push(Record::Settled(record));
        }
        if is_unknown && sequence.is_multiple_of(2) {
            journal.push(resolved(sequence, 2_000));
        }
        if sequence.is_multiple_of(20) {
            journal.push(Record::Leased(LeaseRecord {
                tenant: acme.clone(),
                project: None,
                key: None,
                period: BudgetPeriod::ALL[sequence as usize / 20 % 5],
                starts: Timestamp::from_seconds(START),
                resource: Resource::Usd,
                up_to: sequence,
                lost: Some(sequence / 2),
            }));
            applied += journal.len() as u64;
            bench.store.apply_records(core::mem::take(&mut journal), applied).unwrap();
            let reference = sequence.is_multiple_of(40).then(|| format!("payment-{sequence}"));
            let credit = Credit { nanos: 1_000, kind: CreditKind::TopUp, note: String::new(), reference };
            bench.store.credit(&acme, &credit).unwrap();
        }
    }
    sound(&bench);
    bench
}

type Row = Vec<Value>;

/// The file as somebody without this program would change it.
struct Intruder {
    connection: Connection,
    random: Rng,
}

impl Intruder {
    fn new(bench: &Bench, seed: u64) -> Intruder {
        let connection = Connection::open(database::path(bench.dir.path())).unwrap();
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        Intruder { connection, random: Rng::with_seed(seed) }
    }

    fn rows(&self, table: &str) -> Vec<Row> {
        let mut statement = self.connection.prepare_cached(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect()).unwrap();
        let mut rows: Vec<Row> = rows.collect::<Result<_, _>>().unwrap();
        // A larger epoch harms nobody.
        rows.retain(|row| row[0] != Value::Text("epoch".into()));
        rows
    }

    fn delete(&self, (table, keys): (&str, usize), row: &Row) {
        let columns = self.connection.prepare_cached(&format!("SELECT * FROM {table}")).unwrap();
        let names: Vec<String> = columns.column_names().map(str::to_owned).collect();
        drop(columns);
        let key = names[..keys].join(" = ? AND ") + " = ?";
        let sql = format!("DELETE FROM {table} WHERE {key}");
        assert_eq!(self.connection.execute(&sql, params_from_iter(&row[..keys])).unwrap(), 1);
    }

    fn insert(&self, table: &str, row: &Row) -> bool {
        let places = vec!["?"; row.len()].join(", ");
        self.connection.execute(&format!("INSERT INTO {table} VALUES ({places})"), params_from_iter(row)).is_ok()
    }

    /// Another value of the same type.
    fn other(&mut self, value: &Value) -> Value {
        match value {
            Value::Null => Value::Text("payment".into()),
            Value::Integer(number) => Value::Integer(match self.random.u8(..4) {
                0 => number.wrapping_add(1),
                1 => number.wrapping_sub(1),
                2 => number ^ 1 << self.random.u8(..63),
                _ => self.random.i64(..),
            }),
            Value::Real(_) => panic!("no table has one"),
            Value::Text(text) => match self.random.u8(..3) {
                0 => Value::Text(format!("{text}x")),
                1 => Value::Text(text.chars().skip(1).collect()),
                _ => Value::Text(text.to_uppercase() + "!"),
            },
            Value::Blob(blob) => {
                let mut blob = blob.clone();
                match self.random.u8(..3) {
                    0 => blob.push(self.random.u8(..)),
                    1 => drop(blob.pop()),
                    _ => {
                        let place = self.random.usize(..blob.len());
                        blob[place] ^= 1 << self.random.u8(..8);
                    }
                }
                Value::Blob(blob)
            }
        }
    }

    /// A row in which one column is another, but not the row of another key.
    fn edited(&mut self, row: &Row) -> Row {
        let mut edited = row.clone();
        while edited == *row {
            let column = self.random.usize(..row.len());
            edited[column] = self.other(&row[column]);
        }
        edited
    }

    /// A row for any key and in any block, as somebody would add one.
    fn added(&mut self, table: &str, mut row: Row) -> Row {
        if ["usage", "resolution", "credit"].contains(&table) {
            let Value::Integer(key) = row[0] else { panic!("keys are numbers") };
            row[0] = Value::Integer(key + self.random.i64(1..1_000));
            let blocks = self.rows("block");
            row[1] = blocks[self.random.usize(..blocks.len())][0].clone();
        }
        if table == "credit" {
            row[7] = Value::Null;
        }
        row
    }

    /// Changes one thing, asks `found`, and puts it back. `false` when the file did not take the change.
    fn change(&mut self, found: &dyn Fn() -> bool) -> Option<(String, bool)> {
        let (table, keys) = TABLES[self.random.usize(..TABLES.len())];
        let rows = self.rows(table);
        let row = rows[self.random.usize(..rows.len())].clone();
        let edited = self.edited(&row);
        match self.random.u8(..10) {
            0 => {
                self.delete((table, keys), &row);
                let told = (format!("{table}: deleted {row:?}"), found());
                assert!(self.insert(table, &row));
                Some(told)
            }
            1 | 2 => {
                let edited = self.added(table, edited);
                if !self.insert(table, &edited) {
                    return None;
                }
                let told = (format!("{table}: inserted {edited:?}"), found());
                self.delete((table, keys), &edited);
                Some(told)
            }
            _ => {
                self.connection.execute_batch("BEGIN").unwrap();
                self.delete((table, keys), &row);
                if !self.insert(table, &edited) {
                    self.connection.execute_batch("ROLLBACK").unwrap();
                    return None;
                }
                self.connection.execute_batch("COMMIT").unwrap();
                let told = (format!("{table}: {row:?} became {edited:?}"), found());
                self.delete((table, keys), &edited);
                assert!(self.insert(table, &row));
                Some(told)
            }
        }
    }
}

fn changes_that_are_found(count: usize, seed: u64) {
    let bench = ledger();
    let mut intruder = Intruder::new(&bench, seed);
    for (table, _) in TABLES {
        assert!(!intruder.rows(table).is_empty(), "{table}");
    }
    let mut made = 0;
    while made < count {
        let found = || !bench.store.verify(&mut |_, _| {}).unwrap().is_empty();
        if let Some((change, found)) = intruder.change(&found) {
            assert!(found, "change {made} of seed {seed} was not found: {change}");
            made += 1;
        }
    }
    sound(&bench);
}

#[test]
fn every_single_change_is_found() {
    changes_that_are_found(150, 1);
}

#[test]
#[ignore = "a thousand changes, each verified"]
fn every_one_of_a_thousand_changes_is_found() {
    changes_that_are_found(1_000, 2);
}

#[test]
fn a_doubt_names_the_table_and_the_row() {
    let bench = ledger();
    let intruder = Intruder::new(&bench, 3);
    let edit = |sql: &str| assert_eq!(intruder.connection.execute(sql, []).unwrap(), 1, "{sql}");
    let doubts = || bench.store.verify(&mut |_, _| {}).unwrap();
    let attempt = (1_i64 << 40) + 8;
    edit(&format!("UPDATE usage SET record = CAST(record || x'00' AS BLOB) WHERE attempt = {attempt}"));
    assert!(doubts().iter().any(|doubt| doubt.table == "usage" && doubt.row == attempt.to_string()), "{:?}", doubts());
    edit(&format!("UPDATE usage SET record = substr(record, 1, length(record) - 1) WHERE attempt = {attempt}"));
    sound(&bench);
    edit(
        "UPDATE rollup SET charged = charged + 1 WHERE (tenant, bucket, project, key, model) =
        (SELECT tenant, bucket, project, key, model FROM rollup LIMIT 1)",
    );
    let found = doubts();
    assert!(found.len() == 1 && found[0].table == "rollup" && found[0].what.contains("charged is"), "{found:?}");
}

#[test]
fn progress_is_told() {
    let bench = ledger();
    let mut told = Vec::new();
    bench.store.verify(&mut |done, total| told.push((done, total))).unwrap();
    let (done, total) = told.last().copied().unwrap();
    assert!(done == total && done > 100, "{told:?}");
}

#[test]
fn an_empty_store_is_sound() {
    let bench = Bench::new();
    sound(&bench);
    bench.store.next_epoch().unwrap();
    bench.store.apply_records([], 0).unwrap();
    sound(&bench);
    assert_eq!(bench.store.wallet(&TenantId::new("acme").unwrap()).unwrap().map(|wallet| wallet.cap), None::<Money>);
}

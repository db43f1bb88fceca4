//! `limits replay`: which past calls a changed set of limits would have refused.

use std::collections::BTreeMap;

use base::Timestamp;
use serde_json::{Value, json};
use store::status::{budget_field, window_name};
use store::{ApplyError, Resources, Store};

use crate::cli::{LimitsCommand, Replay};
use crate::command::apply::read_resources;
use crate::config::{Settings, checks};
use crate::failure::Failure;
use crate::output::{Output, grouped};
use crate::replay::{self, ByLimit, Limit, Refusals, ReplayError, Replayed};

/// `mandant limits`
pub(crate) fn run(verb: &LimitsCommand, settings: &Settings, output: Output) -> Result<(), Failure> {
    match verb {
        LimitsCommand::Replay(request) => replay(request, settings, output),
    }
}

fn replay(request: &Replay, settings: &Settings, output: Output) -> Result<(), Failure> {
    let span = checks::parse_duration(&request.since).map_err(|advice| Failure::other(format!("--since {advice}")))?;
    let since = crate::clock::now().checked_sub(jiff::SignedDuration::try_from(span).unwrap_or_default());
    let since = since.map_err(|_| Failure::other("--since reaches back too far"))?;
    let file = read_resources(&request.file)?;
    let changed: Resources = serde_json::from_value(file.value.clone())
        .map_err(|error| Failure::other(format!("{}: {error}", request.file.display())))?;
    if !settings.data_dir.join("mandant.db").exists() {
        return Err(Failure::other(format!("there is no store in {}", settings.data_dir.display())));
    }
    let store = Store::open_with(&settings.data_dir, &settings.master_key_source()?)
        .map_err(|error| Failure::other(format!("the store cannot be opened: {error}")))?;
    // The file is applied to a copy of the resources, in a folder beside them that goes with this command.
    let folder = settings.data_dir.join(format!("replay-{}", std::process::id()));
    let done = replay::directory(&store, changed, &folder)
        .and_then(|directory| replay::replay(&store, &directory, Timestamp::from_micros(since.as_microsecond())));
    let removed = std::fs::remove_dir_all(&folder);
    let tenants = match done {
        Ok(tenants) => tenants,
        Err(ReplayError::Apply(ApplyError::Problems(problems))) => {
            return Err(Failure::Data(file.locate(problems.into_iter().map(|one| (one.path, one.message)))));
        }
        Err(ReplayError::Apply(error)) => return Err(Failure::other(format!("the file cannot be used: {error}"))),
        Err(ReplayError::Store(error)) => return Err(Failure::other(format!("the calls cannot be read: {error}"))),
    };
    removed.map_err(|error| Failure::other(format!("{} stays behind: {error}", folder.display())))?;
    tell(&tenants, &since.to_string(), output);
    Ok(())
}

fn tell(tenants: &BTreeMap<String, Replayed>, since: &str, output: Output) {
    if output.is_json() {
        let each = tenants.iter().map(|(tenant, replayed)| {
            json!({
                "tenant_id": tenant,
                "calls": replayed.calls,
                "calls_refused": replayed.refused,
                "limits": limits(&replayed.by_limit),
                "calls_refused_by_shadow": replayed.refused_by_shadow,
                "shadow_limits": limits(&replayed.by_shadow),
            })
        });
        output.json(&json!({ "since": since, "tenants": each.collect::<Vec<_>>() }));
        return;
    }
    let mut rows = Vec::new();
    for (tenant, replayed) in tenants {
        rows.push(head(tenant, replayed.refused, replayed.calls, ""));
        rows.extend(replayed.by_limit.iter().map(row));
        if replayed.refused_by_shadow > 0 {
            rows.push(head(tenant, replayed.refused_by_shadow, replayed.calls, "only watched:"));
            rows.extend(replayed.by_shadow.iter().map(row));
        }
    }
    let columns = ["tenant", "would be refused", "in blocks", "beside holds", "by", "limit", "first", "last"];
    output.table(&columns, &rows);
    output.note("Beside holds: only what calls under way held was in the way; a relay lets such calls wait first.");
}

fn limits(by_limit: &ByLimit) -> Vec<Value> {
    let each = by_limit.iter().map(|((account, limit), refusals)| {
        let mut told = json!({
            "account": account, "calls_refused": refusals.calls, "calls_refused_in_blocks": refusals.in_block,
            "calls_refused_beside_holds": refusals.beside_holds,
            "first": time(refusals.first), "last": time(refusals.last),
        });
        match *limit {
            Limit::Window(window, limit) => {
                told["window"] = json!(window_name(window));
                told["limit"] = json!(limit);
            }
            Limit::Budget(period, limit) => {
                told["budget"] = json!(budget_field(period));
                told["limit_usd"] = json!(limit);
            }
        }
        told
    });
    each.collect()
}

fn head(tenant: &str, refused: u64, calls: u64, by: &str) -> Vec<String> {
    let mut cells = vec![String::new(); 8];
    cells[0] = tenant.to_owned();
    cells[1] = format!("{} of {}", grouped(refused), grouped(calls));
    cells[4] = by.to_owned();
    cells
}

fn row(((account, limit), refusals): (&(String, Limit), &Refusals)) -> Vec<String> {
    let some = |count| if count > 0 { grouped(count) } else { String::new() };
    let limit = match *limit {
        Limit::Window(window, limit) => format!("{} {window}", grouped(limit)),
        Limit::Budget(period, limit) => format!("{limit} {}", budget_field(period)),
    };
    let (first, last) = (time(refusals.first), time(refusals.last));
    let counts = [refusals.calls, refusals.in_block, refusals.beside_holds].map(some);
    let [calls, in_blocks, beside_holds] = counts;
    vec![String::new(), calls, in_blocks, beside_holds, account.clone(), limit, first, last]
}

fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.micros()).map_or_else(|_| String::new(), |at| at.to_string())
}

//! What a replay says of calls made up for it.

use super::*;

/// When the replay begins: a Tuesday, the tenth of a month, an hour after midnight.
const BEGIN: i64 = 40 * 86_400 + 3_600;

/// A call of one key at this second after the beginning: of 10 tokens and a second, for a dollar of a dollar and a half.
fn call(second: i64) -> Call {
    Call {
        at: Timestamp::from_seconds(BEGIN + second),
        took: Duration::from_secs(1),
        worst: amounts("1.50", 15),
        ending: Ending::Complete(amounts("1.00", 10)),
        path: 0,
        model: base::ModelId::new("m").unwrap(),
        end_user: Some(1),
    }
}

fn amounts(usd: &str, tokens: u64) -> Amounts {
    Amounts { usd: base::Money::parse_usd(usd).unwrap(), tokens }
}

/// Replays the calls of a tenant with these settings; those before the beginning are of earlier.
fn replay_of(settings: &str, calls: &[Call]) -> Replayed {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let text = format!(
        "[[tenant]]\nid = \"acme\"\nplan = \"unlimited\"\n{settings}\n[[tenant.project]]\nid = \"search\"\n\
         [[tenant.project.key]]\nname = \"ci\"\nsecret = \"a-secret-of-acme-0123456789\"\n"
    );
    let file = crate::config::resources::read("limits.toml", &text).unwrap();
    store.apply(&serde_json::from_value(file.value).unwrap(), ApplyOptions::default()).unwrap();
    let directory = Directory::load(store).unwrap();
    let path = directory.tenant("acme").unwrap().keys()[0].path().to_vec();
    let mut earlier = Earlier::default();
    let begin = Timestamp::from_seconds(BEGIN);
    for call in calls.iter().filter(|call| call.at < begin) {
        earlier.add(0, &path, call.at, Took { worst: call.worst, ending: call.ending });
    }
    let paths = Paths { numbers: HashMap::new(), paths: vec![("acme".into(), path)] };
    Replay::new(paths, earlier, begin).run(calls).remove("acme").unwrap()
}

/// Replays calls at these seconds.
fn replay_at(limits: &str, seconds: &[i64]) -> Replayed {
    let calls: Vec<Call> = seconds.iter().map(|&second| call(second)).collect();
    replay_of(&format!("limits = {limits}"), &calls)
}

/// Account, limit, calls refused, those of them in blocks, and the seconds of the first and the last.
fn told(by_limit: &ByLimit) -> Vec<(&str, u64, u64, u64, i64, i64)> {
    let second = |at: Timestamp| at.micros() / 1_000_000 - BEGIN;
    let each = by_limit.iter().map(|((account, limit), one)| {
        let Limit::Window(_, limit) = limit else { panic!("a window, not {limit:?}") };
        (account.as_str(), *limit, one.calls, one.in_block, second(one.first), second(one.last))
    });
    each.collect()
}

/// Limit, calls refused, those of them only beside the holds of others, and the seconds of the first and the last.
fn told_of_money(by_limit: &ByLimit) -> Vec<(Limit, u64, u64, i64, i64)> {
    let second = |at: Timestamp| at.micros() / 1_000_000 - BEGIN;
    let each = by_limit.iter().map(|((account, limit), one)| {
        assert_eq!(account, "tenant acme");
        (*limit, one.calls, one.beside_holds, second(one.first), second(one.last))
    });
    each.collect()
}

fn budget(period: BudgetPeriod, usd: &str) -> Limit {
    Limit::Budget(period, base::Money::parse_usd(usd).unwrap())
}

#[test]
fn a_block_refuses_what_its_window_would_have_admitted_again() {
    let seconds = [0, 2, 4, 70, 150, 203, 215];
    let windows = replay_at("{ rpm = 2 }", &seconds);
    assert_eq!((windows.calls, windows.refused), (7, 1));
    assert_eq!(told(&windows.by_limit), [("tenant acme", 2, 1, 0, 4, 4)]);
    // Begun at 4 and over at 204: at 203 it still refuses, and at 215 nothing is left of it.
    let blocked = replay_at("{ rpm = 2, block_for = \"200s\" }", &seconds);
    assert_eq!((blocked.calls, blocked.refused), (7, 4));
    assert_eq!(told(&blocked.by_limit), [("tenant acme", 2, 4, 3, 4, 203)]);
    // Of an end user's calls in the same way.
    let user = replay_at("{ per_end_user = { rpm = 2, block_for = \"200s\" } }", &seconds);
    assert_eq!(told(&user.by_limit), [("tenant acme end user", 2, 4, 3, 4, 203)]);
}

#[test]
fn limits_that_are_only_watched_are_told_apart_and_refuse_nothing() {
    let seconds = [0, 2, 4, 6];
    let watched = replay_at("{ shadow = { rpm = 1 }, models.m = { shadow = { rph = 3 } } }", &seconds);
    assert_eq!((watched.calls, watched.refused, watched.refused_by_shadow), (4, 0, 3));
    assert_eq!((told(&watched.by_limit), told(&watched.by_shadow)), (vec![], vec![("tenant acme", 1, 3, 0, 2, 6)]));
    // What is refused is not watched: of four calls two go on, and one of these is too many.
    let both = replay_at("{ rpm = 2, shadow = { rpm = 1 } }", &seconds);
    assert_eq!((both.refused, both.refused_by_shadow), (2, 1));
    assert_eq!(told(&both.by_limit), [("tenant acme", 2, 2, 0, 4, 6)]);
    assert_eq!(told(&both.by_shadow), [("tenant acme", 1, 1, 0, 2, 2)]);
}

#[test]
fn a_budget_refuses_what_it_would_not_have_covered_and_what_it_refused_is_not_spent() {
    let calls: Vec<Call> = [0, 10, 20, 30, 86_400].map(call).into();
    let day = replay_of("budget = { usd_per_day = \"3\" }", &calls);
    assert_eq!((day.calls, day.refused), (5, 2));
    assert_eq!(told_of_money(&day.by_limit), [(budget(BudgetPeriod::Day, "3"), 2, 0, 20, 30)]);
    let tokens = replay_of("limits = { tokens_per_month = 35 }", &calls);
    assert_eq!(told(&tokens.by_limit), [("tenant acme", 35, 2, 0, 30, 86_400)]);
    // A refusal by money gives the windows their place back: otherwise the third call would find none.
    let both = replay_of("limits = { rpm = 2 }\nbudget = { usd_per_day = \"2\" }", &calls[..4]);
    assert_eq!(told_of_money(&both.by_limit), [(budget(BudgetPeriod::Day, "2"), 3, 0, 10, 30)]);
}

#[test]
fn what_was_charged_before_counts_in_its_own_day_month_and_year() {
    // Of the last month, of yesterday, and of today before the beginning.
    let before = [call(-35 * 86_400), call(-86_400), call(-86_300), call(-60)];
    let calls: Vec<Call> = before.into_iter().chain([call(0)]).collect();
    let with = |period: &str, usd: &str| replay_of(&format!("budget = {{ {period} = \"{usd}\" }}"), &calls).refused;
    assert_eq!((with("usd_per_day", "2.50"), with("usd_per_day", "2.49")), (0, 1));
    assert_eq!((with("usd_per_month", "4.50"), with("usd_per_month", "4.49")), (0, 1));
    assert_eq!((with("usd_total", "5.50"), with("usd_total", "5.49")), (0, 1));
}

#[test]
fn what_nobody_knows_stays_held_and_what_holds_alone_refuse_is_told_apart() {
    let settings = "budget = { usd_per_day = \"2.50\" }";
    let long = Call { took: Duration::from_secs(5), ..call(0) };
    let beside = replay_of(settings, &[long, call(1), call(10), call(20)]);
    // Beside the first call's hold there is no room for the second; of the third there is, and then of none.
    assert_eq!(told_of_money(&beside.by_limit), [(budget(BudgetPeriod::Day, "2.50"), 2, 1, 1, 20)]);
    for at in [-60, 0] {
        let unknown = Call { ending: Ending::Unknown, ..call(at) };
        let held = replay_of(settings, &[unknown, call(30)]);
        assert_eq!(told_of_money(&held.by_limit), [(budget(BudgetPeriod::Day, "2.50"), 1, 1, 30, 30)], "at {at}");
    }
}

#[test]
fn budgets_that_are_only_watched_refuse_nothing() {
    let calls = [0, 10, 20].map(call);
    let watched = replay_of("limits = { shadow = { usd_per_day = \"2\" } }", &calls);
    assert_eq!((watched.refused, watched.refused_by_shadow), (0, 2));
    assert_eq!(told_of_money(&watched.by_shadow), [(budget(BudgetPeriod::Day, "2"), 2, 0, 10, 20)]);
    let tokens = replay_of("limits = { shadow = { tokens_per_month = 20 } }", &calls);
    assert_eq!((tokens.refused, told(&tokens.by_shadow)), (0, vec![("tenant acme", 20, 2, 0, 10, 20)]));
}

//! Calendar periods: daylight saving, skipped and repeated midnights, and a change of time zone.

use base::{BudgetPeriod, Timestamp};
use proptest::prelude::*;

use super::table::{check, time, zone};
use crate::{Bounds, bounds};

const ZONES: [&str; 9] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "America/St_Johns",
    "Asia/Beirut",
    "Pacific/Apia",
    "Australia/Lord_Howe",
];

#[track_caller]
fn is(period: BudgetPeriod, zone_name: &str, at: &str, starts: &str, ends: &str) {
    let expected = Bounds { starts: time(starts), ends: time(ends) };
    assert_eq!(bounds(period, &zone(zone_name), time(at)), expected, "{zone_name} {at}");
}

#[test]
fn days_have_23_24_or_25_hours() {
    use BudgetPeriod::Day;
    is(Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
    is(Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
    is(Day, "UTC", "2026-10-25T00:00:00Z", "2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z");
}

#[test]
fn weeks_begin_on_monday_months_and_years_on_the_first() {
    use BudgetPeriod::{Month, Week, Year};
    is(Week, "UTC", "2026-11-29T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z");
    is(Week, "UTC", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z");
    is(Week, "UTC", "2027-01-01T00:00:00Z", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z");
    is(Month, "Europe/Berlin", "2026-03-31T21:59:59Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z");
    is(Month, "UTC", "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
    is(Year, "America/New_York", "2026-12-31T23:00:00-05:00", "2026-01-01T05:00:00Z", "2027-01-01T05:00:00Z");
}

#[test]
fn a_day_without_midnight_begins_at_the_end_of_the_gap() {
    use BudgetPeriod::Day;
    // 2018-11-04 began at 01:00 in São Paulo.
    is(Day, "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z");
    is(Day, "America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03T03:00:00Z", "2018-11-04T03:00:00Z");
    // Samoa had no 30th of December in 2011: the 29th ends where the 31st begins.
    is(Day, "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
    is(Day, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z");
}

#[test]
fn a_repeated_midnight_does_not_repeat_the_day() {
    use BudgetPeriod::Day;
    // Havana puts the clock back from 01:00 to 00:00: one day of 25 hours.
    is(Day, "America/Havana", "2019-11-03T05:30:00Z", "2019-11-03T04:00:00Z", "2019-11-04T05:00:00Z");
    // St John's went back at 00:01 to 23:01 of the day before: the new day had begun and does not end again.
    is(Day, "America/St_Johns", "2010-11-07T02:45:00Z", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z");
}

#[test]
fn times_at_the_end_of_the_world_have_periods() {
    for period in BudgetPeriod::ALL {
        for name in ZONES {
            for micros in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX] {
                let bounds = bounds(period, &zone(name), Timestamp::from_micros(micros));
                assert!(bounds.starts < bounds.ends, "{period:?} {name} {micros} {bounds:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn periods_cover_time_without_overlap_or_hole(
        seconds in 0_i64..4_000_000_000,
        place in 0_usize..ZONES.len(),
        kind in 0_usize..4,
    ) {
        let (zone, period, at) = (zone(ZONES[place]), BudgetPeriod::ALL[kind], Timestamp::from_seconds(seconds));
        let here = bounds(period, &zone, at);
        prop_assert!(here.starts <= at && at < here.ends);
        prop_assert_eq!(bounds(period, &zone, here.starts), here);
        prop_assert_eq!(bounds(period, &zone, Timestamp::from_micros(here.ends.micros() - 1)), here);
        prop_assert_eq!(bounds(period, &zone, here.ends).starts, here.ends);
    }
}

#[test]
fn the_periods_of_a_tenant_follow_its_own_calendar() {
    check(
        "zone Europe/Berlin
         limit T day 1.00
         clock 2026-03-28T22:59:59Z
         reserve A1 T 1.00 ok
         clock 2026-03-28T23:00:00Z                   # midnight in Berlin, before a day of 23 hours
         reserve A2 T 1.00 ok
         clock 2026-03-29T21:59:59Z
         reserve A3 T 0.01 short T usd day alone
         clock 2026-03-29T22:00:00Z
         reserve A4 T 1.00 ok
         balance T day starts 2026-03-29T22:00:00Z resets 2026-03-30T22:00:00Z",
    );
}

#[test]
fn a_change_of_zone_gives_no_second_budget() {
    check(
        "zone Europe/Berlin
         limit T month 5.00
         clock 2026-02-28T23:30:00Z                   # already March in Berlin
         reserve A1 T 5.00 ok
         rezone T America/New_York                    # there it is still February
         reserve A2 T 0.01 short T usd month alone
         clock 2026-03-01T06:00:00Z
         reserve A3 T 0.01 short T usd month alone    # March is March
         balance T month resets 2026-04-01T04:00:00Z
         clock 2026-04-01T04:00:00Z
         reserve A4 T 5.00 ok
         settle A1 complete 1.00
         settle A4 complete 2.00
         balance T month posted 2.00 held 0
         balance T total posted 3.00 held 0
         rezone T Pacific/Kiritimati
         clock 2026-04-30T10:00:00Z                   # May has begun there
         reserve A5 T 5.00 ok",
    );
}

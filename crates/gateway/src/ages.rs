//! How old records are, although the wall clock that dates them may have been set meanwhile.
//!
//! Anchors say what the wall clock and the clock of the machine's run showed together, at each start and whenever the
//! wall clock was set. One that was set forward makes records look older than they are, and windows would forget them;
//! so what was dated before is moved. One that was set back makes records look younger, which forgets nothing.

use core::time::Duration;
use std::sync::{Arc, Weak};

use base::{Moment, Timestamp};
use journal::BootId;
use store::ClockAnchor;

use crate::clock::Clock;
use crate::relay::Relay;

/// A difference that is no step: the clocks are read one after the other, and one of them in hundredths.
const TOLERANCE: Duration = Duration::from_millis(200);
/// How often the clocks are compared.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Ages {
    now: Timestamp,
    moment: Moment,
    /// What the wall clock would have shown, and how far forward it was set, oldest first.
    steps: Vec<(Timestamp, Duration)>,
}

impl Ages {
    /// `anchors` are of this run of the machine, oldest first, the last one of now.
    pub(crate) fn new(anchors: &[ClockAnchor], now: Timestamp, moment: Moment) -> Ages {
        let pairs = anchors.iter().zip(anchors.iter().skip(1));
        let steps = pairs.filter_map(|(before, after)| {
            let expected = expected(before, after);
            let forward = after.wall.saturating_since(expected);
            (forward > TOLERANCE).then_some((expected, forward))
        });
        Ages { now, moment, steps: steps.collect() }
    }

    /// Now, on the clock of the windows.
    pub(crate) fn moment(&self) -> Moment {
        self.moment
    }

    /// What the wall clock may have shown so long ago, at the earliest.
    pub(crate) fn since(&self, span: Duration) -> Timestamp {
        let span = self.steps.iter().fold(span, |span, (_, forward)| span.saturating_add(*forward));
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.now.micros().saturating_sub(micros))
    }

    /// When something happened that is dated `at`; what seems to come yet happened now.
    pub(crate) fn moment_of(&self, at: Timestamp) -> Moment {
        let moved = self.steps.iter().fold(
            at,
            |at, (before, forward)| {
                if at <= *before { at.saturating_add(*forward) } else { at }
            },
        );
        let age = u64::try_from(self.now.saturating_since(moved).as_nanos()).unwrap_or(u64::MAX);
        Moment::from_nanos(self.moment.nanos().saturating_sub(age))
    }
}

/// What the wall clock would show at `after` if nobody had set it since `before`.
fn expected(before: &ClockAnchor, after: &ClockAnchor) -> Timestamp {
    before.wall.saturating_add(Duration::from_micros(after.since_boot_micros.saturating_sub(before.since_boot_micros)))
}

/// An anchor of now; `None` where the system does not know its run.
pub(crate) fn anchor(clock: &Clock, boot: BootId) -> Option<ClockAnchor> {
    let since_boot = Clock::since_boot().filter(|_| boot != BootId::UNKNOWN)?;
    let since_boot_micros = u64::try_from(since_boot.as_micros()).ok()?;
    Some(ClockAnchor { boot: boot.0, since_boot_micros, wall: clock.now() })
}

/// Notes an anchor whenever the wall clock was set, until the relay is gone.
pub(crate) async fn watch(relay: Weak<Relay>, mut last: ClockAnchor) {
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let Some(relay) = relay.upgrade() else { return };
        let Some(now) = anchor(&relay.clock, BootId(last.boot)) else { return };
        let expected = expected(&last, &now);
        let is_step = now.wall.saturating_since(expected).max(expected.saturating_since(now.wall)) > TOLERANCE;
        if is_step && note(&relay, now).await {
            last = now;
        }
    }
}

async fn note(relay: &Arc<Relay>, anchor: ClockAnchor) -> bool {
    let store = relay.store.clone();
    match tokio::task::spawn_blocking(move || store.note_clock(&anchor)).await {
        Ok(Ok(())) => {
            tracing::info!("the wall clock was set; what is dated before is still known to be as old as it is");
            true
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "a step of the wall clock cannot be noted; it is tried again");
            false
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn anchor(since_boot: u64, wall: i64) -> ClockAnchor {
        ClockAnchor { boot: [1; 16], since_boot_micros: since_boot * 1_000_000, wall: Timestamp::from_seconds(wall) }
    }

    /// How long ago, in seconds, something happened that is dated so many seconds before now.
    fn age(anchors: &[ClockAnchor], before: i64) -> u64 {
        let moment = Moment::from_nanos(200_000 * 1_000_000_000);
        let ages = Ages::new(anchors, Timestamp::from_seconds(NOW), moment);
        moment.saturating_since(ages.moment_of(Timestamp::from_seconds(NOW - before))).as_secs()
    }

    #[test]
    fn without_steps_records_are_as_old_as_they_say() {
        for anchors in [&[][..], &[anchor(1_000, NOW)], &[anchor(900, NOW - 100), anchor(1_000, NOW)]] {
            assert_eq!(age(anchors, 30), 30);
            assert_eq!(age(anchors, 5_000), 5_000);
            assert_eq!(age(anchors, -5_000), 0, "what seems to come yet counts as now");
        }
    }

    #[test]
    fn a_clock_set_forward_ages_nothing() {
        // Two hours forward, a hundred seconds ago.
        let anchors = [anchor(500, NOW - 7_200 - 500), anchor(900, NOW - 100), anchor(1_000, NOW)];
        assert_eq!(age(&anchors, 7_200 + 300), 300, "dated before it was set");
        assert_eq!(age(&anchors, 50), 50, "dated after");
        let ages = Ages::new(&anchors, Timestamp::from_seconds(NOW), Moment::START);
        assert_eq!(ages.since(Duration::from_secs(60)), Timestamp::from_seconds(NOW - 7_260));
    }

    #[test]
    fn steps_add_up_and_a_clock_set_back_ages_nothing() {
        let anchors =
            [anchor(100, NOW - 1_800 - 900), anchor(200, NOW - 900 - 800), anchor(300, NOW - 700), anchor(1_000, NOW)];
        assert_eq!(age(&anchors, 1_800 + 850), 850, "before both steps of a quarter of an hour");
        assert_eq!(age(&anchors, 900 + 750), 750, "between them");
        let back = [anchor(500, NOW + 3_600 - 500), anchor(900, NOW - 100)];
        assert_eq!(age(&back, 50), 50);
        assert_eq!(age(&back, 50 - 3_600), 0);
    }
}

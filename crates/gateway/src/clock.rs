//! The only place of the relay that reads clocks and draws random bits; everything else receives them as arguments.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base::{Moment, RequestId, Timestamp};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, Sleep};

/// What the monotonic clock shows when the process starts: the trailing day of windows, and more, lies before it.
const START: Duration = Duration::from_secs(2 * 86_400);

/// Both clocks of the process and its source of ids.
#[derive(Debug)]
pub(crate) struct Clock {
    /// The start of the monotonic clock; tests pause it through tokio.
    start: Instant,
    /// Two random words drawn at start: the seeds of the sequences below.
    seeds: [u64; 2],
    /// Position in those sequences.
    drawn: AtomicU64,
}

impl Clock {
    pub(crate) fn new(seeds: [u64; 2]) -> Clock {
        Clock { start: Instant::now(), seeds, drawn: AtomicU64::new(0) }
    }

    /// Monotonic time.
    pub(crate) fn moment(&self) -> Moment {
        self.moment_of(Instant::now())
    }

    /// An instant of tokio's clock as a [`Moment`].
    pub(crate) fn moment_of(&self, instant: Instant) -> Moment {
        let nanos = START.saturating_add(instant.saturating_duration_since(self.start)).as_nanos();
        Moment::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Wall-clock time.
    pub(crate) fn now(&self) -> Timestamp {
        Clock::wall()
    }

    /// Wall-clock time, for what has no relay at hand. A clock before 1970 reads as 1970.
    #[expect(clippy::disallowed_methods, reason = "the one place of the relay that reads the wall clock")]
    pub(crate) fn wall() -> Timestamp {
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// How long the machine has been running, its sleep included; `None` where the system does not say.
    pub(crate) fn since_boot() -> Option<Duration> {
        let text = std::fs::read_to_string("/proc/uptime").ok()?;
        let (seconds, hundredths) = text.split_whitespace().next()?.split_once('.')?;
        Some(Duration::from_secs(seconds.parse().ok()?) + Duration::from_millis(hundredths.parse::<u64>().ok()? * 10))
    }

    /// A fresh request id.
    pub(crate) fn request_id(&self) -> RequestId {
        let position = self.drawn.fetch_add(1, Ordering::Relaxed);
        let high = split_mix(self.seeds[0].wrapping_add(position));
        let low = split_mix(self.seeds[1] ^ position.rotate_left(32));
        RequestId::from_bits(u128::from(high) << 64 | u128::from(low))
    }

    /// A number to spread load with; not for secrets.
    pub(crate) fn draw(&self) -> u64 {
        split_mix(self.seeds[0] ^ self.drawn.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// What `work` yields, unless `deadline` comes first. Most work here is done when it is first looked at, and then neither
/// a clock is read nor a timer made.
pub(crate) async fn within<T>(work: impl Future<Output = T>, deadline: impl FnOnce() -> Instant) -> Result<T, Elapsed> {
    let mut work = core::pin::pin!(work);
    if let Poll::Ready(done) = core::future::poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        return Ok(done);
    }
    tokio::time::timeout_at(deadline(), work).await
}

/// A timer that is armed once and checked when it fires, so that to put its end off costs a clock reading rather than a
/// timer.
#[derive(Default)]
pub(crate) struct LazyTimer(Option<Pin<Box<Sleep>>>);

impl LazyTimer {
    /// Ready once `due` is over; it may be another one each time.
    pub(crate) fn poll_past(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let timer = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): spreads a counter over all 64 bits.
const fn split_mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lazy_timer_ends_when_it_is_due_whatever_was_due_before() {
        let start = Instant::now();
        let mut timer = LazyTimer::default();
        let mut cx = Context::from_waker(core::task::Waker::noop());
        // What is due is put off, brought forward, and put off again.
        for seconds in [600, 900, 60, 120] {
            assert!(timer.poll_past(start + Duration::from_secs(seconds), &mut cx).is_pending());
        }
        for (due, late) in [(120, 0), (180, 0), (150, 30)] {
            core::future::poll_fn(|cx| timer.poll_past(start + Duration::from_secs(due), cx)).await;
            assert_eq!(start.elapsed().as_secs(), due + late);
        }
    }

    #[test]
    fn request_ids_do_not_repeat() {
        let clock = Clock::new([1, 2]);
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| clock.request_id()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}

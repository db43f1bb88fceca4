//! How long one tenant's calls waited for others: percentiles of the last half hour to hour, in fixed memory.

use core::time::Duration;

use base::Moment;

/// The figures are of the current span of this length and the one before.
const SPAN: Duration = Duration::from_secs(1_800);
/// One for no wait, then four for each doubling of a millisecond.
const BUCKETS: usize = 1 + LONGER;
/// Those of the waits of a millisecond or more.
const LONGER: usize = 4 * 16;

/// See the module's description.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    span: u64,
    current: Counts,
    before: Counts,
}

/// The calls of one span by their waits. Nearly all calls of most tenants do not wait, and few of the others do.
#[derive(Debug, Clone, Default)]
struct Counts {
    none: u32,
    longer: Longer,
}

/// The calls that waited, in numbers as narrow as they are few.
#[derive(Debug, Clone, Default)]
enum Longer {
    #[default]
    Nobody,
    Narrow(Box<[u8; LONGER]>),
    Middle(Box<[u16; LONGER]>),
    Wide(Box<[u32; LONGER]>),
}

impl Counts {
    fn note(&mut self, bucket: usize) {
        match bucket.checked_sub(1) {
            None => self.none = self.none.saturating_add(1),
            Some(place) => self.longer.note(place),
        }
    }

    fn get(&self, bucket: usize) -> u64 {
        match bucket.checked_sub(1) {
            None => self.none.into(),
            Some(place) => self.longer.get(place).into(),
        }
    }
}

impl Longer {
    fn note(&mut self, place: usize) {
        if self.get(place) == self.most() {
            self.widen();
        }
        match self {
            Longer::Nobody => unreachable!("it was widened for the first one"),
            Longer::Narrow(counts) => counts[place] += 1,
            Longer::Middle(counts) => counts[place] += 1,
            Longer::Wide(counts) => counts[place] = counts[place].saturating_add(1),
        }
    }

    fn get(&self, place: usize) -> u32 {
        match self {
            Longer::Nobody => 0,
            Longer::Narrow(counts) => counts[place].into(),
            Longer::Middle(counts) => counts[place].into(),
            Longer::Wide(counts) => counts[place],
        }
    }

    const fn most(&self) -> u32 {
        match self {
            Longer::Nobody => 0,
            Longer::Narrow(_) => u8::MAX as u32,
            Longer::Middle(_) => u16::MAX as u32,
            Longer::Wide(_) => u32::MAX,
        }
    }

    fn widen(&mut self) {
        *self = match self {
            Longer::Nobody => Longer::Narrow(Box::new([0; LONGER])),
            Longer::Narrow(counts) => Longer::Middle(Box::new(counts.map(u16::from))),
            Longer::Middle(counts) => Longer::Wide(Box::new(counts.map(u32::from))),
            Longer::Wide(_) => return,
        };
    }
}

/// What is known of the waits of the last half hour to hour. Percentiles are of all calls, those that did not wait
/// included, and up to a quarter too high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WaitFigures {
    /// All calls.
    pub calls: u64,
    /// Those that waited a millisecond or more.
    pub waited: u64,
    /// Half of the calls waited no longer.
    pub p50: Duration,
    /// 95 of a hundred waited no longer.
    pub p95: Duration,
    /// 99 of a hundred waited no longer.
    pub p99: Duration,
}

/// Where a wait of so many milliseconds is counted.
fn bucket(millis: u64) -> usize {
    if millis == 0 {
        return 0;
    }
    let log = millis.ilog2() as usize;
    let quarter = if log >= 2 { millis >> (log - 2) } else { millis << (2 - log) } as usize & 3;
    (1 + 4 * log + quarter).min(BUCKETS - 1)
}

/// The least wait in milliseconds that is counted beyond this bucket.
fn edge(bucket: usize) -> u64 {
    let Some(place) = bucket.checked_sub(1) else { return 0 };
    let (log, quarter) = (place / 4, place as u64 % 4);
    ((5 + quarter) << log).div_ceil(4)
}

impl Waits {
    /// Counts one call.
    pub fn note(&mut self, wait: Duration, now: Moment) {
        self.turn(now);
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.current.note(bucket(millis));
    }

    /// The figures of now.
    #[must_use]
    pub fn figures(&self, now: Moment) -> WaitFigures {
        let mut seen = self.clone();
        seen.turn(now);
        let counts: [u64; BUCKETS] = core::array::from_fn(|place| seen.current.get(place) + seen.before.get(place));
        let calls: u64 = counts.iter().sum();
        let percentile = |percent: u64| {
            let mut left = (calls * percent).div_ceil(100);
            let place = counts.iter().position(|&count| {
                left = left.saturating_sub(count);
                left == 0
            });
            Duration::from_millis(place.map_or(0, edge))
        };
        let (p50, p95, p99) = (percentile(50), percentile(95), percentile(99));
        WaitFigures { calls, waited: calls - counts[0], p50, p95, p99 }
    }

    /// Whether nothing is left to tell, so that it may be forgotten.
    #[must_use]
    pub fn is_over(&self, now: Moment) -> bool {
        span(now) > self.span + 1
    }

    fn turn(&mut self, now: Moment) {
        let now = span(now).max(self.span);
        if now > self.span {
            let current = core::mem::take(&mut self.current);
            self.before = if now == self.span + 1 { current } else { Counts::default() };
            self.span = now;
        }
    }
}

const fn span(now: Moment) -> u64 {
    now.nanos() / SPAN.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn every_wait_is_counted_where_its_edge_is_at_most_a_quarter_beyond() {
        for millis in (0..3_000).chain([9_999, 10_000, 40_000, 65_535]) {
            let edge = edge(bucket(millis));
            let is_near = if millis == 0 { edge == 0 } else { millis < edge && edge <= millis + millis / 4 + 1 };
            assert!(is_near, "{millis}: {edge}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_a_sorted_list_within_a_quarter() {
        let mut random = fastrand::Rng::with_seed(2);
        for calls in [1_usize, 10, 999, 5_000] {
            let mut waits = Waits::default();
            let mut list: Vec<u64> = (0..calls)
                .map(|_| {
                    let most = 10_u64.pow(random.u32(0..5));
                    random.u64(..most)
                })
                .collect();
            list.iter().for_each(|&wait| waits.note(Duration::from_millis(wait), at(5)));
            list.sort_unstable();
            let figures = waits.figures(at(6));
            assert_eq!(figures.calls as usize, calls);
            for (percent, figure) in [(50, figures.p50), (95, figures.p95), (99, figures.p99)] {
                let exact = list[(calls * percent).div_ceil(100) - 1];
                let told = figure.as_millis() as u64;
                assert!(told >= exact && told <= exact + exact / 4 + 1, "{calls} {percent}: {exact} {told}");
            }
        }
    }

    #[test]
    fn many_calls_are_counted_as_exactly_as_few() {
        let (mut waits, mut calls) = (Waits::default(), 0);
        for more in [1, 254, 1, 1, 65_000, 279, 2_000] {
            (0..more).for_each(|_| waits.note(Duration::from_millis(100), at(5)));
            waits.note(Duration::ZERO, at(5));
            calls += more;
            assert_eq!(waits.figures(at(6)).waited, calls);
        }
        assert_eq!(waits.figures(at(6)).calls, calls + 7);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut waits = Waits::default();
        waits.note(Duration::from_secs(5), at(10));
        assert_eq!(waits.figures(at(1_799)).waited, 1);
        assert_eq!(waits.figures(at(1_801)).waited, 1, "the span before counts");
        assert!(!waits.is_over(at(3_599)));
        assert_eq!(waits.figures(at(3_601)), WaitFigures::default());
        assert!(waits.is_over(at(3_601)));
        waits.note(Duration::ZERO, at(9_000));
        assert_eq!(waits.figures(at(9_000)), WaitFigures { calls: 1, ..WaitFigures::default() });
    }
}

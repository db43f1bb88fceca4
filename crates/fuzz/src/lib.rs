//! Drives fuzz targets on stable Rust: mutates a corpus for a bounded time, keeps what was new, and writes down what made a
//! target panic.
//!
//! A target is a function of bytes that stands beside the parser it is for, as a test. It panics where a promise is broken, and
//! returns a sign of what it saw; an input with a sign that was not seen before is mutated further. In a build with counters
//! (`./fuzz` makes it, with `--cfg fuzz_guided`), so is an input that takes an edge, or takes it about as often, as none did before.
//!
//! `MANDANT_FUZZ_SECONDS` says how long each target runs (a second), `MANDANT_FUZZ_SEED` with which
//! random numbers (with `MANDANT_LONG` other ones each time). A panic names the file with the input;
//! `MANDANT_FUZZ_INPUT=file` runs a target with that input alone. `MANDANT_FUZZ_CORPUS=folder` keeps what was new for the next run,
//! and a line a minute and run in `TARGET.ledger`.
//!
//! **Architecture invariant:** `fuzz` knows no crate of ours.

#![expect(clippy::disallowed_methods, reason = "a run is bounded by the time that passes, and a long one is to differ")]

mod guide;
mod kept;
mod mutate;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use guide::Guide;
use kept::{Kept, Spent};
use mutate::Mutator;

/// Longest input.
const INPUT_BYTES_MAX: usize = 64 << 10;
/// Most inputs that are kept: beyond it one goes for each that comes.
const KEPT_MAX: usize = 4_096;
/// Inputs between two looks at the clock.
const BATCH: usize = 16;
/// Time between two lines about a run.
const PROGRESS_EVERY: Duration = Duration::from_secs(60);

/// One target, its corpus and its words.
pub struct Fuzz {
    name: &'static str,
    corpus: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

impl Fuzz {
    /// A target without a corpus yet.
    #[must_use]
    pub fn new(name: &'static str) -> Fuzz {
        Fuzz { name, corpus: Vec::new(), words: Vec::new() }
    }

    /// Adds inputs to begin with.
    #[must_use]
    pub fn corpus<T: AsRef<[u8]>>(mut self, inputs: impl IntoIterator<Item = T>) -> Fuzz {
        self.corpus.extend(inputs.into_iter().map(|input| input.as_ref().to_vec()));
        self
    }

    /// Adds words that are put into inputs.
    #[must_use]
    pub fn words<T: AsRef<[u8]>>(mut self, words: impl IntoIterator<Item = T>) -> Fuzz {
        self.words.extend(words.into_iter().map(|word| word.as_ref().to_vec()));
        self
    }

    /// Runs the target on the corpus, then on what becomes of it, until the time is over; or on the one input of
    /// `MANDANT_FUZZ_INPUT`.
    ///
    /// # Panics
    /// As the target does, after its input was written to a file; and where a whole run saw fewer than `signs_min` different
    /// signs, since it then hardly came past the parser's first check.
    #[expect(clippy::print_stderr, reason = "a run says what it did")]
    pub fn run(self, signs_min: usize, target: impl Fn(&[u8]) -> u64) {
        if let Some(path) = std::env::var_os("MANDANT_FUZZ_INPUT") {
            let input = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let sign = target(&input);
            eprintln!("{}: {} bytes, sign {sign:016x}", self.name, input.len());
            return;
        }
        let corpus = std::env::var_os("MANDANT_FUZZ_CORPUS").filter(|path| !path.is_empty());
        let signs = self.rounds(&target, corpus.map(PathBuf::from), seed(), span());
        assert!(signs >= signs_min, "{}: {signs} signs, of {signs_min} that are to be seen", self.name);
    }

    /// Runs for `span`, and returns how many different signs were seen.
    #[expect(clippy::print_stderr, reason = "a run says what it did")]
    fn rounds(&self, target: &impl Fn(&[u8]) -> u64, corpus: Option<PathBuf>, seed: u64, span: Duration) -> usize {
        let (begun, processor) = (Instant::now(), kept::processor());
        let mut earlier = corpus.map(|corpus| Kept::open(&corpus, self.name));
        let mut kept = self.corpus.clone();
        kept.extend(earlier.iter_mut().flat_map(|(_, inputs)| std::mem::take(inputs)));
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut signs, mut guide, mut inputs) = (HashSet::new(), Guide::new(), 0);
        let mut next = Instant::now() + PROGRESS_EVERY;
        let spent = |inputs, signs: &HashSet<u64>, guide: &Guide| Spent {
            inputs,
            wall: begun.elapsed(),
            processor: kept::processor().saturating_sub(processor),
            signs: signs.len(),
            edges: guide.edges(),
            seed,
        };
        for input in &kept {
            Guide::clear();
            let sign = self.call(target, input, seed);
            guide.is_new();
            signs.insert(sign);
            inputs += 1;
        }
        while begun.elapsed() < span {
            for _ in 0..BATCH {
                let input = Mutator { random: &mut random, kept: &kept, words: &self.words }.next(INPUT_BYTES_MAX);
                inputs += 1;
                Guide::clear();
                let sign = self.call(target, &input, seed);
                // Asked first: what the driver does is no coverage.
                let is_new = guide.is_new();
                if !signs.insert(sign) && !is_new {
                    continue;
                }
                if let Some((earlier, _)) = &mut earlier {
                    earlier.add(&input);
                }
                if kept.len() < KEPT_MAX {
                    kept.push(input);
                } else {
                    let place = random.usize(self.corpus.len()..kept.len());
                    kept[place] = input;
                }
            }
            if next <= Instant::now() {
                next += PROGRESS_EVERY;
                let so_far = spent(inputs, &signs, &guide);
                eprintln!("{}: {inputs} inputs, {} signs, {} edges", self.name, so_far.signs, so_far.edges);
                if let Some((earlier, _)) = &mut earlier {
                    earlier.spend(&so_far);
                }
            }
        }
        let seconds = begun.elapsed().as_secs();
        let spent = spent(inputs, &signs, &guide);
        eprintln!(
            "{}: {inputs} inputs in {seconds} s, {} signs, {} edges, seed {seed}",
            self.name, spent.signs, spent.edges
        );
        if let Some((earlier, _)) = &mut earlier {
            earlier.spend(&spent);
        }
        signs.len()
    }

    fn call(&self, target: &impl Fn(&[u8]) -> u64, input: &[u8], seed: u64) -> u64 {
        match catch_unwind(AssertUnwindSafe(|| target(input))) {
            Ok(sign) => sign,
            Err(panic) => {
                let path = self.keep(input);
                #[expect(clippy::print_stderr, reason = "whoever looks needs the input")]
                {
                    eprintln!("{}: the target panicked (seed {seed}); its input is in {}", self.name, path.display());
                }
                resume_unwind(panic)
            }
        }
    }

    /// Writes an input down.
    fn keep(&self, input: &[u8]) -> PathBuf {
        let folder = std::env::var_os("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let path = folder.join(format!("mandant-fuzz-{}-{:016x}", self.name, sign(&input)));
        // Where it cannot be written, the panic still says the seed.
        let _ = std::fs::write(&path, input);
        path
    }
}

/// A sign of what was seen.
#[must_use]
pub fn sign(seen: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    seen.hash(&mut hasher);
    hasher.finish()
}

/// A size as far as it matters: its number of bits, so that sizes give few signs.
#[must_use]
pub fn about(size: usize) -> u32 {
    usize::BITS - size.leading_zeros()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn is_long() -> bool {
    std::env::var_os("MANDANT_LONG").is_some()
}

fn span() -> Duration {
    Duration::from_secs(number("MANDANT_FUZZ_SECONDS").unwrap_or(1))
}

fn seed() -> u64 {
    let drawn = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    number("MANDANT_FUZZ_SEED").unwrap_or_else(|| if is_long() { drawn() } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_behind_three_bytes_is_found() {
        let found = catch_unwind(|| {
            Fuzz::new("mistake").corpus(["{\"a\":1}"]).words(["\"boom\""]).run(1, |input| {
                let has = |word: &[u8]| input.windows(word.len()).any(|window| window == word);
                assert!(!(has(b"\"boom\"") && has(b"}}")), "the mistake");
                sign(&(has(b"\"boom\""), has(b"}}"), about(input.len())))
            })
        });
        let panic = found.expect_err("it is found");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the mistake"));
    }

    #[test]
    fn a_target_that_sees_too_little_fails() {
        let failed = catch_unwind(|| Fuzz::new("blind").corpus(["{}"]).run(2, |_| 0)).expect_err("one sign is seen");
        assert_eq!(
            failed.downcast_ref::<String>().map(String::as_str),
            Some("blind: 1 signs, of 2 that are to be seen")
        );
    }

    #[test]
    fn the_same_seed_tries_the_same_inputs() {
        let tried = || {
            let (mut random, mut all) = (fastrand::Rng::with_seed(7), Vec::new());
            let kept = [b"one two".to_vec(), b"three".to_vec()];
            for _ in 0..200 {
                all.push(Mutator { random: &mut random, kept: &kept, words: &[b"word".to_vec()] }.next(100));
            }
            all
        };
        assert_eq!(tried(), tried());
        assert!(tried().iter().all(|input| input.len() <= 100));
        assert!(tried().iter().collect::<HashSet<_>>().len() > 150, "they differ");
    }

    /// A word that nothing but the edges tells of, a byte at a time.
    fn deep(input: &[u8]) -> u64 {
        let mut at = 0;
        for byte in b"M4ndant!" {
            if input.get(at) != Some(std::hint::black_box(byte)) {
                return 0;
            }
            at += 1;
            step(at);
        }
        panic!("the mistake")
    }

    /// An edge of its own for each place.
    fn step(at: usize) {
        match at {
            1 => _ = std::hint::black_box(11),
            2 => _ = std::hint::black_box(22),
            3 => _ = std::hint::black_box(33),
            4 => _ = std::hint::black_box(44),
            5 => _ = std::hint::black_box(55),
            6 => _ = std::hint::black_box(66),
            _ => _ = std::hint::black_box(77),
        }
    }

    #[cfg(fuzz_guided)]
    fn finds_deep() -> bool {
        let fuzz = Fuzz::new("deep").corpus(["{}"]);
        catch_unwind(AssertUnwindSafe(|| fuzz.rounds(&deep, None, 1, Duration::from_secs(20)))).is_err()
    }

    #[cfg(fuzz_guided)]
    mod guided {
        #[test]
        fn a_mistake_that_only_edges_tell_of_is_found() {
            assert!(super::finds_deep());
        }
    }

    #[cfg(not(fuzz_guided))]
    #[test]
    fn a_mistake_that_only_edges_tell_of_is_not_found_unguided() {
        let fuzz = Fuzz::new("deep").corpus(["{}"]);
        assert_eq!(fuzz.rounds(&deep, None, 1, Duration::from_secs(1)), 1);
    }

    #[test]
    fn sizes_give_few_signs() {
        assert_eq!([0, 1, 2, 3, 4, 1_000].map(about), [0, 1, 2, 2, 3, 10]);
    }
}

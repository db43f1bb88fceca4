//! What outlives a run: the inputs that were new, and how long each target ran.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{INPUT_BYTES_MAX, KEPT_MAX, sign};

/// The folder of one target in `MANDANT_FUZZ_CORPUS`.
pub(crate) struct Kept {
    folder: PathBuf,
    files: usize,
    /// Inputs, wall and processor time that are in the ledger already.
    told: (u64, Duration, Duration),
}

/// What a run says of itself in the ledger of time.
pub(crate) struct Spent {
    pub(crate) inputs: u64,
    pub(crate) wall: Duration,
    pub(crate) processor: Duration,
    pub(crate) signs: usize,
    pub(crate) edges: usize,
    pub(crate) seed: u64,
}

impl Kept {
    /// Opens a target's folder and reads what earlier runs kept, in the order of its names.
    pub(crate) fn open(corpus: &Path, target: &str) -> (Kept, Vec<Vec<u8>>) {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<PathBuf> =
            fs::read_dir(&folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let inputs = paths.iter().take(KEPT_MAX).filter_map(|path| fs::read(path).ok());
        let inputs = inputs.filter(|input| input.len() <= INPUT_BYTES_MAX).collect();
        (Kept { folder, files: paths.len(), told: Default::default() }, inputs)
    }

    /// Keeps an input for the next run, unless there are too many.
    pub(crate) fn add(&mut self, input: &[u8]) {
        let path = self.folder.join(format!("{:016x}", sign(&input)));
        if self.files >= KEPT_MAX || path.exists() {
            return;
        }
        // Written beside and renamed: what a killed run leaves is whole.
        let beside = self.folder.with_extension("new");
        if fs::write(&beside, input).and_then(|()| fs::rename(&beside, &path)).is_ok() {
            self.files += 1;
        }
    }

    /// Appends a line with what came since the last one to the ledger of time.
    pub(crate) fn spend(&mut self, spent: &Spent) {
        let path = self.folder.with_extension("ledger");
        let Spent { signs, edges, seed, .. } = spent;
        let inputs = spent.inputs.saturating_sub(self.told.0);
        let wall = spent.wall.saturating_sub(self.told.1).as_secs_f64();
        let processor = spent.processor.saturating_sub(self.told.2).as_secs_f64();
        self.told = (spent.inputs, spent.wall, spent.processor);
        let line = format!(
            "inputs={inputs} wall={wall:.1} processor={processor:.1} signs={signs} edges={edges} seed={seed}\n"
        );
        let appended = fs::OpenOptions::new().create(true).append(true).open(&path);
        appended
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// Processor time of this thread, where the system tells it.
pub(crate) fn processor() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_there_for_the_next_run_and_time_adds_up() {
        let corpus = std::env::temp_dir().join(format!("mandant-fuzz-kept-{}", std::process::id()));
        let (mut kept, inputs) = Kept::open(&corpus, "target");
        assert!(inputs.is_empty());
        kept.add(b"one");
        kept.add(b"one");
        kept.add(b"two");
        let spent = |inputs: u64| Spent {
            inputs,
            wall: Duration::from_millis(150 * inputs),
            processor: Duration::from_millis(50 * inputs),
            signs: 1,
            edges: 2,
            seed: 3,
        };
        kept.spend(&spent(10));
        kept.spend(&spent(30));
        let ledger = fs::read_to_string(corpus.join("target.ledger")).expect("it was written");
        let lines = "inputs=10 wall=1.5 processor=0.5 signs=1 edges=2 seed=3\n\
                     inputs=20 wall=3.0 processor=1.0 signs=1 edges=2 seed=3\n";
        assert_eq!(ledger, lines, "each line says what came since the one before");
        let (_, mut inputs) = Kept::open(&corpus, "target");
        inputs.sort();
        assert_eq!(inputs, [b"one", b"two"]);
        fs::remove_dir_all(&corpus).expect("it is ours");
    }
}

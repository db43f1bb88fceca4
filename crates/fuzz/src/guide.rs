//! Coverage, in a build that has counters for it (`./fuzz` makes one): which edges an input took, and about how often.

#[cfg(fuzz_guided)]
mod counters {
    #![expect(unsafe_code, reason = "the compiler's counters are raw memory")]

    use std::sync::Mutex;

    /// Beginning and length of each region of counters, as the modules of the program told them.
    static REGIONS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

    /// Called by each instrumented module before `main`.
    // SAFETY: the name is the one that the compiler's pass calls, with this signature; nothing else defines it.
    #[unsafe(no_mangle)]
    extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
        let region = (start as usize, stop as usize - start as usize);
        let mut regions = REGIONS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if region.1 > 0 && !regions.contains(&region) {
            regions.push(region);
        }
    }

    pub(super) fn len() -> usize {
        REGIONS.lock().map_or(0, |regions| regions.iter().map(|region| region.1).sum())
    }

    /// Calls `look` with place and value of each counter that is not zero, and sets it to zero.
    pub(super) fn take(mut look: impl FnMut(usize, u8)) {
        let Ok(regions) = REGIONS.lock().map(|regions| regions.clone()) else { return };
        let mut first = 0;
        for (start, length) in regions {
            let mut at = 0;
            while at < length {
                let counter = (start + at) as *mut u8;
                if at + 8 <= length {
                    // SAFETY: eight bytes within a region of the program's own writable memory, which stays as long as it
                    // runs. Other threads may count meanwhile; a count that is lost costs a little guidance.
                    let word = unsafe { counter.cast::<u64>().read_unaligned() };
                    if word == 0 {
                        at += 8;
                        continue;
                    }
                }
                // SAFETY: a byte within such a region.
                let count = unsafe { counter.read_volatile() };
                if count != 0 {
                    // SAFETY: as above.
                    unsafe { counter.write_volatile(0) };
                    look(first + at, count);
                }
                at += 1;
            }
            first += length;
        }
    }
}

#[cfg(not(fuzz_guided))]
mod counters {
    pub(super) fn len() -> usize {
        0
    }

    pub(super) fn take(_: impl FnMut(usize, u8)) {}
}

/// What was seen of each edge: a bit for each size of its count.
pub(crate) struct Guide {
    seen: Vec<u8>,
}

impl Guide {
    pub(crate) fn new() -> Guide {
        Guide { seen: vec![0; counters::len()] }
    }

    /// Forgets what was counted since the last input.
    pub(crate) fn clear() {
        counters::take(|_, _| ());
    }

    /// Whether the input that ran since then took an edge, or took it about as often, as none did before.
    pub(crate) fn is_new(&mut self) -> bool {
        let mut new = false;
        counters::take(|place, count| {
            // 1, 2, 3, 4-7, 8-15, 16-31, 32-127, 128 and more.
            let bucket = match count {
                0..=3 => count.saturating_sub(1),
                4..=7 => 3,
                8..=15 => 4,
                16..=31 => 5,
                32..=127 => 6,
                128.. => 7,
            };
            if let Some(seen) = self.seen.get_mut(place) {
                new |= *seen & (1 << bucket) == 0;
                *seen |= 1 << bucket;
            }
        });
        new
    }

    /// Edges that were taken.
    pub(crate) fn edges(&self) -> usize {
        self.seen.iter().filter(|seen| **seen != 0).count()
    }
}

//! The full buckets of a window, in numbers as narrow as its limit allows: most windows count requests by the hundred.

/// Full buckets that make up the window's length; one more is being filled.
pub(crate) const BUCKETS: usize = 60;

/// Sixty counts of one width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Buckets {
    Tiny(Box<[u8; BUCKETS]>),
    Narrow(Box<[u16; BUCKETS]>),
    Middle(Box<[u32; BUCKETS]>),
    Wide(Box<[u64; BUCKETS]>),
}

impl Buckets {
    /// Empty ones, none of which will count more than this.
    pub(crate) fn for_counts_to(most: u64) -> Buckets {
        if most <= u64::from(u8::MAX) {
            Buckets::Tiny(Box::new([0; BUCKETS]))
        } else if most <= u64::from(u16::MAX) {
            Buckets::Narrow(Box::new([0; BUCKETS]))
        } else if most <= u64::from(u32::MAX) {
            Buckets::Middle(Box::new([0; BUCKETS]))
        } else {
            Buckets::Wide(Box::new([0; BUCKETS]))
        }
    }

    /// Makes room for counts up to `most`. Never narrower: what is counted stays.
    pub(crate) fn widen_to(&mut self, most: u64) {
        if most > self.most() {
            let mut wider = Buckets::for_counts_to(most);
            for place in 0..BUCKETS {
                wider.replace(place, self.get(place));
            }
            *self = wider;
        }
    }

    const fn most(&self) -> u64 {
        match self {
            Buckets::Tiny(_) => u8::MAX as u64,
            Buckets::Narrow(_) => u16::MAX as u64,
            Buckets::Middle(_) => u32::MAX as u64,
            Buckets::Wide(_) => u64::MAX,
        }
    }

    #[inline]
    pub(crate) fn get(&self, place: usize) -> u64 {
        match self {
            Buckets::Tiny(counts) => counts[place].into(),
            Buckets::Narrow(counts) => counts[place].into(),
            Buckets::Middle(counts) => counts[place].into(),
            Buckets::Wide(counts) => counts[place],
        }
    }

    /// Puts a count in the place of another, which it returns.
    #[inline]
    pub(crate) fn replace(&mut self, place: usize, count: u64) -> u64 {
        const FITS: &str = "a count is bounded by what its window was widened to";
        match self {
            Buckets::Tiny(counts) => core::mem::replace(&mut counts[place], u8::try_from(count).expect(FITS)).into(),
            Buckets::Narrow(counts) => core::mem::replace(&mut counts[place], u16::try_from(count).expect(FITS)).into(),
            Buckets::Middle(counts) => core::mem::replace(&mut counts[place], u32::try_from(count).expect(FITS)).into(),
            Buckets::Wide(counts) => core::mem::replace(&mut counts[place], count),
        }
    }

    #[cfg(test)]
    pub(crate) const fn bytes(&self) -> usize {
        match self {
            Buckets::Tiny(_) => size_of::<[u8; BUCKETS]>(),
            Buckets::Narrow(_) => size_of::<[u16; BUCKETS]>(),
            Buckets::Middle(_) => size_of::<[u32; BUCKETS]>(),
            Buckets::Wide(_) => size_of::<[u64; BUCKETS]>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_a_widening() {
        let mut buckets = Buckets::for_counts_to(255);
        buckets.replace(7, 255);
        for most in [256, 65_536, 1 << 20, 1 << 40, 5] {
            buckets.widen_to(most);
            assert_eq!((buckets.get(7), buckets.get(8)), (255, 0));
            assert!(buckets.most() >= most);
        }
        buckets.replace(8, 1 << 40);
        assert_eq!(buckets.get(8), 1 << 40);
    }
}

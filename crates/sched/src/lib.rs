//! How long a thread may have a core at a stretch.
//!
//! Linux (from 6.12 on; "EEVDF") lets a thread that wakes up take the core from one whose slice is longer. So threads that
//! answer calls have short slices and what works beside them longer ones: their shares stay the same, only calls need not
//! wait for the end of another's turn. Older kernels take the value and do nothing about it.
//!
//! See `docs/decisions/0012-short-slices.md`, also for why this crate alone may contain `unsafe`.

use std::io;

/// A slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// The shortest that there is, 100 microseconds: for threads that answer.
    Short,
    /// What the system gives, a millisecond or more.
    Usual,
}

impl Slice {
    const fn nanos(self) -> u64 {
        match self {
            Slice::Short => 100_000,
            Slice::Usual => 0,
        }
    }
}

/// Gives the calling thread, and those that it starts from then on, a slice. Its policy and its niceness stay.
///
/// # Errors
/// Where the system has no such call or refuses it, for instance to a thread of real-time priority. Nothing is lost but time.
pub fn set_slice(slice: Slice) -> io::Result<()> {
    let nice = rustix::process::getpriority_process(None)?;
    system::set(nice, slice.nanos())
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a system call without a wrapper")]
mod system {
    use std::io;

    const BYTES: u32 = size_of::<libc::sched_attr>() as u32;
    /// `SCHED_FLAG_KEEP_POLICY` of `linux/sched.h`.
    const KEEP_POLICY: u64 = 0x08;

    pub(super) fn set(nice: i32, nanos: u64) -> io::Result<()> {
        let attributes = libc::sched_attr {
            size: BYTES,
            sched_policy: 0,
            sched_flags: KEEP_POLICY,
            sched_nice: nice,
            sched_priority: 0,
            sched_runtime: nanos,
            sched_deadline: 0,
            sched_period: 0,
        };
        // SAFETY: the kernel reads as many bytes of `attributes`, which lives until then, as `size` says.
        let said = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
        if said == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// The niceness and the slice of the calling thread, as the system has them.
    #[cfg(test)]
    pub(super) fn get() -> (i32, u64) {
        // SAFETY: all fields are numbers, of which zero is one.
        let mut attributes: libc::sched_attr = unsafe { core::mem::zeroed() };
        // SAFETY: the kernel writes no more than `BYTES` into `attributes`.
        let said = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, BYTES, 0) };
        assert_eq!(said, 0, "{}", io::Error::last_os_error());
        (attributes.sched_nice, attributes.sched_runtime)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn set(_nice: i32, _nanos: u64) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// The slice is what is set, where the kernel has slices (`None` where it is older).
    fn slice() -> Option<u64> {
        Some(system::get().1).filter(|nanos| *nanos > 0)
    }

    #[test]
    fn a_slice_is_set_and_taken_back_while_the_niceness_stays_and_threads_inherit_it() {
        let nice = std::thread::spawn(|| {
            rustix::process::setpriority_process(None, 7).unwrap();
            let usual = slice();
            set_slice(Slice::Short).unwrap();
            if usual.is_some() {
                assert_eq!(slice(), Some(100_000));
                assert_eq!(std::thread::spawn(slice).join().unwrap(), Some(100_000));
            }
            set_slice(Slice::Usual).unwrap();
            assert_eq!(slice(), usual);
            system::get().0
        });
        assert_eq!(nice.join().unwrap(), 7);
    }
}

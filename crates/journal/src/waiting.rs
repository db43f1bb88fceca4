//! Tasks that wait until the journal is durable up to a position. A sync wakes those whose position it reached, and
//! nobody else: under load most of them wait for a later one, and to look in vain costs each of them a turn of its task.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::Poisoned;

/// The waiting tasks, earliest position first.
#[derive(Default)]
pub(crate) struct Waiting {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    tasks: BinaryHeap<Reverse<Task>>,
    poison: Option<Poisoned>,
}

/// One that waits. It may have given up meanwhile; then nobody hears.
struct Task {
    wanted: u64,
    tell: oneshot::Sender<Result<(), Poisoned>>,
}

impl Waiting {
    /// Takes a place. What was announced before is not told again: the caller looks once more after this.
    pub(crate) fn enter(&self, wanted: u64) -> oneshot::Receiver<Result<(), Poisoned>> {
        let (tell, told) = oneshot::channel();
        let mut queue = self.queue();
        match &queue.poison {
            Some(poison) => drop(tell.send(Err(poison.clone()))),
            None => queue.tasks.push(Reverse(Task { wanted, tell })),
        }
        told
    }

    /// Wakes everyone who waits for no more than `durable`.
    pub(crate) fn announce(&self, durable: u64) {
        let mut queue = self.queue();
        while queue.tasks.peek().is_some_and(|Reverse(task)| task.wanted <= durable)
            && let Some(Reverse(task)) = queue.tasks.pop()
        {
            let _ = task.tell.send(Ok(()));
        }
    }

    /// Wakes everyone for the worse, and whoever comes later too.
    pub(crate) fn poison(&self, poison: &Poisoned) {
        let mut queue = self.queue();
        queue.poison.get_or_insert_with(|| poison.clone());
        for Reverse(task) in queue.tasks.drain() {
            let _ = task.tell.send(Err(poison.clone()));
        }
    }

    /// A panic under the lock leaves nothing half done.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Task {
    fn eq(&self, other: &Task) -> bool {
        self.wanted == other.wanted
    }
}

impl Eq for Task {}

impl PartialOrd for Task {
    fn partial_cmp(&self, other: &Task) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Task {
    fn cmp(&self, other: &Task) -> std::cmp::Ordering {
        self.wanted.cmp(&other.wanted)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    #[test]
    fn a_sync_wakes_those_that_it_reached_and_a_poison_all() {
        let waiting = Waiting::default();
        let mut late = waiting.enter(30);
        let mut early = waiting.enter(10);
        waiting.announce(10);
        assert!(matches!(early.try_recv(), Ok(Ok(()))));
        assert!(matches!(late.try_recv(), Err(TryRecvError::Empty)));
        waiting.poison(&Poisoned::new("it broke"));
        assert!(matches!(late.try_recv(), Ok(Err(_))));
        assert!(matches!(waiting.enter(40).try_recv(), Ok(Err(_))));
    }
}

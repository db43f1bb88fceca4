//! The promises of the fair queue.

mod adaptive;
mod bounds;
mod floods;
mod oracle;
mod places;
mod shares;
mod speed;

use core::time::Duration;

use base::{AccountIndex, Moment, Priority};

use crate::queue::{Ask, Discipline, Entered, Limit, Policy, Queue, Slot, Ticket};

const POLICY: Policy =
    Policy { discipline: Discipline::Fair, requests_max: 1_000, bytes_max: 1 << 20, patience: Duration::from_secs(10) };

fn queue(places: u32) -> Queue {
    Queue::new(POLICY, Limit::Fixed(places))
}

fn ask(tenant: u32, tokens: u64) -> Ask {
    Ask { tenant: AccountIndex(tenant), weight: 1, priority: Priority::Normal, tokens, bytes: 100 }
}

fn millis(millis: u64) -> Moment {
    Moment::from_nanos(millis * 1_000_000)
}

fn slot(entered: Entered) -> Slot {
    match entered {
        Entered::Admitted(slot) => slot,
        other => panic!("it should go at once: {other:?}"),
    }
}

fn ticket(entered: Entered) -> Ticket {
    match entered {
        Entered::Waiting(ticket) => ticket,
        other => panic!("it should wait: {other:?}"),
    }
}

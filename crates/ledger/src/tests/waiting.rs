//! Waiting in order: the queues against lists, and against a ledger whose money is short.

use std::collections::{BTreeMap, BTreeSet};

use base::{AccountIndex, AttemptId, Budgets, Money, Timestamp};
use jiff::tz::TimeZone;
use proptest::prelude::*;

use crate::waiting::{Full, Ticket, Waiting};
use crate::{AccountConfig, Amounts, Ending, Hold, Ledger};

const TENANT: AccountIndex = AccountIndex(1);
const KEYS: [AccountIndex; 3] = [AccountIndex(2), AccountIndex(3), AccountIndex(4)];
const ROOM: usize = 8;

#[test]
fn the_oldest_goes_first_and_who_left_is_not_tried() {
    let mut waiting = Waiting::new(ROOM);
    for ticket in [3, 1, 2] {
        waiting.join(TENANT, Ticket(ticket)).unwrap();
    }
    assert_eq!(waiting.leave(Ticket(1)), Some(TENANT), "the next may fit where the head did not");
    assert_eq!(waiting.leave(Ticket(1)), None, "who left has left");
    assert_eq!(waiting.leave(Ticket(3)), None, "nobody waited for the last one");
    let round = waiting.round(&[TENANT]);
    assert_eq!(round.next_to_try(&waiting), Some(Ticket(2)));
    assert_eq!((waiting.len(), waiting.place_of(Ticket(3))), (1, None));
}

#[test]
fn a_new_call_does_not_overtake() {
    let mut waiting = Waiting::new(ROOM);
    let path = [TENANT, KEYS[0]];
    assert_eq!(waiting.ahead_on(&path, Ticket(9)), None);
    waiting.join(KEYS[0], Ticket(5)).unwrap();
    assert_eq!(waiting.ahead_on(&path, Ticket(9)), Some(KEYS[0]));
    assert_eq!(waiting.ahead_on(&path, Ticket(4)), None, "it is older");
    assert_eq!(waiting.ahead_on(&[TENANT, KEYS[1]], Ticket(9)), None, "another key's queue is not its own");
    waiting.join(TENANT, Ticket(6)).unwrap();
    assert_eq!(waiting.ahead_on(&path, Ticket(9)), Some(TENANT));
}

#[test]
fn a_head_that_is_short_elsewhere_takes_its_age_there() {
    let mut waiting = Waiting::new(ROOM);
    for (account, ticket) in [(TENANT, 2), (TENANT, 5), (KEYS[0], 1), (KEYS[0], 3)] {
        waiting.join(account, Ticket(ticket)).unwrap();
    }
    let mut round = waiting.round(&[TENANT]);
    assert_eq!(round.next_to_try(&waiting), Some(Ticket(2)));
    round.still_short(&mut waiting, Ticket(2), KEYS[0]).unwrap();
    assert_eq!(round.next_to_try(&waiting), Some(Ticket(5)), "the next of the old queue");
    round.still_short(&mut waiting, Ticket(5), TENANT).unwrap();
    assert_eq!(round.next_to_try(&waiting), None, "a head that does not fit stops its queue");
    let mut round = waiting.round(&[KEYS[0]]);
    for ticket in [1, 2, 3] {
        assert_eq!(round.next_to_try(&waiting), Some(Ticket(ticket)));
        round.done(&mut waiting, Ticket(ticket));
    }
    assert_eq!(waiting.waiting_at(TENANT), 1);
}

#[test]
fn a_queue_is_bounded() {
    let mut waiting = Waiting::new(2);
    waiting.join(KEYS[0], Ticket(1)).unwrap();
    waiting.join(KEYS[0], Ticket(2)).unwrap();
    assert_eq!(waiting.join(KEYS[0], Ticket(3)), Err(Full(KEYS[0])));
    waiting.join(TENANT, Ticket(4)).unwrap();
    let mut round = waiting.round(&[TENANT]);
    assert_eq!(round.still_short(&mut waiting, Ticket(4), KEYS[0]), Err(Full(KEYS[0])));
    assert_eq!((waiting.len(), waiting.place_of(Ticket(4))), (2, None), "who finds no room has left");
}

#[test]
#[should_panic(expected = "a ticket waits in one place")]
fn nobody_waits_twice() {
    let mut waiting = Waiting::new(2);
    waiting.join(TENANT, Ticket(1)).unwrap();
    let _ = waiting.join(KEYS[0], Ticket(1));
}

#[derive(Debug, Clone)]
enum Step {
    Join {
        account: usize,
        ticket: u64,
    },
    Leave {
        ticket: u64,
    },
    /// What becomes of each that is tried: an account that is short, or money.
    Round {
        accounts: Vec<usize>,
        outcomes: Vec<Option<usize>>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let outcomes = proptest::collection::vec(proptest::option::weighted(0.6, 0..4_usize), 30);
    prop_oneof![
        4 => (0..4_usize, 0..40_u64).prop_map(|(account, ticket)| Step::Join { account, ticket }),
        1 => (0..40_u64).prop_map(|ticket| Step::Leave { ticket }),
        2 => (proptest::sample::subsequence(vec![0, 1, 2, 3], 1..=4), outcomes)
            .prop_map(|(accounts, outcomes)| Step::Round { accounts, outcomes }),
    ]
}

/// Runs one round on both; who is tried is always the oldest of a list that nothing has stopped.
fn try_round(waiting: &mut Waiting, lists: &mut [Vec<u64>; 4], accounts: &[usize], outcomes: &[Option<usize>]) {
    let all = [TENANT, KEYS[0], KEYS[1], KEYS[2]];
    let mut open: BTreeSet<usize> = accounts.iter().copied().collect();
    let path: Vec<AccountIndex> = accounts.iter().map(|&account| all[account]).collect();
    let mut round = waiting.round(&path);
    let mut outcomes = outcomes.iter();
    loop {
        let expected = open.iter().filter_map(|&account| lists[account].iter().min().copied()).min();
        assert_eq!(round.next_to_try(waiting), expected.map(Ticket));
        let Some(ticket) = expected else { return };
        let from = lists.iter().position(|list| list.contains(&ticket)).unwrap();
        match outcomes.next().copied().flatten() {
            Some(short_at) => {
                let moves = short_at != from;
                let is_full = moves && lists[short_at].len() == ROOM;
                assert_eq!(round.still_short(waiting, Ticket(ticket), all[short_at]).is_err(), is_full);
                if moves {
                    lists[from].retain(|&one| one != ticket);
                }
                if moves && !is_full {
                    lists[short_at].push(ticket);
                }
                if lists[short_at].iter().min() == Some(&ticket) {
                    open.remove(&short_at);
                }
            }
            None => {
                round.done(waiting, Ticket(ticket));
                lists[from].retain(|&one| one != ticket);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_queues_are_lists_by_age(steps in proptest::collection::vec(step(), 1..60)) {
        let all = [TENANT, KEYS[0], KEYS[1], KEYS[2]];
        let (mut waiting, mut lists) = (Waiting::new(ROOM), <[Vec<u64>; 4]>::default());
        for step in &steps {
            match step {
                Step::Join { account, ticket } => {
                    if !lists.iter().any(|list| list.contains(ticket)) {
                        let joined = waiting.join(all[*account], Ticket(*ticket));
                        prop_assert_eq!(joined.is_ok(), lists[*account].len() < ROOM);
                        if joined.is_ok() {
                            lists[*account].push(*ticket);
                        }
                    }
                }
                Step::Leave { ticket } => {
                    let place = lists.iter().position(|list| list.contains(ticket));
                    let was_head = place.filter(|&place| lists[place].iter().min() == Some(ticket));
                    prop_assert_eq!(waiting.leave(Ticket(*ticket)), was_head.map(|place| all[place]));
                    lists.iter_mut().for_each(|list| list.retain(|one| one != ticket));
                }
                Step::Round { accounts, outcomes } => try_round(&mut waiting, &mut lists, accounts, outcomes),
            }
            for (place, list) in lists.iter().enumerate() {
                prop_assert_eq!(waiting.waiting_at(all[place]), list.len());
                prop_assert_eq!(waiting.head(all[place]), list.iter().min().copied().map(Ticket));
                prop_assert!(list.iter().all(|&ticket| waiting.place_of(Ticket(ticket)) == Some(all[place])));
            }
            prop_assert_eq!(waiting.len(), lists.iter().map(Vec::len).sum::<usize>());
            prop_assert_eq!(waiting.is_empty(), lists.iter().all(Vec::is_empty));
        }
    }
}

/// Calls that reserve, wait and settle as a gateway lets them.
struct Desk {
    ledger: Ledger,
    waiting: Waiting,
    /// The path and worst case of whoever came and has not been answered.
    calls: BTreeMap<u64, ([AccountIndex; 2], Amounts)>,
    open: Vec<(Hold, [AccountIndex; 2])>,
    granted: Vec<u64>,
    refused: Vec<u64>,
}

impl Desk {
    fn new(caps: [u64; 4]) -> Desk {
        let mut ledger = Ledger::new();
        for (account, cap) in [TENANT, KEYS[0], KEYS[1], KEYS[2]].into_iter().zip(caps) {
            let budgets = Budgets { total: Some(Money::from_nanos(cap as i64)), ..Budgets::default() };
            ledger.configure(account, &AccountConfig { budgets, ..AccountConfig::unlimited(TimeZone::UTC) });
        }
        let waiting = Waiting::new(1_000);
        Desk { ledger, waiting, calls: BTreeMap::new(), open: vec![], granted: vec![], refused: vec![] }
    }

    /// Tries a call; the account at which it is to wait when it gets nothing.
    fn attempt(&mut self, ticket: u64) -> Option<AccountIndex> {
        let (path, worst) = self.calls[&ticket];
        if let Some(account) = self.waiting.ahead_on(&path, Ticket(ticket)) {
            return Some(account);
        }
        self.reserve(ticket, path, worst)
    }

    fn reserve(&mut self, ticket: u64, path: [AccountIndex; 2], worst: Amounts) -> Option<AccountIndex> {
        let attempt = AttemptId { epoch: 1, sequence: ticket };
        match self.ledger.reserve(&path, attempt, worst, Timestamp::EPOCH) {
            Ok(hold) => {
                self.open.push((hold, path));
                self.granted.push(ticket);
            }
            Err(no_hold) => {
                let shortage = no_hold.shortage().unwrap();
                if shortage.fits_alone {
                    return Some(shortage.account);
                }
                self.refused.push(ticket);
            }
        }
        self.calls.remove(&ticket);
        None
    }

    fn come(&mut self, ticket: u64, key: usize, usd: i64) {
        let worst = Amounts { usd: Money::from_nanos(usd), tokens: 0 };
        self.calls.insert(ticket, ([TENANT, KEYS[key]], worst));
        if let Some(account) = self.attempt(ticket) {
            self.waiting.join(account, Ticket(ticket)).unwrap();
        }
    }

    fn settle(&mut self, which: usize, used: i64) {
        if self.open.is_empty() {
            return;
        }
        let (hold, path) = self.open.swap_remove(which % self.open.len());
        let used = Amounts { usd: Money::from_nanos(used), tokens: 0 };
        let _ = self.ledger.settle(hold, Ending::Complete(used));
        self.round(&path);
    }

    fn round(&mut self, path: &[AccountIndex]) {
        let mut round = self.waiting.round(path);
        while let Some(Ticket(ticket)) = round.next_to_try(&self.waiting) {
            assert!(self.calls.contains_key(&ticket), "who was answered or left is not tried");
            let older = |queue: AccountIndex| self.waiting.head(queue).is_some_and(|head| head.0 < ticket);
            let from = self.waiting.place_of(Ticket(ticket)).unwrap();
            assert!(!older(from), "first come, first served");
            match self.attempt(ticket) {
                Some(account) => round.still_short(&mut self.waiting, Ticket(ticket), account).unwrap(),
                None => round.done(&mut self.waiting, Ticket(ticket)),
            }
        }
    }

    /// The deadline of a call: it leaves, tries once whatever the order, and lets the next one try.
    fn give_up(&mut self, which: usize) {
        let waits: Vec<u64> = self.calls.keys().copied().collect();
        let Some(&ticket) = waits.get(which % waits.len().max(1)) else { return };
        let head_of = self.waiting.leave(Ticket(ticket));
        let (path, worst) = self.calls[&ticket];
        if self.reserve(ticket, path, worst).is_some() {
            self.calls.remove(&ticket);
            self.refused.push(ticket);
        }
        if let Some(account) = head_of {
            self.round(&[account]);
        }
    }
}

proptest! {
    #[test]
    fn everybody_who_waits_is_answered_in_order(
        caps in [50_u64..400, 20_u64..400, 20_u64..400, 20_u64..400],
        steps in proptest::collection::vec((0..10_u8, 0..3_usize, 1_i64..30, any::<usize>()), 1..120),
    ) {
        let mut desk = Desk::new(caps);
        let mut tickets = 0;
        for (kind, key, usd, which) in steps {
            match kind {
                0..6 => {
                    tickets += 1;
                    desk.come(tickets, key, usd);
                }
                6..9 => desk.settle(which, usd),
                _ => desk.give_up(which),
            }
            let mut waiting: Vec<u64> = desk.calls.keys().copied().collect();
            waiting.retain(|&ticket| desk.waiting.place_of(Ticket(ticket)).is_none());
            prop_assert!(waiting.is_empty(), "lost: {:?}", waiting);
            prop_assert_eq!(desk.waiting.len(), desk.calls.len());
        }
        // When every call under way has ended, nobody waits any more (I9).
        while !desk.open.is_empty() {
            desk.settle(0, 3);
        }
        prop_assert!(desk.waiting.is_empty() && desk.calls.is_empty(), "{:?} wait for nothing", desk.calls);
        let answered: BTreeSet<u64> = desk.granted.iter().chain(&desk.refused).copied().collect();
        prop_assert_eq!(answered.len(), tickets as usize);
        prop_assert_eq!(desk.granted.len() + desk.refused.len(), tickets as usize);
        desk.ledger.assert_invariants();
    }
}

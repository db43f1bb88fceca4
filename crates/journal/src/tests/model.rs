//! Random operations against a list: the journal is a list of records with a durable part.

use proptest::prelude::*;

use super::{BOOT, NEXT_BOOT, Record, driven, records};
use crate::room::{ends_behind, ends_of};
use crate::{FaultDisk, Journal, Loss, Position, frame, header, verify};

#[derive(Debug, Clone)]
enum Step {
    Begin(usize),
    Append(usize),
    Finish(usize, usize),
    Forget(usize),
    Sync,
    Drive,
    /// Reads so many bytes and applies them.
    Apply(usize),
    Close,
    Kill,
    LosePower,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || 0..=crate::PAYLOAD_BYTES_MAX;
    let step = prop_oneof![
        6 => bytes().prop_map(Step::Begin),
        3 => bytes().prop_map(Step::Append),
        6 => (any::<usize>(), bytes()).prop_map(|(room, bytes)| Step::Finish(room, bytes)),
        1 => any::<usize>().prop_map(Step::Forget),
        2 => Just(Step::Sync),
        2 => Just(Step::Drive),
        2 => (1_usize..60_000).prop_map(Step::Apply),
        1 => prop_oneof![Just(Step::Close), Just(Step::Kill), Just(Step::LosePower)],
    ];
    prop::collection::vec(step, 1..120)
}

/// The journal and the list beside it.
struct Model {
    disk: FaultDisk,
    journal: Journal<FaultDisk>,
    rooms: Vec<crate::Room<FaultDisk>>,
    list: Vec<Record>,
    applied: Position,
    epoch: u64,
    boot: u8,
}

impl Model {
    fn new() -> Model {
        let disk = FaultDisk::new(0);
        let (journal, _) = Journal::open(disk.clone(), driven(1, BOOT), Position::START).unwrap();
        let (rooms, list) = Default::default();
        Model { disk, journal, rooms, list, applied: Position::START, epoch: 1, boot: BOOT.0[0] }
    }

    fn push(&mut self, end: Position, kind: u8, payload: Vec<u8>) {
        let before = self.list.last().map_or(Position::START, |record| record.0);
        assert!(end.get() >= before.get() + frame::bytes_of(&payload));
        self.list.push((end, kind, payload));
    }

    fn step(&mut self, step: &Step) {
        let number = self.list.len() as u8;
        match step {
            Step::Begin(bytes) => {
                let payload = vec![number; *bytes];
                let room = self.journal.begin(1, &payload).unwrap();
                self.push(room.position(), 1, payload);
                self.rooms.push(room);
            }
            Step::Append(bytes) => {
                let payload = vec![number; *bytes];
                let end = self.journal.append(2, &payload).unwrap();
                self.push(end, 2, payload);
            }
            Step::Finish(room, bytes) if !self.rooms.is_empty() => {
                let payload = vec![number; *bytes];
                let end = self.rooms.swap_remove(room % self.rooms.len()).finish(3, &payload);
                self.push(end, 3, payload);
            }
            Step::Forget(room) if !self.rooms.is_empty() => drop(self.rooms.swap_remove(room % self.rooms.len())),
            Step::Sync => {
                assert!(self.journal.sync().unwrap() >= self.list.last().map_or(Position::START, |last| last.0))
            }
            Step::Drive => self.journal.drive().unwrap(),
            Step::Apply(bytes) => self.apply(*bytes),
            Step::Close => {
                self.journal.clone().close().unwrap();
                self.reopen(Loss::Unsynced, self.boot + 1);
            }
            Step::Kill => self.reopen(Loss::Nothing, self.boot),
            Step::LosePower => {
                let durable = self.journal.durable();
                self.list.retain(|record| record.0 <= durable);
                self.reopen(Loss::Unsynced, self.boot + 1);
            }
            Step::Finish(..) | Step::Forget(_) => {}
        }
    }

    fn apply(&mut self, bytes: usize) {
        let mut read = Vec::new();
        let mut visit = |end, kind, payload: &[u8]| read.push((end, kind, payload.to_vec()));
        let reached = self.journal.read(self.applied, bytes, &mut visit).unwrap();
        let expected = self.list.iter().filter(|record| record.0 > self.applied && record.0 <= reached);
        assert!(expected.eq(read.iter()));
        assert!(reached <= self.journal.durable());
        self.applied = reached;
        self.journal.applied(reached);
    }

    fn reopen(&mut self, loss: Loss, boot: u8) {
        self.rooms.clear();
        self.disk = self.disk.restart(loss);
        (self.epoch, self.boot) = (self.epoch + 1, boot);
        let options = driven(self.epoch, crate::BootId([boot; 16]));
        let (journal, recovered) = Journal::open(self.disk.clone(), options, self.applied).unwrap();
        self.journal = journal;
        let expected = self.list.iter().filter(|record| record.0 > self.applied);
        assert!(expected.eq(records(&recovered).iter()));
        assert!(boot != BOOT.0[0] || NEXT_BOOT != BOOT, "runs of the machine differ");
        verify(&self.disk).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_is_a_list(steps in steps()) {
        let mut model = Model::new();
        for step in &steps {
            model.step(step);
        }
        model.reopen(Loss::Nothing, model.boot);
    }

    #[test]
    fn so_many_records_of_any_length_fit_as_are_promised(
        files in prop::collection::vec(header::BYTES..60_000_u64, 1..4),
        start in 0_u64..60_000,
        lengths in prop::collection::vec(prop_oneof![Just(frame::BYTES_MAX), 12..=frame::BYTES_MAX], 100),
    ) {
        let mut offset = start.max(header::BYTES);
        let promised = ends_behind(offset, files[0]) + files[1..].iter().map(|bytes| ends_of(*bytes)).sum::<u64>();
        let mut left = files.iter();
        let mut file = left.next().unwrap();
        for length in lengths.iter().take(promised as usize) {
            while offset + length > *file {
                file = left.next().expect("what was promised fits");
                offset = header::BYTES;
            }
            offset += length;
        }
    }
}

//! The promises of the journal, one file each.

mod basics;
mod crash;
mod damage;
mod failing;
mod fuzzed;
mod model;
mod resting;
mod shape;
mod speed;

use crate::{BootId, Driver, FaultDisk, Journal, Options, Position, Recovered};

/// The run of the machine in which tests begin.
const BOOT: BootId = BootId([1; 16]);
/// The one after a loss of power.
const NEXT_BOOT: BootId = BootId([2; 16]);

/// A record as a test remembers it.
type Record = (Position, u8, Vec<u8>);

/// Small segments, and all I/O in the order of the calls.
fn driven(epoch: u64, boot: BootId) -> Options {
    Options { segment_bytes: crate::SEGMENT_BYTES_MIN, driver: Driver::Caller, ..Options::new(epoch, boot) }
}

fn open(disk: &FaultDisk, epoch: u64) -> (Journal<FaultDisk>, Recovered<<FaultDisk as crate::Disk>::File>) {
    Journal::open(disk.clone(), driven(epoch, BOOT), Position::START).unwrap()
}

fn records<F: crate::DiskFile>(recovered: &Recovered<F>) -> Vec<Record> {
    let mut records = Vec::new();
    let end = recovered.visit(&mut |end, kind, payload| records.push((end, kind, payload.to_vec()))).unwrap();
    assert_eq!(end, recovered.end);
    records
}

//! Recorded exchanges with real providers go through: their bytes unchanged, their usage metered as recorded, and priced
//! exactly.
//!
//! Reads the folder named by `MANDANT_TRAFFIC`; without it there is nothing to replay and the test says so.

use std::path::PathBuf;

use base::Money;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use testkit::{ChunkBorders, Exchange, Options, Replay, SimulatedProvider};

use crate::app::{TestApp, tenant, upstream};
use crate::client::{Client, post};

fn traffic() -> Option<PathBuf> {
    let folder = std::env::var_os("MANDANT_TRAFFIC");
    if folder.is_none() {
        println!("MANDANT_TRAFFIC is not set: no recorded traffic to replay");
    }
    folder.map(|folder| PathBuf::from(folder).join("open.jsonl.gz"))
}

//! The lines of a file as they come from an upstream: one is in memory at a time, however many there are.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::bodies::Share;
use crate::upstream::{Look, LookError};

/// Why there is no next line.
#[derive(Debug, Error)]
pub(super) enum LinesError {
    #[error(transparent)]
    Look(#[from] LookError),
    #[error("line {0} is longer than {1} bytes")]
    LineTooLong(u64, usize),
    #[error("the file has more than {0} bytes")]
    TooLarge(u64),
    #[error("there is no room for more in memory")]
    NoRoom(base::Refusal),
}

/// See the module's description.
pub(super) struct Lines {
    look: Look,
    held: BytesMut,
    /// Before it no line ends.
    searched: usize,
    has_ended: bool,
    bytes: u64,
    number: u64,
    line_bytes_max: usize,
    bytes_max: u64,
    /// Where what is in memory is counted.
    share: Option<Share>,
}

impl Lines {
    pub(super) fn new(look: Look, line_bytes_max: usize, bytes_max: u64, share: Option<Share>) -> Lines {
        Lines {
            look,
            held: BytesMut::new(),
            searched: 0,
            has_ended: false,
            bytes: 0,
            number: 0,
            line_bytes_max,
            bytes_max,
            share,
        }
    }

    /// The number of the last line that was given, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not empty, without its end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, LinesError> {
        loop {
            let Some(line) = self.next_of_any().await? else { return Ok(None) };
            self.number += 1;
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    async fn next_of_any(&mut self) -> Result<Option<Bytes>, LinesError> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.held[self.searched..]) {
                let line = self.held.split_to(self.searched + at + 1).freeze();
                self.searched = 0;
                return Ok(Some(without_end(line)));
            }
            self.searched = self.held.len();
            if self.has_ended {
                let rest = self.held.split().freeze();
                self.searched = 0;
                return Ok((!rest.is_empty()).then(|| without_end(rest)));
            }
            if self.held.len() > self.line_bytes_max {
                return Err(LinesError::LineTooLong(self.number + 1, self.line_bytes_max));
            }
            let Some(data) = self.look.data().await? else {
                self.has_ended = true;
                continue;
            };
            self.bytes += data.len() as u64;
            if self.bytes > self.bytes_max {
                return Err(LinesError::TooLarge(self.bytes_max));
            }
            self.held.extend_from_slice(&data);
            if let Some(share) = &mut self.share {
                share.grow(self.held.len() as u64).map_err(LinesError::NoRoom)?;
            }
        }
    }
}

fn without_end(line: Bytes) -> Bytes {
    let bare = line.strip_suffix(b"\n").unwrap_or(&line);
    let length = bare.strip_suffix(b"\r").unwrap_or(bare).len();
    line.slice(..length)
}

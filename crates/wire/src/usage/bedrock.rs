//! Usage as Bedrock writes it: in parts that exclude each other, with a total of all.

use super::counts::{Usage, UsageFault, count, largest};
use crate::scan::{Kind, Lenient, ScanError};

/// The counts of one usage.
#[derive(Default)]
struct Counts {
    is_reported: bool,
    input: u64,
    output: u64,
    total: u64,
    cached: u64,
    cache_write: u64,
    /// Of the writes, by how long they are kept.
    cache_write_1h: u64,
    cache_write_detailed: u64,
}

/// Takes one usage object. The outer error is of the document, the inner of the counts.
pub(super) fn read(scanner: &mut Lenient<'_>) -> Result<Result<Option<Usage>, UsageFault>, ScanError> {
    let mut counts = Counts::default();
    let mut fault = None;
    scanner.object::<ScanError>(|scanner, key| {
        let place = match key.raw {
            b"inputTokens" | b"inputTokenCount" => &mut counts.input,
            b"outputTokens" | b"outputTokenCount" => &mut counts.output,
            b"totalTokens" => &mut counts.total,
            b"cacheReadInputTokens" | b"cacheReadInputTokenCount" => &mut counts.cached,
            b"cacheWriteInputTokens" | b"cacheWriteInputTokenCount" => &mut counts.cache_write,
            b"cacheDetails" if scanner.kind()? == Kind::Array => {
                return scanner.array(|scanner| counts.detail(scanner, &mut fault));
            }
            _ => return scanner.skip(),
        };
        counts.is_reported = true;
        largest(place, count(scanner)?, &mut fault)
    })?;
    Ok(match fault {
        Some(fault) => Err(fault),
        None if counts.is_reported => Ok(Some(counts.usage())),
        None => Ok(None),
    })
}

impl Counts {
    /// How many of the writes are kept for how long.
    fn detail(&mut self, scanner: &mut Lenient<'_>, fault: &mut Option<UsageFault>) -> Result<(), ScanError> {
        if scanner.kind()? != Kind::Object {
            return scanner.skip();
        }
        let (mut is_hour, mut tokens) = (false, 0);
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"ttl" if scanner.kind()? == Kind::String => {
                is_hour = scanner.string()?.raw == b"1h";
                Ok(())
            }
            b"inputTokens" => largest(&mut tokens, count(scanner)?, fault),
            _ => scanner.skip(),
        })?;
        self.cache_write_detailed += tokens;
        self.cache_write_1h += if is_hour { tokens } else { 0 };
        Ok(())
    }

    fn usage(&self) -> Usage {
        let cache_write = self.cache_write.max(self.cache_write_detailed);
        let input = self.input + self.cached + cache_write;
        // What only the total knows is billed as output.
        let missing = self.total.saturating_sub(input + self.output);
        Usage {
            input,
            cached_input: self.cached,
            cache_write,
            cache_write_1h: self.cache_write_1h,
            output: self.output + missing,
            ..Usage::default()
        }
    }
}

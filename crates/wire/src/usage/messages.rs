//! Usage as Anthropic writes it: in parts that exclude each other, and in a stream twice, the second time cumulative.

use base::Money;

use super::counts::{Usage, UsageFault, cost, count, details, largest};
use crate::scan::{Lenient, ScanError};

/// The counts so far. A stream reports its input at the beginning and everything at its end; no count ever falls, so that
/// the largest is the last.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct MessageCounts {
    is_reported: bool,
    input: u64,
    output: u64,
    cached: u64,
    cache_write: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
    reasoning: u64,
    web_searches: u64,
    cost: Option<Money>,
}

impl MessageCounts {
    /// Takes one usage object. The outer error is of the document, the inner of the counts.
    pub(crate) fn add(&mut self, scanner: &mut Lenient<'_>) -> Result<Result<(), UsageFault>, ScanError> {
        let mut fault = None;
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"input_tokens" => {
                self.is_reported = true;
                largest(&mut self.input, count(scanner)?, &mut fault)
            }
            b"output_tokens" => {
                self.is_reported = true;
                largest(&mut self.output, count(scanner)?, &mut fault)
            }
            b"cache_read_input_tokens" => largest(&mut self.cached, count(scanner)?, &mut fault),
            b"cache_creation_input_tokens" => largest(&mut self.cache_write, count(scanner)?, &mut fault),
            b"cache_creation" => details(scanner, &mut |scanner, name| match name {
                b"ephemeral_5m_input_tokens" => largest(&mut self.cache_write_5m, count(scanner)?, &mut fault),
                b"ephemeral_1h_input_tokens" => largest(&mut self.cache_write_1h, count(scanner)?, &mut fault),
                _ => scanner.skip(),
            }),
            b"output_tokens_details" => details(scanner, &mut |scanner, name| match name {
                b"thinking_tokens" => largest(&mut self.reasoning, count(scanner)?, &mut fault),
                _ => scanner.skip(),
            }),
            b"server_tool_use" => details(scanner, &mut |scanner, name| match name {
                b"web_search_requests" => largest(&mut self.web_searches, count(scanner)?, &mut fault),
                _ => scanner.skip(),
            }),
            b"cost" => {
                self.cost = cost(scanner, key.raw)?.or(self.cost);
                Ok(())
            }
            _ => scanner.skip(),
        })?;
        Ok(fault.map_or(Ok(()), Err))
    }

    /// The usage that the counts so far make; `None` before any came.
    pub(crate) fn usage(&self) -> Result<Option<Usage>, UsageFault> {
        if !self.is_reported {
            return Ok(None);
        }
        let cache_write = self.cache_write.max(self.cache_write_5m + self.cache_write_1h);
        Ok(Some(Usage {
            input: self.input + self.cached + cache_write,
            cached_input: self.cached,
            cache_write,
            cache_write_1h: self.cache_write_1h,
            output: self.output,
            reasoning: self.reasoning.min(self.output),
            web_searches: self.web_searches,
            reported_cost: self.cost,
            ..Usage::default()
        }))
    }
}

//! Usage as Anthropic writes it: in parts that exclude each other, and in a stream twice, the second time cumulative.

use base::Money;

use super::counts::{Usage, UsageFault, cost, count, details, largest};
use crate::scan::{Kind, Lenient, ScanError};

/// Tokens by class, each token in one.
#[derive(Debug, Default, Clone, Copy)]
struct Classes {
    is_reported: bool,
    has_input: bool,
    input: u64,
    output: u64,
    cached: u64,
    cache_write: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
}

impl Classes {
    /// Takes a member of an object with tokens; says whether it was one of theirs.
    fn member(
        &mut self,
        scanner: &mut Lenient<'_>,
        name: &[u8],
        fault: &mut Option<UsageFault>,
    ) -> Result<bool, ScanError> {
        let place = match name {
            b"input_tokens" => &mut self.input,
            b"output_tokens" => &mut self.output,
            b"cache_read_input_tokens" => &mut self.cached,
            b"cache_creation_input_tokens" => &mut self.cache_write,
            b"cache_creation" => {
                details(scanner, &mut |scanner, name| match name {
                    b"ephemeral_5m_input_tokens" => largest(&mut self.cache_write_5m, count(scanner)?, fault),
                    b"ephemeral_1h_input_tokens" => largest(&mut self.cache_write_1h, count(scanner)?, fault),
                    _ => scanner.skip(),
                })?;
                return Ok(true);
            }
            _ => return Ok(false),
        };
        self.has_input |= name == b"input_tokens";
        self.is_reported |= matches!(name, b"input_tokens" | b"output_tokens");
        largest(place, count(scanner)?, fault)?;
        Ok(true)
    }

    fn written(&self) -> u64 {
        self.cache_write.max(self.cache_write_5m + self.cache_write_1h)
    }

    fn all_input(&self) -> u64 {
        self.input + self.cached + self.written()
    }

    /// What came before, as a later account of the same has it: no count falls. Only plain input does, where more turns out
    /// to be read from the cache or written to it, and nothing is lost: Moonshot's and Alibaba's streams begin with all of
    /// it as plain.
    fn followed_by(&self, later: &Classes) -> Classes {
        let cached = self.cached.max(later.cached);
        let cache_write = self.cache_write.max(later.cache_write);
        let cache_write_5m = self.cache_write_5m.max(later.cache_write_5m);
        let cache_write_1h = self.cache_write_1h.max(later.cache_write_1h);
        let is_reported = self.is_reported || later.is_reported;
        let has_input = self.has_input || later.has_input;
        let (input, output) = (later.input, self.output.max(later.output));
        let sum =
            Classes { is_reported, has_input, input, output, cached, cache_write, cache_write_5m, cache_write_1h };
        let has_moved = cached + sum.written() > self.cached + self.written();
        let is_whole = later.has_input && sum.all_input() >= self.all_input();
        if has_moved && is_whole { sum } else { Classes { input: self.input.max(input), ..sum } }
    }

    /// Adds what is billed beside it.
    fn add(&mut self, other: &Classes) {
        self.input += other.input;
        self.output += other.output;
        self.cached += other.cached;
        self.cache_write_5m += other.written() - other.cache_write_1h.min(other.written());
        self.cache_write_1h += other.cache_write_1h;
    }
}

/// The counts so far. A stream reports its input at the beginning and everything at its end.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct MessageCounts {
    answer: Classes,
    /// What summing up the conversation took, which the counts of the answer leave out.
    summaries: Classes,
    reasoning: u64,
    web_searches: u64,
    cost: Option<Money>,
}

impl MessageCounts {
    /// Takes one usage object. The outer error is of the document, the inner of the counts.
    pub(crate) fn add(&mut self, scanner: &mut Lenient<'_>) -> Result<Result<(), UsageFault>, ScanError> {
        let mut fault = None;
        let (mut answer, mut summaries) = (Classes::default(), Classes::default());
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"iterations" if scanner.kind()? == Kind::Array => {
                scanner.array(|scanner| summary(scanner, &mut summaries, &mut fault))
            }
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
            name => match answer.member(scanner, name, &mut fault)? {
                true => Ok(()),
                false => scanner.skip(),
            },
        })?;
        self.answer = self.answer.followed_by(&answer);
        self.summaries = self.summaries.followed_by(&summaries);
        Ok(fault.map_or(Ok(()), Err))
    }

    /// The usage that the counts so far make; `None` before any came.
    pub(crate) fn usage(&self) -> Result<Option<Usage>, UsageFault> {
        let MessageCounts { answer, summaries, reasoning, web_searches, cost } = *self;
        if !answer.is_reported && !summaries.is_reported {
            return Ok(None);
        }
        let cache_write = answer.written() + summaries.written();
        let cached_input = answer.cached + summaries.cached;
        let output = answer.output + summaries.output;
        Ok(Some(Usage {
            input: answer.input + summaries.input + cached_input + cache_write,
            cached_input,
            cache_write,
            cache_write_1h: answer.cache_write_1h + summaries.cache_write_1h,
            output,
            reasoning: reasoning.min(output),
            web_searches,
            reported_cost: cost,
            ..Usage::default()
        }))
    }
}

/// Takes one step of an answer, and adds it where it summed up the conversation. All others are in the counts of the answer.
fn summary(scanner: &mut Lenient<'_>, sum: &mut Classes, fault: &mut Option<UsageFault>) -> Result<(), ScanError> {
    if scanner.kind()? != Kind::Object {
        return scanner.skip();
    }
    let (mut is_summary, mut step, mut found) = (false, Classes::default(), None);
    scanner.object::<ScanError>(|scanner, key| match key.raw {
        b"type" if scanner.kind()? == Kind::String => {
            is_summary = scanner.string()?.raw == b"compaction";
            Ok(())
        }
        name => match step.member(scanner, name, &mut found)? {
            true => Ok(()),
            false => scanner.skip(),
        },
    })?;
    if is_summary {
        *fault = fault.or(found);
        sum.add(&step);
    }
    Ok(())
}

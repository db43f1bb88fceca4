//! Answers of models that Bedrock invokes in the forms of other makers than Anthropic. Their members have names that do not
//! contradict each other, so that one reader takes them all; in streams, Bedrock adds what it bills to the last event.

use super::{Reading, Shape, id_of};
use crate::scan::{Kind, Lenient, ScanError};
use crate::usage::{self, InvokedCounts, Usage, UsageFault, count};

/// Bedrock's own account of a stream.
const METRICS: &[u8] = b"amazon-bedrock-invocationMetrics";

impl Reading {
    /// One event, or a whole answer.
    pub(super) fn maker_event(
        &mut self,
        scanner: &mut Lenient<'_>,
        is_event: bool,
        shape: &mut Shape,
    ) -> Result<(), ScanError> {
        let (mut told, mut metrics) = (None, None);
        let mut counts = self.invoked;
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"inputTextTokenCount" | b"prompt_token_count" => counts.input(count(scanner)?),
            b"generation_token_count" | b"totalOutputTextTokenCount" => counts.output(count(scanner)?),
            b"results" if scanner.kind()? == Kind::Array => self.maker_results(scanner, &mut counts),
            b"usage" if scanner.kind()? == Kind::Object => {
                told = usage::read(self.endpoint, scanner)?.transpose();
                Ok(())
            }
            b"metadata" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"usage" if scanner.kind()? == Kind::Object => {
                    told = usage::read(self.endpoint, scanner)?.transpose();
                    Ok(())
                }
                _ => scanner.skip(),
            }),
            METRICS if scanner.kind()? == Kind::Object => {
                metrics = usage::read(self.endpoint, scanner)?.transpose();
                Ok(())
            }
            b"id" if self.id.is_none() && scanner.kind()? == Kind::String => {
                self.id = id_of(&scanner.string()?.decode());
                Ok(())
            }
            b"stop_reason" | b"finish_reason" | b"completionReason" => {
                self.has_finish_reason |= scanner.kind()? == Kind::String;
                scanner.skip()
            }
            _ => self.maker_text(scanner, key.raw),
        })?;
        self.invoked = counts;
        let has_metrics = metrics.is_some();
        shape.usage = metrics.or(told);
        let is_whole = matches!(shape.usage, Some(Ok(_)));
        self.is_final |= is_whole;
        self.is_terminal |= has_metrics && is_whole;
        if shape.usage.is_none() && !self.is_final {
            shape.usage = counts.usage(self.endpoint, is_event);
        }
        Ok(())
    }

    /// Titan's results, each with its tokens.
    fn maker_results(&mut self, scanner: &mut Lenient<'_>, counts: &mut InvokedCounts) -> Result<(), ScanError> {
        scanner.array(|scanner| {
            if scanner.kind()? != Kind::Object {
                return scanner.skip();
            }
            scanner.object(|scanner, key| match key.raw {
                b"tokenCount" => counts.more_output(count(scanner)?),
                b"outputText" => self.strings(scanner),
                _ => scanner.skip(),
            })
        })
    }

    /// A member that may have text which the client gets.
    fn maker_text(&mut self, scanner: &mut Lenient<'_>, name: &[u8]) -> Result<(), ScanError> {
        match name {
            b"outputText" | b"generation" | b"text" => self.strings(scanner),
            b"outputs" | b"generations" | b"completions" if scanner.kind()? == Kind::Array => {
                scanner.array(|scanner| self.maker_completion(scanner))
            }
            b"choices" if scanner.kind()? == Kind::Array => scanner
                .array(|scanner| if scanner.kind()? == Kind::Object { self.choice(scanner) } else { scanner.skip() }),
            // Nova's, which are Converse's with their names around them.
            b"output" | b"contentBlockStart" | b"contentBlockDelta" if scanner.kind()? == Kind::Object => {
                self.bedrock_output(scanner)
            }
            _ => scanner.pass_over(),
        }
    }

    /// One of several texts.
    fn maker_completion(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        if scanner.kind()? != Kind::Object {
            return scanner.skip();
        }
        scanner.object(|scanner, key| match key.raw {
            b"text" => self.strings(scanner),
            b"data" if scanner.kind()? == Kind::Object => self.maker_completion(scanner),
            _ => scanner.skip(),
        })
    }
}

impl InvokedCounts {
    fn input(&mut self, found: Result<Option<u64>, UsageFault>) -> Result<(), ScanError> {
        raise(&mut self.input, found, &mut self.fault);
        Ok(())
    }

    fn output(&mut self, found: Result<Option<u64>, UsageFault>) -> Result<(), ScanError> {
        raise(&mut self.output, found, &mut self.fault);
        Ok(())
    }

    fn more_output(&mut self, found: Result<Option<u64>, UsageFault>) -> Result<(), ScanError> {
        let before = self.output.unwrap_or(0);
        let found = found.map(|found| found.map(|found| before.saturating_add(found)));
        self.output(found)
    }

    /// What was counted so far. A whole answer that tells a part of it alone tells nothing: the headers have both.
    fn usage(&self, endpoint: crate::Endpoint, is_event: bool) -> Option<Result<Usage, UsageFault>> {
        if let Some(fault) = self.fault {
            return Some(Err(fault));
        }
        let is_enough = is_event || self.output.is_some() || endpoint.is_embedding();
        let input = self.input.filter(|_| is_enough)?;
        Some(Ok(Usage { input, output: self.output.unwrap_or(0), ..Usage::default() }))
    }
}

/// No count falls.
fn raise(place: &mut Option<u64>, found: Result<Option<u64>, UsageFault>, fault: &mut Option<UsageFault>) {
    match found {
        Ok(found) => *place = (*place).max(found),
        Err(found) => *fault = fault.or(Some(found)),
    }
}

//! Usage as Cohere writes it: what it bills, and beside that what it processed, which includes its own prompts.

use super::counts::{Usage, UsageFault, count, details, largest};
use crate::scan::{Kind, Lenient, ScanError};

/// The counts of one usage, or of the `meta` of vectors and documents.
#[derive(Default)]
struct Counts {
    is_billed: bool,
    billed_input: u64,
    billed_images: u64,
    billed_output: u64,
    search_units: u64,
    is_counted: bool,
    input: u64,
    output: u64,
    reasoning: u64,
}

/// Takes one usage object. The outer error is of the document, the inner of the counts.
pub(super) fn read(scanner: &mut Lenient<'_>) -> Result<Result<Option<Usage>, UsageFault>, ScanError> {
    if scanner.kind()? != Kind::Object {
        return scanner.skip().map(|()| Ok(None));
    }
    let mut counts = Counts::default();
    let mut fault = None;
    scanner.object::<ScanError>(|scanner, key| match key.raw {
        b"billed_units" => details(scanner, &mut |scanner, name| {
            let place = match name {
                b"input_tokens" => &mut counts.billed_input,
                b"image_tokens" => &mut counts.billed_images,
                b"output_tokens" => &mut counts.billed_output,
                b"search_units" => &mut counts.search_units,
                _ => return scanner.skip(),
            };
            counts.is_billed = true;
            largest(place, count(scanner)?, &mut fault)
        }),
        b"tokens" => details(scanner, &mut |scanner, name| {
            let place = match name {
                b"input_tokens" => &mut counts.input,
                b"output_tokens" => &mut counts.output,
                b"reasoning_tokens" => return largest(&mut counts.reasoning, count(scanner)?, &mut fault),
                _ => return scanner.skip(),
            };
            counts.is_counted = true;
            largest(place, count(scanner)?, &mut fault)
        }),
        _ => scanner.skip(),
    })?;
    Ok(fault.map_or_else(|| Ok(counts.usage()), Err))
}

impl Counts {
    /// What is billed; where Cohere does not say, what was processed, which is more.
    fn usage(&self) -> Option<Usage> {
        let (input, output) = match (self.is_billed, self.is_counted) {
            (true, _) => (self.billed_input + self.billed_images, self.billed_output),
            (false, true) => (self.input, self.output),
            (false, false) => return None,
        };
        let reasoning = self.reasoning.min(output);
        Some(Usage { input, output, reasoning, web_searches: self.search_units, ..Usage::default() })
    }
}

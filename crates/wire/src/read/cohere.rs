//! Reads what only Cohere's requests have.

use base::Refusal;

use super::body::Draft;
use super::fields::{is_present, wrong_kind};
use crate::call::{Span, TextPlace};
use crate::dialect::Endpoint;
use crate::scan::{Kind, Strict};

/// Tokens of a document and its query together that count as one document; a longer one is split.
const CHUNK_TOKENS: u64 = 500;
/// Documents of one unit of search.
const DOCUMENTS_PER_UNIT: u64 = 100;

impl<'a> Draft<'a> {
    /// Texts, or objects of texts, that a chat may cite or that are put in order.
    pub(super) fn documents(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if !is_present(scanner)? {
            return Ok(());
        }
        if scanner.kind()? != Kind::Array {
            return wrong_kind("documents", "an array");
        }
        let start = scanner.at();
        let mut documents = 0_u64;
        scanner.array::<Refusal>(|scanner| {
            documents += 1;
            Ok(scanner.skip()?)
        })?;
        self.documents = documents;
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    /// What documents are compared with: it counts with each of them.
    pub(super) fn query(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::String {
            return wrong_kind("query", "a string");
        }
        let start = scanner.at();
        scanner.skip()?;
        let place = Span { start, end: scanner.at() };
        self.query_bytes = place.len() as u64;
        self.texts.push(TextPlace::Strings(place));
        Ok(())
    }

    /// Units of search that `text_bytes` of a request can be billed as: each document has a chunk at least, and the others
    /// are full. A query that leaves no room in a chunk leaves one token.
    pub(super) fn search_units(&self, text_bytes: u64) -> u64 {
        if self.endpoint != Endpoint::CohereRerank {
            return 0;
        }
        let room = CHUNK_TOKENS.saturating_sub(self.query_bytes).max(1);
        let chunks = self.documents.saturating_add(text_bytes / room);
        chunks.div_ceil(DOCUMENTS_PER_UNIT).max(1)
    }

    /// Cohere bills the tokens of images that become vectors at a price of their own.
    pub(super) fn check_vectors(&self) -> Result<(), Refusal> {
        if self.endpoint == Endpoint::CohereEmbed && self.billable.images > 0 {
            let sentence = "'inputs' has images, for which this relay has no price. Send texts.";
            return Err(Refusal::invalid(Some("inputs"), sentence));
        }
        Ok(())
    }
}

//! Reads what is to be put in the order of a query, and the documents that a chat may cite.

use base::Refusal;

use super::body::{Draft, narrow};
use super::fields::{is_present, wrong_kind};
use super::media::Media;
use crate::call::{Span, TextPlace};
use crate::dialect::{Dialect, Endpoint};
use crate::scan::{Kind, Strict};

/// Tokens of a document and its query together that count as one document; a longer one is split (Cohere).
const CHUNK_TOKENS: u64 = 500;
/// Documents of one unit of search.
const DOCUMENTS_PER_UNIT: u64 = 100;

impl<'a> Draft<'a> {
    /// Texts or objects, which a chat may cite or which are put in order.
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
            self.ranked(scanner)
        })?;
        self.documents = documents;
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    /// What documents are compared with: it counts with each of them.
    pub(super) fn query(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::String => {}
            Kind::Object if self.endpoint == Endpoint::Rerank => {}
            _ => return wrong_kind("query", "a string"),
        }
        let start = scanner.at();
        let media = self.media_of_ranked();
        self.ranked(scanner)?;
        // An image in it is read again with each document.
        self.billable.unknown_parameters |= self.media_of_ranked() != media;
        let place = Span { start, end: scanner.at() };
        self.query_bytes = place.len() as u64;
        self.texts.push(TextPlace::Strings(place));
        Ok(())
    }

    /// A query or a document: a text, or an object of texts; beside Cohere's dialect of images, too.
    fn ranked(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if self.endpoint.dialect() == Some(Dialect::Cohere) {
            return Ok(scanner.skip()?);
        }
        let mut media = Media { billable: &mut self.billable, payloads: &mut self.payloads, named: &mut self.named };
        media.walk(scanner, true)
    }

    fn media_of_ranked(&self) -> u32 {
        let billable = &self.billable;
        billable.images.saturating_add(billable.audios).saturating_add(billable.files)
    }

    /// What the documents and their query can be billed as: tokens of pairs, units of search, or both.
    pub(super) fn conclude_ranking(&mut self, text_bytes: u64) {
        if !self.endpoint.ranks() {
            return;
        }
        self.billable.search_units = self.search_units(text_bytes);
        if self.endpoint == Endpoint::Rerank {
            self.billable.prompts = narrow(self.documents).max(1);
            self.billable.text_bytes = text_bytes.saturating_add(self.documents.saturating_mul(self.query_bytes));
        } else {
            self.billable.units_alone = true;
        }
    }

    /// Units of search that `text_bytes` of a request can be billed as: each document has a chunk at least, and the others
    /// are full. A query that leaves no room in a chunk leaves one token.
    fn search_units(&self, text_bytes: u64) -> u64 {
        let room = CHUNK_TOKENS.saturating_sub(self.query_bytes).max(1);
        let chunks = self.documents.saturating_add(text_bytes / room);
        chunks.div_ceil(DOCUMENTS_PER_UNIT).max(1)
    }
}

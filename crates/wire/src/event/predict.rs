//! What Vertex predicts: a vector and its tokens for each text, or images.

use super::{Reading, Shape};
use crate::scan::{Kind, Lenient, ScanError};
use crate::usage::{Usage, UsageFault, count};

/// What an answer tells so far.
#[derive(Default)]
struct Told {
    predictions: u64,
    /// How many of them say their tokens, and these.
    counted: u64,
    tokens: u64,
    characters: u64,
    /// How many of them are images.
    images: u64,
    fault: Option<UsageFault>,
}

impl Reading {
    /// A whole answer; there are no streams.
    pub(super) fn predicted(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        let mut told = Told::default();
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"predictions" if scanner.kind()? == Kind::Array => scanner.array(|scanner| told.prediction(scanner)),
            b"metadata" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"billableCharacterCount" => {
                    told.characters = told.count(scanner)?.unwrap_or(0);
                    Ok(())
                }
                _ => scanner.pass_over(),
            }),
            b"error" => {
                self.has_error |= scanner.kind()? != Kind::Null;
                scanner.skip()
            }
            _ => scanner.pass_over(),
        })?;
        shape.usage = told.usage(self.endpoint.makes_images());
        self.is_final |= shape.usage.is_some();
        Ok(())
    }
}

impl Told {
    fn prediction(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        self.predictions += 1;
        if scanner.kind()? != Kind::Object {
            return scanner.pass_over();
        }
        let (mut tokens, mut is_image) = (None, false);
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            // A filtered image is told without its bytes, and so are the marks of a prompt.
            b"bytesBase64Encoded" | b"gcsUri" => {
                is_image |= scanner.kind()? == Kind::String;
                scanner.pass_over()
            }
            b"embeddings" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"statistics" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                    b"token_count" => {
                        tokens = self.count(scanner)?;
                        Ok(())
                    }
                    _ => scanner.pass_over(),
                }),
                _ => scanner.pass_over(),
            }),
            _ => scanner.pass_over(),
        })?;
        self.images += u64::from(is_image);
        self.counted += u64::from(tokens.is_some());
        self.tokens = self.tokens.saturating_add(tokens.unwrap_or(0));
        Ok(())
    }

    fn count(&mut self, scanner: &mut Lenient<'_>) -> Result<Option<u64>, ScanError> {
        Ok(count(scanner)?.unwrap_or_else(|fault| {
            self.fault = self.fault.or(Some(fault));
            None
        }))
    }

    /// The usage: of images what was made, which is an answer's own account of itself; of vectors the tokens, unless some
    /// are not told.
    fn usage(&self, makes_images: bool) -> Option<Result<Usage, UsageFault>> {
        if let Some(fault) = self.fault {
            return Some(Err(fault));
        }
        if makes_images {
            return Some(Ok(Usage { images: self.images, ..Usage::default() }));
        }
        let is_told = self.counted > 0 && self.counted == self.predictions;
        is_told.then_some(Ok(Usage { input: self.tokens, characters: self.characters, ..Usage::default() }))
    }
}

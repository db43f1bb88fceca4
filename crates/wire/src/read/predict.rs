//! Reads what Vertex predicts: instances, which become vectors or are made into images, and their parameters. The models
//! behind this one path differ in what they bill, so that a member is known or refused.

use base::Refusal;

use super::body::{Draft, printable};
use super::fields::{count, is_present, wrong_kind};
use super::media::is_base64;
use super::nested::as_written;
use crate::call::{Span, TextPlace};
use crate::dialect::Endpoint;
use crate::scan::{Kind, Strict};

/// Parameters that cannot raise the price of vectors.
const HARMLESS_OF_VECTORS: [&str; 3] = ["autoTruncate", "dimension", "outputDimensionality"];

/// Parameters that ask for no more images.
const HARMLESS_OF_IMAGES: [&str; 15] = [
    "addWatermark",
    "aspectRatio",
    "enhancePrompt",
    "guidanceScale",
    "includeRaiReason",
    "includeSafetyAttributes",
    "language",
    "negativePrompt",
    "outputOptions",
    "personGeneration",
    "safetyFilterLevel",
    "safetySetting",
    "sampleImageSize",
    "sampleImageStyle",
    "seed",
];

/// Whether a body asks for vectors or for images: only these are made from prompts.
pub(super) fn endpoint_of(body: &[u8]) -> Result<Endpoint, Refusal> {
    let mut has_prompt = false;
    let mut scanner = Strict::new(body);
    if scanner.kind()? == Kind::Object {
        scanner.object::<Refusal>(|scanner, key| {
            if &*key.decode() != "instances" || scanner.kind()? != Kind::Array {
                return Ok(scanner.skip()?);
            }
            scanner.array::<Refusal>(|scanner| {
                if scanner.kind()? != Kind::Object {
                    return Ok(scanner.skip()?);
                }
                scanner.object::<Refusal>(|scanner, key| {
                    has_prompt |= &*key.decode() == "prompt";
                    Ok(scanner.skip()?)
                })
            })
        })?;
    }
    Ok(if has_prompt { Endpoint::PredictImages } else { Endpoint::Predict })
}

impl<'a> Draft<'a> {
    /// Each becomes a vector, or so many images as the parameters say.
    pub(super) fn instances(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Array {
            return wrong_kind("instances", "an array of objects");
        }
        let mut instances = 0_u32;
        scanner.array::<Refusal>(|scanner| {
            instances = instances.saturating_add(1);
            if scanner.kind()? != Kind::Object {
                return wrong_kind("instances", "an array of objects");
            }
            self.nested(scanner, "instances", as_written, |draft, scanner, name| draft.of_instance(scanner, name))
        })?;
        self.billable.prompts = instances.max(1);
        Ok(())
    }

    /// One member of an instance.
    fn of_instance(&mut self, scanner: &mut Strict<'a>, name: &str) -> Result<(), Refusal> {
        let makes_images = self.endpoint == Endpoint::PredictImages;
        match name {
            "prompt" if makes_images => self.text_of_instance(scanner, name),
            "content" | "text" | "title" if !makes_images => self.text_of_instance(scanner, name),
            "task_type" | "taskType" | "mimeType" if !makes_images => Ok(scanner.skip()?),
            "image" if !makes_images => self.image_of_instance(scanner),
            other => Err(unknown("instances", other)),
        }
    }

    fn text_of_instance(&mut self, scanner: &mut Strict<'a>, name: &str) -> Result<(), Refusal> {
        if !is_present(scanner)? {
            return Ok(());
        }
        if scanner.kind()? != Kind::String {
            return wrong_kind(&format!("instances.{name}"), "a text");
        }
        let start = scanner.at();
        scanner.skip()?;
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    /// An image that becomes a vector, with its bytes.
    fn image_of_instance(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        self.billable.images = self.billable.images.saturating_add(1);
        if scanner.kind()? != Kind::Object {
            return wrong_kind("instances.image", "an object");
        }
        self.nested(scanner, "instances.image", as_written, |draft, scanner, name| match name {
            "bytesBase64Encoded" if scanner.kind()? == Kind::String => {
                let text = scanner.string()?;
                if is_base64(text.raw) {
                    draft.payloads.push(Span { start: text.start, end: text.start + text.raw.len() });
                }
                Ok(())
            }
            "bytesBase64Encoded" => wrong_kind("instances.image.bytesBase64Encoded", "a text"),
            "mimeType" => Ok(scanner.skip()?),
            "gcsUri" => Err(of_account("instances.image.gcsUri")),
            other => Err(unknown("instances.image", other)),
        })
    }

    /// How many images are made of each prompt, and what changes no price.
    pub(super) fn parameters(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        self.nested(scanner, "parameters", as_written, |draft, scanner, name| {
            let makes_images = draft.endpoint == Endpoint::PredictImages;
            let harmless: &[&str] = if makes_images { &HARMLESS_OF_IMAGES } else { &HARMLESS_OF_VECTORS };
            match name {
                "sampleCount" if makes_images => {
                    let (samples, _) = count(scanner, "parameters.sampleCount", 1)?;
                    let samples = samples.map(|samples| u32::try_from(samples).unwrap_or(u32::MAX));
                    draft.billable.choices = samples.unwrap_or(draft.endpoint.choices_by_default());
                    Ok(())
                }
                "storageUri" => Err(of_account("parameters.storageUri")),
                name if harmless.contains(&name) => Ok(scanner.skip()?),
                other => Err(unknown("parameters", other)),
            }
        })
    }
}

/// What nobody here knows the price of.
fn unknown(object: &str, name: &str) -> Refusal {
    let name = format!("{object}.{}", printable(name));
    let sentence =
        format!("'{name}' is not known here, and may cost more than this relay has a price for. Leave it out.");
    Refusal::invalid(Some(&name), sentence)
}

/// What lies in the account that all tenants share.
fn of_account(name: &str) -> Refusal {
    let sentence = format!("'{name}' names an object of the provider's account. Send the bytes.");
    Refusal::invalid(Some(name), sentence)
}

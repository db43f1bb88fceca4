//! The parameters of OpenAI's responses.

use base::Refusal;

use super::body::Draft;
use super::fields::{boolean, wrong_kind};
use super::media::Media;
use super::table::{Field, Rule, TEXT, Table};
use crate::call::{Span, TextPlace};
use crate::scan::{Kind, Strict};

pub(super) static TABLE: Table = Table::new(KNOWN, false);

const OWNED: &str =
    "names an object of the provider's account, whose owner this relay does not know yet; send the items themselves";

const KNOWN: &[(&str, Rule)] = &[
    ("text", Rule::Field(Field::ResponseFormat)),
    ("user", Rule::Field(Field::User)),
    ("input", Rule::Field(Field::ResponseItems)),
    ("model", Rule::Field(Field::Model)),
    ("store", Rule::Harmless(TEXT)),
    ("tools", Rule::Field(Field::Tools)),
    ("top_p", Rule::Harmless(TEXT)),
    ("models", Rule::Routing),
    ("prompt", Rule::Routing),
    ("stream", Rule::Field(Field::Stream)),
    ("include", Rule::Harmless(TEXT)),
    ("plugins", Rule::Refused("runs paid plugins whose cost cannot be bounded; leave it out")),
    ("metadata", Rule::Harmless(TEXT)),
    ("provider", Rule::Field(Field::Provider)),
    ("reasoning", Rule::Harmless(TEXT)),
    ("background", Rule::Field(Field::Background)),
    ("extra_body", Rule::Field(Field::ExtraBody)),
    ("moderation", Rule::Harmless(TEXT)),
    ("truncation", Rule::Harmless(TEXT)),
    ("temperature", Rule::Field(Field::Temperature)),
    ("tool_choice", Rule::Harmless(TEXT)),
    ("conversation", Rule::Refused(OWNED)),
    ("instructions", Rule::Field(Field::System)),
    ("service_tier", Rule::Field(Field::ServiceTier)),
    ("top_logprobs", Rule::Harmless(TEXT)),
    ("max_tool_calls", Rule::Harmless(TEXT)),
    ("stream_options", Rule::Harmless(TEXT)),
    ("prompt_cache_key", Rule::Harmless(TEXT)),
    ("max_output_tokens", Rule::Field(Field::MaxTokens)),
    ("safety_identifier", Rule::Harmless(TEXT)),
    ("search_parameters", Rule::Field(Field::SearchOptions)),
    ("parallel_tool_calls", Rule::Harmless(TEXT)),
    ("prompt_cache_options", Rule::Harmless(TEXT)),
    ("previous_response_id", Rule::Refused(OWNED)),
    ("prompt_cache_retention", Rule::Harmless(TEXT)),
];

/// Tools of the provider with fees that no usage tells.
const UNPRICED: [&str; 3] = ["code_interpreter", "image_generation", "file_search"];

impl<'a> Draft<'a> {
    /// A text, or an array of items.
    pub(super) fn response_items(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        let kind = scanner.kind()?;
        let start = scanner.at();
        match kind {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::String => {
                scanner.skip()?;
                self.billable.messages = 1;
            }
            Kind::Array => {
                let mut items = 0_u32;
                let mut media = Media { billable: &mut self.billable, payloads: &mut self.payloads };
                scanner.array::<Refusal>(|scanner| {
                    items = items.saturating_add(1);
                    media.walk(scanner, false)
                })?;
                self.billable.messages = items;
            }
            _ => return wrong_kind("input", "a text or an array"),
        }
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    /// A response that is made later is never seen here, and could not be charged.
    pub(super) fn background(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if boolean(scanner, "background")? {
            let sentence = "Responses in the background are not relayed. Set 'background' to false, and stream.";
            return Err(Refusal::invalid(Some("background"), sentence));
        }
        Ok(())
    }
}

/// Why a tool of this type cannot be used.
pub(super) fn check_tool(kind: &str) -> Result<(), Refusal> {
    if UNPRICED.contains(&kind) {
        let sentence = format!("The tool '{kind}' has fees for which this relay has no price. Leave it out.");
        return Err(Refusal::invalid(Some("tools"), sentence));
    }
    Ok(())
}

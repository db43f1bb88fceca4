//! Reads the members of a request's outermost object into a draft of the call.

use std::borrow::Cow;

use base::{ModelId, Refusal};
use smallvec::SmallVec;

use super::fields::{boolean, check_image_stream, count, is_present, present_value, span, wrong_kind};
use super::known::table_of;
use super::media::Media;
use super::table::{Field, Rule, Table, fold, is_valid_at};
use crate::billable::{Billable, ServiceTier};
use crate::call::{Named, Places, Span, TextPlace, UsageOption};
use crate::dialect::{Dialect, Endpoint};
use crate::maker::Maker;
use crate::scan::{Kind, Strict, Text};

/// Most parameters that this relay does not know, per request: each is compared with all.
const UNKNOWN_MAX: usize = 64;
/// Longest end user that is recorded, in bytes.
const END_USER_BYTES_MAX: usize = 256;

/// What was read so far.
pub(super) struct Draft<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) maker: Option<Maker>,
    pub(super) model: Option<ModelId>,
    pub(super) stream: bool,
    pub(super) client_wants_usage: bool,
    pub(super) billable: Billable,
    pub(super) end_user: Option<String>,
    pub(super) places: Places,
    pub(super) texts: SmallVec<[TextPlace; 4]>,
    pub(super) payloads: Vec<Span>,
    pub(super) max_tokens: Option<u64>,
    pub(super) max_completion_tokens: Option<u64>,
    /// Tokens of text that the provider adds for what the request names.
    pub(super) extra_text_tokens: u64,
    pub(super) named: Vec<Named>,
    pub(super) is_stored: bool,
    /// The answer is put into a conversation that the provider keeps.
    pub(super) is_in_conversation: bool,
    pub(super) has_anthropic_version: bool,
    /// Tools whose searches have a limit of their own, and how many all of them allow.
    pub(super) bounded_tools: u32,
    pub(super) bounded_searches: u32,
    /// Documents that were sent along, and bytes of what they are compared with.
    pub(super) documents: u64,
    pub(super) query_bytes: u64,
    table: &'static Table,
    /// One bit per place in the table.
    seen: u128,
    unknown: SmallVec<[Cow<'a, str>; 4]>,
}

impl<'a> Draft<'a> {
    /// Reads the whole body, which is known to be UTF-8. `model` is the one that the path names, where it names one.
    pub(super) fn read(
        endpoint: Endpoint,
        maker: Option<Maker>,
        model: Option<ModelId>,
        body: &'a [u8],
    ) -> Result<Draft<'a>, Refusal> {
        let mut scanner = Strict::new(body);
        if scanner.kind()? != Kind::Object {
            return Err(Refusal::invalid(None, "The body must be a JSON object."));
        }
        let inside = scanner.at() + 1;
        let mut draft = Draft {
            endpoint,
            maker,
            model,
            stream: endpoint.streams_lines(),
            client_wants_usage: false,
            billable: Billable { choices: endpoint.choices_by_default(), ..Billable::default() },
            end_user: None,
            places: Places::at(inside),
            texts: SmallVec::new(),
            payloads: Vec::new(),
            max_tokens: None,
            max_completion_tokens: None,
            extra_text_tokens: 0,
            named: Vec::new(),
            is_stored: endpoint.keeps_answers(),
            is_in_conversation: false,
            has_anthropic_version: false,
            bounded_tools: 0,
            bounded_searches: 0,
            documents: 0,
            query_bytes: 0,
            table: table_of(endpoint, maker),
            seen: 0,
            unknown: SmallVec::new(),
        };
        scanner.object(|scanner, key| draft.member(scanner, key))?;
        scanner.end()?;
        draft.conclude(body.len())?;
        Ok(draft)
    }

    /// One member of the outermost object.
    fn member(&mut self, scanner: &mut Strict<'a>, key: Text<'a>) -> Result<(), Refusal> {
        self.places.is_empty = false;
        let name = key.decode();
        let Some(place) = self.table.find(name.as_bytes()) else { return self.unknown(scanner, name) };
        let bit = 1_u128 << place;
        let (known, rule) = self.table.known[place];
        if self.seen & bit != 0 {
            return Err(duplicate(known));
        }
        self.seen |= bit;
        match rule {
            Rule::Field(field) => self.field(scanner, field, known),
            Rule::Harmless(mask) => {
                self.billable.unknown_parameters |= !is_valid_at(mask, self.endpoint);
                Ok(scanner.skip()?)
            }
            Rule::Routing => {
                if is_present(scanner)? {
                    self.billable.upstream_routing.get_or_insert(known);
                    scanner.skip()?;
                }
                Ok(())
            }
            Rule::Refused(why) => {
                if is_present(scanner)? {
                    return Err(Refusal::invalid(Some(known), format!("'{known}' {why}.")));
                }
                Ok(())
            }
        }
    }

    /// A parameter that is not listed: it passes, unless it resembles one that is guarded.
    fn unknown(&mut self, scanner: &mut Strict<'a>, name: Cow<'a, str>) -> Result<(), Refusal> {
        if let Some(guarded) = self.table.variant_of(&name) {
            let sentence = format!("Some parsers read '{}' as '{guarded}'. Write '{guarded}'.", name.escape_debug());
            return Err(Refusal::ambiguous(guarded, sentence));
        }
        if self.unknown.contains(&name) {
            return Err(duplicate(&printable(&name)));
        }
        if self.unknown.len() >= UNKNOWN_MAX {
            return Err(Refusal::invalid(None, format!("The body has more than {UNKNOWN_MAX} unknown parameters.")));
        }
        self.unknown.push(name);
        self.billable.unknown_parameters = true;
        Ok(scanner.skip()?)
    }

    /// A parameter that is read.
    fn field(&mut self, scanner: &mut Strict<'a>, field: Field, name: &str) -> Result<(), Refusal> {
        match field {
            Field::Model => self.model(scanner)?,
            Field::Messages if self.endpoint.dialect() == Some(Dialect::Gemini) => self.contents(scanner)?,
            Field::Messages | Field::System
                if self.endpoint == Endpoint::Converse || self.maker == Some(Maker::Nova) =>
            {
                self.bedrock_blocks(scanner, name)?;
            }
            Field::Messages => self.messages(scanner)?,
            Field::System if self.endpoint.dialect() == Some(Dialect::Gemini) => self.parts(scanner)?,
            Field::System => self.system(scanner, name)?,
            Field::Parts => self.parts(scanner)?,
            Field::Documents => self.documents(scanner)?,
            Field::Query => self.query(scanner)?,
            Field::ResponseItems => self.response_items(scanner, name)?,
            Field::EmbedRequests => self.embed_requests(scanner)?,
            Field::Instances => self.instances(scanner)?,
            Field::Parameters => self.parameters(scanner)?,
            Field::CountedRequest => self.counted_request(scanner)?,
            Field::CachedContent => self.cached_content(scanner)?,
            Field::ResourceName => self.resource_name(scanner)?,
            Field::GenerationConfig => self.generation_config(scanner)?,
            Field::GeminiTools => self.gemini_tools(scanner)?,
            Field::InferenceConfig => self.inference_config(scanner)?,
            Field::BedrockTools => self.bedrock_tools(scanner)?,
            Field::BedrockFields => self.bedrock_fields(scanner)?,
            Field::BedrockTier => self.bedrock_tier(scanner)?,
            Field::Performance => self.performance(scanner)?,
            Field::MakerSettings => self.maker_settings(scanner, name)?,
            Field::MakerTurn => self.maker_turn(scanner)?,
            Field::McpServers => self.mcp_servers(scanner)?,
            Field::Metadata => self.metadata(scanner)?,
            Field::Speed => self.speed(scanner)?,
            Field::AnthropicVersion => self.anthropic_version(scanner)?,
            Field::Geography => self.geography(scanner)?,
            Field::Later => self.later(scanner, name)?,
            Field::Compaction => self.billable.compacts |= present_value(scanner)?.is_some(),
            Field::ContextManagement => self.context_management(scanner)?,
            Field::InteractionInput => self.interaction_input(scanner)?,
            Field::InteractionTools => self.interaction_tools(scanner)?,
            Field::AnswerFormats => self.answer_formats(scanner)?,
            Field::AnswerModalities => self.gemini_modalities(scanner, name)?,
            Field::PreviousResponse => self.previous_response(scanner, name)?,
            Field::Conversation => self.conversation(scanner)?,
            Field::StoredPrompt => self.stored_prompt(scanner)?,
            Field::Store => self.store(scanner)?,
            Field::NoStream => self.no_stream(scanner)?,
            Field::Image => self.image(scanner)?,
            Field::StreamFormat => self.stream_format(scanner)?,
            Field::OllamaOptions => self.ollama_options(scanner)?,
            Field::OllamaStream => self.ollama_stream(scanner)?,
            Field::Text => {
                if let Some(place) = present_value(scanner)? {
                    self.texts.push(TextPlace::Strings(place));
                }
            }
            Field::Images => {
                let mut media =
                    Media { billable: &mut self.billable, payloads: &mut self.payloads, named: &mut self.named };
                media.member(scanner, name, true)?;
            }
            Field::SpokenText => self.spoken_text(scanner)?,
            Field::Prompt | Field::Input => self.prompts(scanner, name)?,
            Field::Stream => self.stream = boolean(scanner, name)?,
            Field::StreamOptions => self.stream_options(scanner)?,
            Field::MaxTokens => {
                let (value, place) = count(scanner, name, 0)?;
                (self.max_tokens, self.places.max_tokens) = (value, Some(place));
            }
            Field::MaxCompletionTokens => {
                let (value, place) = count(scanner, name, 1)?;
                (self.max_completion_tokens, self.places.max_completion_tokens) = (value, Some(place));
            }
            Field::Choices => self.billable.choices = count(scanner, name, 1)?.0.map_or(1, narrow),
            Field::PartialImages => self.billable.partial_images = count(scanner, name, 0)?.0.map_or(0, narrow),
            Field::BestOf => self.billable.best_of = count(scanner, name, 1)?.0.map(narrow),
            Field::Echo => self.billable.echo = boolean(scanner, name)?,
            Field::Tools | Field::Functions => self.tools(scanner, name)?,
            Field::Modalities => self.modalities(scanner)?,
            Field::Audio => self.billable.audio_output |= present_value(scanner)?.is_some(),
            Field::Prediction => {
                if let Some(place) = present_value(scanner)? {
                    self.billable.prediction_bytes = place.len() as u64;
                }
            }
            Field::SearchOptions => self.billable.web_search |= present_value(scanner)?.is_some(),
            Field::SearchSwitch => self.billable.web_search |= boolean(scanner, name)?,
            Field::ServiceTier => self.service_tier(scanner)?,
            Field::Temperature => self.temperature(scanner)?,
            Field::User => self.user(scanner, true)?,
            Field::SafetyIdentifier => self.user(scanner, false)?,
            Field::ResponseFormat => {
                if let Some(place) = present_value(scanner)? {
                    self.texts.push(TextPlace::Json(place));
                }
            }
            Field::UsageOptions => self.usage_options(scanner)?,
            Field::Provider => self.provider(scanner)?,
            Field::ExtraBody => self.extra_body(scanner)?,
            Field::VeniceParameters => self.venice_parameters(scanner)?,
        }
        Ok(())
    }

    /// OpenRouter's choice among the providers of a model, who ask different prices.
    fn provider(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if !is_present(scanner)? {
            return Ok(());
        }
        if scanner.kind()? != Kind::Object {
            return wrong_kind("provider", "an object");
        }
        const WITHIN_THE_PRICE: [&str; 6] = [
            "allow_fallbacks",
            "data_collection",
            "enforce_distillable_text",
            "max_price",
            "require_parameters",
            "zdr",
        ];
        scanner.object(|scanner, key| {
            if !WITHIN_THE_PRICE.contains(&&*key.decode()) {
                self.billable.upstream_routing.get_or_insert("provider");
            }
            Ok(scanner.skip()?)
        })
    }

    fn model(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null => self.places.model = Some(span(scanner)?),
            Kind::String => {
                let text = scanner.string()?;
                self.places.model = Some(Span { start: text.start - 1, end: text.start + text.raw.len() + 1 });
                let model = ModelId::new(&text.decode()).map_err(|error| {
                    Refusal::invalid(Some("model"), format!("'model' is not a model name: {error}."))
                })?;
                if self.model.as_ref().is_some_and(|of_path| *of_path != model) {
                    let sentence = "The body names another model than the path. Name the same one.";
                    return Err(Refusal::ambiguous("model", sentence));
                }
                self.model = Some(model);
            }
            _ => return wrong_kind("model", "a string"),
        }
        Ok(())
    }

    fn messages(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Array {
            return wrong_kind("messages", "an array");
        }
        let start = scanner.at();
        let mut messages = 0_u32;
        let mut media = Media { billable: &mut self.billable, payloads: &mut self.payloads, named: &mut self.named };
        scanner.array::<Refusal>(|scanner| {
            messages = messages.saturating_add(1);
            media.walk(scanner, false)
        })?;
        self.billable.messages = messages;
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    /// A text, an array of texts, an array of token numbers, or an array of such arrays.
    fn prompts(&mut self, scanner: &mut Strict<'a>, name: &str) -> Result<(), Refusal> {
        let kind = scanner.kind()?;
        let start = scanner.at();
        match kind {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::String => scanner.skip()?,
            Kind::Object | Kind::Array => {
                let mut prompts = 0_u32;
                let mut media =
                    Media { billable: &mut self.billable, payloads: &mut self.payloads, named: &mut self.named };
                if kind == Kind::Object {
                    media.walk(scanner, true)?;
                } else {
                    scanner.array::<Refusal>(|scanner| {
                        let is_token = scanner.kind()? == Kind::Number;
                        prompts = prompts.saturating_add(u32::from(!is_token));
                        media.walk(scanner, true)
                    })?;
                }
                self.billable.prompts = prompts.max(1);
            }
            _ => return wrong_kind(name, "a string or an array"),
        }
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    fn stream_options(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        const USAGE: &str = "stream_options.include_usage";
        match scanner.kind()? {
            Kind::Null => {
                self.places.usage_option = UsageOption::Null(span(scanner)?);
                return Ok(());
            }
            Kind::Object => {}
            _ => return wrong_kind("stream_options", "an object"),
        }
        let inside = scanner.at() + 1;
        let mut seen: SmallVec<[Cow<'_, str>; 4]> = SmallVec::new();
        let mut value = None;
        scanner.object::<Refusal>(|scanner, key| {
            let name = key.decode();
            if seen.contains(&name) || seen.len() >= UNKNOWN_MAX {
                return Err(duplicate("stream_options"));
            }
            if name == "include_usage" {
                let kind = scanner.kind()?;
                let start = scanner.at();
                boolean(scanner, USAGE)?;
                value = Some((kind == Kind::True, Span { start, end: scanner.at() }));
            } else if fold(&name) == "includeusage" {
                return Err(Refusal::ambiguous(USAGE, "Some parsers ignore case; write 'include_usage'."));
            } else {
                scanner.skip()?;
            }
            seen.push(name);
            Ok(())
        })?;
        self.places.usage_option = match value {
            Some((is_wanted, place)) => {
                self.client_wants_usage |= is_wanted;
                UsageOption::Value(place)
            }
            None => UsageOption::Object { inside, is_empty: seen.is_empty() },
        };
        Ok(())
    }

    fn modalities(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::Array => {}
            _ => return wrong_kind("modalities", "an array of strings"),
        }
        scanner.array(|scanner| {
            if scanner.kind()? != Kind::String {
                return wrong_kind("modalities", "an array of strings");
            }
            match &*scanner.string()?.decode() {
                "text" => {}
                "audio" => self.billable.audio_output = true,
                _ => {
                    return wrong_kind(
                        "modalities",
                        "of 'text' and 'audio'; other outputs have no price on this relay",
                    );
                }
            }
            Ok(())
        })
    }

    fn service_tier(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::String => {}
            _ => return wrong_kind("service_tier", "a string"),
        }
        self.billable.service_tier = Some(match &*scanner.string()?.decode() {
            "auto" => ServiceTier::Auto,
            "default" | "standard" | "standard_only" | "on_demand" => ServiceTier::Default,
            "flex" => ServiceTier::Flex,
            "priority" => ServiceTier::Priority,
            "scale" => ServiceTier::Scale,
            _ => ServiceTier::Other,
        });
        Ok(())
    }

    pub(super) fn temperature(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Number | Kind::Null => self.places.temperature = Some(span(scanner)?),
            _ => return wrong_kind("temperature", "a number"),
        }
        Ok(())
    }

    /// `user`, or OpenAI's younger name for the same, which counts where `user` says nothing.
    fn user(&mut self, scanner: &mut Strict<'a>, is_first_choice: bool) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::String {
            return Ok(scanner.skip()?);
        }
        let said = end_user(&scanner.string()?.decode());
        self.end_user = if is_first_choice { said.or(self.end_user.take()) } else { self.end_user.take().or(said) };
        Ok(())
    }

    /// OpenRouter's `usage: {include: true}` asks for the usage chunk, too.
    fn usage_options(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Object {
            return Ok(scanner.skip()?);
        }
        scanner.object(|scanner, key| {
            self.client_wants_usage |= &*key.decode() == "include" && scanner.kind()? == Kind::True;
            Ok(scanner.skip()?)
        })
    }

    /// Google reads `extra_body.google`; other gateways merge any member into the request, past every guard.
    fn extra_body(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        self.billable.unknown_parameters = true;
        if !is_present(scanner)? {
            return Ok(());
        }
        if scanner.kind()? != Kind::Object {
            return wrong_kind("extra_body", "an object");
        }
        scanner.object(|scanner, key| {
            if &*key.decode() != "google" {
                return wrong_kind("extra_body", "left out: send its members at the top level, as SDKs do");
            }
            Ok(scanner.skip()?)
        })
    }

    fn venice_parameters(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if let Some(place) = present_value(scanner)? {
            let raw = scanner.slice(place.start, place.end);
            let has = |word: &[u8]| memchr::memmem::find(raw, word).is_some();
            self.billable.web_search |= has(b"search") || has(b"scraping") || has(b"\\u");
            self.billable.unknown_parameters |= has(b"character");
        }
        Ok(())
    }

    /// Checks what depends on several members.
    fn conclude(&mut self, body_bytes: usize) -> Result<(), Refusal> {
        // Only OpenAI's files are made through this relay; elsewhere such an id is an echo of an answer, or the operator's.
        if self.endpoint.dialect() != Some(Dialect::Openai) && !self.endpoint.is_interaction() {
            self.named.clear();
        }
        self.check_invoked()?;
        self.check_compact()?;
        // Its items are kept there, whatever is said of the response.
        self.is_stored |= self.is_in_conversation;
        let billable = &mut self.billable;
        // Nothing is made of a prompt that is only echoed, or only put into Anthropic's cache.
        let may_make_nothing =
            self.endpoint == Endpoint::Messages || billable.echo && self.endpoint == Endpoint::Completions;
        if self.max_tokens == Some(0) && !may_make_nothing {
            // Some providers take zero for "no limit".
            return Err(Refusal::invalid(Some("max_tokens"), "'max_tokens' must be at least 1."));
        }
        billable.output_limit = match (self.max_tokens, self.max_completion_tokens) {
            (Some(old), Some(new)) if old != new => {
                let sentence =
                    "'max_tokens' and 'max_completion_tokens' differ; providers choose differently. Send one.";
                return Err(Refusal::ambiguous("max_tokens", sentence));
            }
            (old, new) => new.or(old),
        };
        let payload_bytes: usize = self.payloads.iter().map(|place| place.len()).sum();
        let text_bytes = (body_bytes - payload_bytes) as u64 + self.extra_text_tokens;
        self.billable.text_bytes = text_bytes;
        self.conclude_ranking(text_bytes);
        let billable = &mut self.billable;
        let is_bounded = self.bounded_tools > 0 && self.bounded_tools == billable.server_tools;
        billable.searches_max = is_bounded.then_some(self.bounded_searches);
        billable.is_free = !self.endpoint.has_usage();
        if self.endpoint == Endpoint::Predict {
            billable.characters = text_bytes;
        }
        billable.beyond_limit = self.maker.map_or(0, Maker::beyond_limit);
        if self.stream {
            check_image_stream(self.endpoint, self.billable.choices)?;
        }
        self.payloads.sort_unstable_by_key(|place| place.start);
        self.check_vectors()
    }
}

/// A user that may be recorded.
pub(crate) fn end_user(text: &str) -> Option<String> {
    let is_good = (1..=END_USER_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    is_good.then(|| text.to_owned())
}

/// A count that [`count`] has bounded.
pub(super) fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A name cut and escaped so that it can be shown.
pub(super) fn printable(name: &str) -> String {
    name.chars().take(64).collect::<String>().escape_debug().to_string()
}

pub(super) fn duplicate(name: &str) -> Refusal {
    Refusal::ambiguous(name, format!("'{name}' stands twice; parsers differ in which one they take. Send it once."))
}

//! Reads what only Anthropic's messages have.

use base::Refusal;

use super::body::{Draft, end_user, narrow};
use super::fields::{count, is_present, present_value, wrong_kind};
use super::media::Media;
use crate::billable::CacheWrites;
use crate::call::{Span, TextPlace};
use crate::dialect::Endpoint;
use crate::scan::{Kind, Strict};

/// Tokens of instructions that Anthropic adds for a tool of its own that the client runs; its guide says up to 735, and
/// a recorded count of the memory tool is 1,565.
const BUILT_IN_TOOL_TOKENS: u64 = 4_096;

/// What a body asks to be written to a cache: Anthropic and Bedrock write only what is marked. An escape may hide the mark.
pub(super) fn cache_writes(endpoint: Endpoint, body: &[u8]) -> CacheWrites {
    let has = |word: &[u8]| memchr::memmem::find(body, word).is_some();
    let mark: &[u8] = match endpoint {
        Endpoint::Messages | Endpoint::Invoke => b"cache_control",
        Endpoint::Converse => b"cachePoint",
        _ => return CacheWrites::Any,
    };
    if has(b"\\u") {
        return CacheWrites::Any;
    }
    match (has(mark), has(b"1h")) {
        (false, _) => CacheWrites::None,
        (true, false) => CacheWrites::Short,
        (true, true) => CacheWrites::Any,
    }
}

/// Amazon takes bodies of many makers behind one path. Whose they are is not guessed from the body.
fn other_maker() -> Refusal {
    let sentence = "The maker of this model is not known here, or is Anthropic: it can be invoked only with \
                    'anthropic_version' in the body. Ask others with Converse, or by their maker's name.";
    Refusal::invalid(Some("anthropic_version"), sentence)
}

/// What is wrong with a body of another maker is that, whatever else may be.
pub(super) fn or_other_maker(endpoint: Endpoint, body: &[u8], refusal: Refusal) -> Refusal {
    let is_other = endpoint == Endpoint::Invoke && memchr::memmem::find(body, b"anthropic_version").is_none();
    if is_other { other_maker() } else { refusal }
}

impl<'a> Draft<'a> {
    /// The system prompt: a text, or blocks.
    pub(super) fn system(&mut self, scanner: &mut Strict<'a>, name: &str) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::String | Kind::Array | Kind::Object => {}
            _ => return wrong_kind(name, "a text or an array of blocks"),
        }
        let start = scanner.at();
        Media { billable: &mut self.billable, payloads: &mut self.payloads, named: &mut self.named }
            .walk(scanner, true)?;
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    /// `metadata.user_id` is the tenant's own user.
    pub(super) fn metadata(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Object {
            return Ok(scanner.skip()?);
        }
        scanner.object(|scanner, key| {
            if &*key.decode() == "user_id" && scanner.kind()? == Kind::String {
                self.end_user = end_user(&scanner.string()?.decode());
                return Ok(());
            }
            Ok(scanner.skip()?)
        })
    }

    /// Anthropic's fast mode costs a multiple.
    pub(super) fn speed(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        self.only(scanner, "speed", "standard", "costs a multiple, for which this relay has no price")
    }

    /// Inference within one country costs more.
    pub(super) fn geography(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        self.only(scanner, "inference_geo", "global", "costs more, for which this relay has no price")
    }

    /// Which form of the messages it is, for those who do not say that in a header.
    pub(super) fn anthropic_version(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if is_present(scanner)? {
            if scanner.kind()? != Kind::String {
                return wrong_kind("anthropic_version", "a text");
            }
            self.has_anthropic_version = true;
            scanner.skip()?;
        }
        Ok(())
    }

    /// Whether a body may be invoked.
    pub(super) fn check_invoked(&self) -> Result<(), Refusal> {
        if self.endpoint != Endpoint::Invoke || self.has_anthropic_version {
            return Ok(());
        }
        Err(other_maker())
    }

    fn only(&self, scanner: &mut Strict<'a>, name: &str, allowed: &str, why: &str) -> Result<(), Refusal> {
        if !is_present(scanner)? {
            return Ok(());
        }
        if scanner.kind()? == Kind::String && &*scanner.string()?.decode() == allowed {
            return Ok(());
        }
        let sentence = format!("'{name}' may only be '{allowed}': anything else {why}.");
        Err(Refusal::invalid(Some(name), sentence))
    }

    /// Servers whose tools the provider calls.
    pub(super) fn mcp_servers(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if let Some(place) = present_value(scanner)? {
            self.billable.rereads = true;
            self.billable.server_tools = self.billable.server_tools.saturating_add(1);
            self.texts.push(TextPlace::Json(place));
        }
        Ok(())
    }

    /// What is done to a conversation that grows long: parts of it are left out, or all of it is summed up, which is billed.
    pub(super) fn context_management(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if !is_present(scanner)? {
            return Ok(());
        }
        if scanner.kind()? != Kind::Object {
            return wrong_kind("context_management", "an object");
        }
        scanner.object::<Refusal>(|scanner, key| {
            if &*key.decode() != "edits" || scanner.kind()? != Kind::Array {
                self.billable.unknown_parameters = true;
                return Ok(scanner.skip()?);
            }
            scanner.array::<Refusal>(|scanner| self.context_edit(scanner))
        })
    }

    /// One of the edits: what does not only leave something out may sum up.
    fn context_edit(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Object {
            return wrong_kind("context_management.edits", "an array of objects");
        }
        // Of two types a parser may take either.
        let (mut types, mut clearing) = (0_u32, 0_u32);
        scanner.object::<Refusal>(|scanner, key| {
            if &*key.decode() == "type" && scanner.kind()? == Kind::String {
                types += 1;
                clearing += u32::from(scanner.string()?.decode().starts_with("clear_"));
                return Ok(());
            }
            Ok(scanner.skip()?)
        })?;
        self.billable.compacts |= types == 0 || clearing < types;
        Ok(())
    }

    /// One tool of Anthropic's: the client's own have no type, or `custom`.
    pub(super) fn anthropic_tool(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Object {
            return wrong_kind("tools", "an array of objects");
        }
        let (mut kind, mut uses_max, mut bounds) = (None, None, 0_u32);
        scanner.object::<Refusal>(|scanner, key| {
            match &*key.decode() {
                "type" if scanner.kind()? == Kind::String => kind = Some(scanner.string()?.decode().into_owned()),
                "max_uses" => {
                    bounds += 1;
                    uses_max = count(scanner, "tools.max_uses", 0)?.0;
                }
                _ => scanner.skip()?,
            }
            Ok(())
        })?;
        let billable = &mut self.billable;
        match kind.as_deref() {
            None | Some("custom" | "function") => {}
            Some(advisor) if advisor.starts_with("advisor_") => {
                let sentence = "The advisor tool asks another model at another price. Leave it out.";
                return Err(Refusal::invalid(Some("tools"), sentence));
            }
            Some(ours) if ["bash_", "text_editor_", "computer_", "memory_"].iter().any(|own| ours.starts_with(own)) => {
                self.extra_text_tokens += BUILT_IN_TOOL_TOKENS;
            }
            Some(searching) => {
                billable.server_tools = billable.server_tools.saturating_add(1);
                billable.rereads = true;
                let is_search = searching.starts_with("web_search");
                billable.web_search |= is_search;
                if let Some(uses_max) = uses_max.filter(|_| is_search && bounds == 1) {
                    self.bounded_tools = self.bounded_tools.saturating_add(1);
                    self.bounded_searches = self.bounded_searches.saturating_add(narrow(uses_max));
                }
            }
        }
        Ok(())
    }
}

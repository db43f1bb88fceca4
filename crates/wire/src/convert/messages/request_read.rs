//! Reads a request of messages.

use std::borrow::Cow;

use super::super::fault::{At, Fault};
use super::super::node::Node;
use super::super::seal::{Maker, Seal};
use super::super::take;
use super::super::talk::{Body, Cache, Call, Format, Mode, Outcome, Part, Place, Role, Source, Talk, Tool, ToolChoice};

const MESSAGES: &str = "messages";

/// Reads the body. The model, the output limit and the stream are the relay's to set.
pub(in super::super) fn read(body: Node<'_>) -> Result<Talk<'_>, Fault> {
    let mut talk = Talk { stop_name: "stop_sequences", ..Talk::default() };
    let top = At::Top;
    for (name, value) in take::members(body, &top)? {
        let at = top.name(&name);
        match &*name {
            "max_tokens" if value.count() == Some(0) => {
                return Err(Fault::unsupported(at, "filling a cache without an answer (0)"));
            }
            "model" | "stream" | "max_tokens" => {}
            "messages" => messages(&mut talk, value, &at)?,
            "system" => {
                for (index, part) in content(value, MESSAGES_SYSTEM, &at)?.into_iter().enumerate() {
                    if !matches!(part.body, Body::Text(_)) {
                        return Err(Fault::unsupported(at.item(index), part.body.what()));
                    }
                    talk.system.push(part);
                }
            }
            "tools" => talk.tools = tools(value, &at)?,
            "tool_choice" => tool_choice(&mut talk, value, &at)?,
            "thinking" => thinking(&mut talk, value, &at)?,
            "output_config" => output_config(&mut talk, value, &at)?,
            "output_format" => talk.format = Some(("output_format", format(value, &at)?)),
            "stop_sequences" => talk.stop = take::texts(value, &at)?,
            "temperature" => talk.numbers.temperature = take::number(value, "temperature")?,
            "top_p" => talk.numbers.top_p = take::number(value, "top_p")?,
            "top_k" => talk.numbers.top_k = take::number(value, "top_k")?,
            "metadata" => {
                for (name, value) in take::members(value, &at)? {
                    match &*name {
                        "user_id" => talk.user = Some(take::text(value, &at.name("user_id"))?),
                        name => return at.unknown(name),
                    }
                }
            }
            // Where the cache ends by itself: the others have no other way.
            "cache_control" => drop(take::cache(value, &at)?),
            "service_tier" if matches!(value.text().as_deref(), Some("auto" | "standard_only")) => {}
            "context_management" => context_management(value, &at)?,
            // Asks why the provider's cache was missed; nothing in the answer changes.
            "diagnostics" => take::only(value, &at, &["previous_message_id"])?,
            // Says which form of the messages the client speaks, not what it wants.
            "anthropic_version" => {}
            "betas" if value.items().is_some_and(|betas| betas.is_empty()) => {}
            _ => return top.unknown(&name),
        }
    }
    Ok(talk)
}

const MESSAGES_SYSTEM: Place = Place { list: "system", index: 0 };

fn messages<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    for (index, message) in take::items(value, at)?.into_iter().enumerate() {
        let at = at.item(index);
        let place = Place { list: MESSAGES, index };
        let role = take::needed(message.text_of("role"), &at, "role")?;
        for (name, value) in take::members(message, &at)? {
            match &*name {
                "role" => {}
                "content" => {
                    let parts = content(value, place, &at.name("content"))?;
                    match &*role {
                        "user" => parts.into_iter().for_each(|part| talk.say(Role::User, part)),
                        "assistant" => parts.into_iter().for_each(|part| talk.say(Role::Assistant, part)),
                        "system" => talk.system.extend(parts),
                        _ => return Err(Fault::unsupported(at.name("role"), format!("the role '{role}'"))),
                    }
                }
                name => return at.unknown(name),
            }
        }
    }
    Ok(())
}

/// A text, or blocks.
fn content<'a>(value: Node<'a>, place: Place, at: &At<'_>) -> Result<Vec<Part<'a>>, Fault> {
    if let Some(text) = value.text() {
        return Ok(if text.is_empty() { vec![] } else { vec![Part::new(place, Body::Text(text))] });
    }
    let mut parts = Vec::new();
    for (index, item) in take::items(value, at)?.into_iter().enumerate() {
        parts.extend(block(item, place, &at.item(index))?);
    }
    Ok(parts)
}

fn block<'a>(item: Node<'a>, place: Place, at: &At<'_>) -> Result<Option<Part<'a>>, Fault> {
    let kind = take::needed(item.text_of("type"), at, "type")?;
    let mut members = Members { item, at, place, cache: None };
    let body = match &*kind {
        "text" => {
            let text = members.text("text", &["citations"])?;
            if text.is_empty() {
                return Ok(None);
            }
            Body::Text(text)
        }
        "image" => Body::Image(members.source(&[])?),
        "document" => {
            let source = members.source(&["title"])?;
            Body::File(source, item.text_of("title"))
        }
        "tool_use" => members.call()?,
        "tool_result" => members.result()?,
        "thinking" => {
            let text = members.text("thinking", &["signature"])?;
            let seal = item.text_of("signature").and_then(|seal| Seal::read(seal, Some(Maker::Anthropic)));
            Body::Thinking { text, signature: seal }
        }
        // What a search of the client's own found: elsewhere the model sees the tool in any case.
        "tool_reference" => Body::Text(members.text("tool_name", &[])?),
        "redacted_thinking" => Body::Redacted(members.text("data", &[])?),
        _ => return Err(Fault::unsupported(at, format!("a block of the type '{kind}'"))),
    };
    Ok(Some(Part { place, cache: members.cache, body }))
}

/// The members of one block.
struct Members<'n, 'p> {
    item: Node<'n>,
    at: &'p At<'p>,
    place: Place,
    cache: Option<Cache>,
}

impl<'n> Members<'n, '_> {
    /// Takes the members by name; all but the type and the mark for the cache go to `take`, which says whether it knew it.
    fn each(&mut self, mut take: impl FnMut(&str, Node<'n>) -> Result<bool, Fault>) -> Result<(), Fault> {
        for (name, value) in take::members(self.item, self.at)? {
            match &*name {
                "type" => {}
                "cache_control" => self.cache = take::cache(value, &self.at.name("cache_control"))?,
                name if take(name, value)? => {}
                name => return self.at.unknown(name),
            }
        }
        Ok(())
    }

    fn text(&mut self, wanted: &str, others: &[&str]) -> Result<Cow<'n, str>, Fault> {
        let mut found = None;
        let at = self.at;
        self.each(|name, value| {
            if name == wanted {
                found = Some(take::text(value, &at.name(wanted))?);
            }
            Ok(name == wanted || others.contains(&name))
        })?;
        take::needed(found, at, wanted)
    }

    fn source(&mut self, others: &[&str]) -> Result<Source<'n>, Fault> {
        let mut found = None;
        let at = self.at;
        self.each(|name, value| {
            if name == "source" {
                found = Some(source(value, &at.name("source"))?);
            }
            Ok(name == "source" || others.contains(&name))
        })?;
        take::needed(found, at, "source")
    }

    fn call(&mut self) -> Result<Body<'n>, Fault> {
        let (mut id, mut called, mut arguments) = (None, None, Cow::Borrowed("{}"));
        let at = self.at;
        self.each(|name, value| {
            match name {
                "id" => id = Some(take::text(value, &at.name("id"))?),
                "name" => called = Some(take::text(value, &at.name("name"))?),
                "input" => {
                    take::members(value, &at.name("input"))?;
                    arguments = Cow::Borrowed(value.raw());
                }
                "caller" => return Ok(value.text_of("type").as_deref() == Some("direct")),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let (id, name) = (take::needed(id, at, "id")?, take::needed(called, at, "name")?);
        Ok(Body::Call(Call { id, name, arguments, signature: None }))
    }

    fn result(&mut self) -> Result<Body<'n>, Fault> {
        let (mut id, mut is_error, mut parts) = (None, false, Vec::new());
        let (at, place) = (self.at, self.place);
        self.each(|name, value| {
            match name {
                "tool_use_id" => id = Some(take::text(value, &at.name("tool_use_id"))?),
                "is_error" => is_error = take::boolean(value, &at.name("is_error"))?,
                "content" => parts = content(value, place, &at.name("content"))?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Body::Result(Outcome { id: take::needed(id, at, "tool_use_id")?, name: None, is_error, parts }))
    }
}

fn source<'a>(value: Node<'a>, at: &At<'_>) -> Result<Source<'a>, Fault> {
    take::only(value, at, &["type", "media_type", "data", "url", "file_id", "content"])?;
    let member = |name: &str| take::needed(value.text_of(name), at, name);
    match value.text_of("type").as_deref() {
        Some("base64") => Ok(Source::Inline { media: member("media_type")?, data: member("data")? }),
        Some("url") => Ok(Source::Url { url: member("url")?, media: None }),
        Some("text") => Ok(Source::Text(member("data")?)),
        _ => Err(Fault::unsupported(at, "this source")),
    }
}

/// What of the conversation the provider leaves out by itself. Clearing old results and thoughts only saves tokens; a
/// summary in their place would be an answer that nobody else writes.
fn context_management(value: Node<'_>, at: &At<'_>) -> Result<(), Fault> {
    take::only(value, at, &["edits"])?;
    let at = at.name("edits");
    let edits = value.get("edits").map(|edits| take::items(edits, &at)).transpose()?.unwrap_or_default();
    for (index, edit) in edits.into_iter().enumerate() {
        let at = at.item(index);
        let kind = take::needed(edit.text_of("type"), &at, "type")?;
        if !["clear_tool_uses_", "clear_thinking_"].iter().any(|start| kind.starts_with(start)) {
            return Err(Fault::unsupported(at.name("type"), format!("'{kind}'")));
        }
    }
    Ok(())
}

fn tools<'a>(value: Node<'a>, at: &At<'_>) -> Result<Vec<Tool<'a>>, Fault> {
    let all = take::items(value, at)?.into_iter().enumerate();
    all.map(|(index, item)| tool(item, &at.item(index))).collect()
}

fn tool<'a>(item: Node<'a>, at: &At<'_>) -> Result<Tool<'a>, Fault> {
    if !matches!(item.text_of("type").as_deref(), None | Some("custom")) {
        return Err(Fault::unsupported(at, "a tool of the provider's"));
    }
    let (mut name, mut description, mut schema, mut strict, mut cache) = (None, None, None, None, None);
    for (member, value) in take::members(item, at)? {
        let at_member = at.name(&member);
        match &*member {
            "type" => {}
            "name" => name = Some(take::text(value, &at_member)?),
            "description" => description = Some(take::text(value, &at_member)?),
            "input_schema" => schema = Some(Cow::Borrowed(value.raw())),
            "strict" => strict = Some(take::boolean(value, &at_member)?),
            "cache_control" => cache = take::cache(value, &at_member)?,
            // Whether the model sees it from the beginning, or finds it by a search: elsewhere it always does.
            "defer_loading" => drop(take::boolean(value, &at_member)?),
            // In how fine pieces a call is streamed; SDKs ask for it without being told to.
            "eager_input_streaming" => drop(take::boolean(value, &at_member)?),
            member => return at.unknown(member),
        }
    }
    Ok(Tool { name: take::needed(name, at, "name")?, description, schema, strict, cache })
}

fn tool_choice<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    let kind = take::needed(value.text_of("type"), at, "type")?;
    talk.tool_choice = Some(match &*kind {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(take::needed(value.text_of("name"), at, "name")?),
        _ => return Err(Fault::unsupported(at, "this choice")),
    });
    for (name, value) in take::members(value, at)? {
        match &*name {
            "type" | "name" => {}
            "disable_parallel_tool_use" => {
                let is_disabled = take::boolean(value, &at.name("disable_parallel_tool_use"))?;
                talk.parallel = Some(("tool_choice.disable_parallel_tool_use", !is_disabled));
            }
            name => return at.unknown(name),
        }
    }
    Ok(())
}

/// `thinking`, which Converse has in the same words.
pub(in super::super) fn thinking<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    talk.thinking.name = "thinking";
    for (name, value) in take::members(value, at)? {
        match (&*name, value.text().as_deref()) {
            ("type", Some("enabled")) => talk.thinking.mode = Some(Mode::On),
            ("type", Some("disabled")) => talk.thinking.mode = Some(Mode::Off),
            ("type", Some("adaptive")) => talk.thinking.mode = Some(Mode::Adaptive),
            ("budget_tokens", _) => talk.thinking.budget = take::number(value, "thinking")?.map(|setting| setting.raw),
            // What is shown of the thinking is the provider's choice elsewhere.
            ("display", Some(_)) => {}
            (name, _) => return at.unknown(name),
        }
    }
    Ok(())
}

fn output_config<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    for (name, value) in take::members(value, at)? {
        match &*name {
            "format" => talk.format = Some(("output_config.format", format(value, &at.name("format"))?)),
            "effort" => {
                talk.thinking.effort = Some(take::text(value, &at.name("effort"))?);
                if talk.thinking.name.is_empty() {
                    talk.thinking.name = "output_config.effort";
                }
            }
            name => return at.unknown(name),
        }
    }
    Ok(())
}

fn format<'a>(value: Node<'a>, at: &At<'_>) -> Result<Format<'a>, Fault> {
    take::only(value, at, &["type", "schema"])?;
    match (value.text_of("type").as_deref(), value.get("schema")) {
        (Some("json_schema"), Some(schema)) => {
            Ok(Format::Schema { name: None, schema: Cow::Borrowed(schema.raw()), strict: None })
        }
        _ => Err(Fault::unsupported(at, "this format")),
    }
}

//! Reads a request of Converse.

use std::borrow::Cow;

use super::super::fault::{At, Fault};
use super::super::messages::thinking;
use super::super::node::{Node, is_object};
use super::super::seal::{Maker, Seal};
use super::super::take;
use super::super::talk::{Body, Cache, Call, Format, Outcome, Part, Place, Role, Source, Talk, Tool, ToolChoice};
use super::formats::{document_type, image_type};

const LIST: &str = "messages";

/// Reads the body. The model and the stream are in the path, and the output limit is the relay's to set.
pub(in super::super) fn read(body: Node<'_>) -> Result<Talk<'_>, Fault> {
    let mut talk =
        Talk { stop_name: "inferenceConfig.stopSequences", choice_name: "toolConfig.toolChoice", ..Talk::default() };
    let top = At::Top;
    for (name, value) in take::members(body, &top)? {
        let at = top.name(&name);
        match &*name {
            "messages" => messages(&mut talk, value, &at)?,
            "system" => {
                for part in content(value, Place { list: "system", index: 0 }, &at)? {
                    if !matches!(part.body, Body::Text(_)) {
                        return Err(Fault::unsupported(at, part.body.what()));
                    }
                    talk.system.push(part);
                }
            }
            "toolConfig" => tool_config(&mut talk, value, &at)?,
            "inferenceConfig" => settings(&mut talk, value, &at)?,
            "outputConfig" => talk.format = format(value, &at)?.map(|format| ("outputConfig.textFormat", format)),
            "additionalModelRequestFields" => fields(&mut talk, value, &at)?,
            _ if is_hint(&name, value) => {}
            _ => return top.unknown(&name),
        }
    }
    Ok(talk)
}

/// Labels, and what is the default.
fn is_hint(name: &str, value: Node<'_>) -> bool {
    match name {
        "requestMetadata" => true,
        "performanceConfig" => value.text_of("latency").is_none_or(|latency| latency == "standard"),
        "serviceTier" => value.text_of("type").as_deref() == Some("default"),
        "additionalModelResponseFieldPaths" => value.items().is_some_and(|paths| paths.is_empty()),
        _ => false,
    }
}

fn messages<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    for (index, message) in take::items(value, at)?.into_iter().enumerate() {
        let at = at.item(index);
        take::only(message, &at, &["role", "content"])?;
        let role = match take::needed(message.text_of("role"), &at, "role")?.as_ref() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            role => return Err(Fault::unsupported(at.name("role"), format!("the role '{role}'"))),
        };
        let at_content = at.name("content");
        let blocks = take::needed(message.get("content"), &at, "content")?;
        let parts = content(blocks, Place { list: LIST, index }, &at_content)?;
        parts.into_iter().for_each(|part| talk.say(role, part));
    }
    Ok(())
}

/// The blocks of a list. A mark for the cache stands behind what it is about.
fn content<'a>(value: Node<'a>, place: Place, at: &At<'_>) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    for (index, item) in take::items(value, at)?.into_iter().enumerate() {
        let at = at.item(index);
        for (name, value) in take::members(item, &at)? {
            let at = at.name(&name);
            if name == "cachePoint" {
                let cache = cache_point(value, &at)?;
                parts.last_mut().into_iter().for_each(|part| part.cache = Some(cache));
                continue;
            }
            let body = block(&name, value, place, &at)?;
            if !matches!(&body, Body::Text(text) if text.is_empty()) {
                parts.push(Part::new(place, body));
            }
        }
    }
    Ok(parts)
}

fn cache_point(value: Node<'_>, at: &At<'_>) -> Result<Cache, Fault> {
    let mut cache = Cache::Short;
    for (name, value) in take::members(value, at)? {
        match (&*name, value.text().as_deref()) {
            ("type", Some("default")) | ("ttl", Some("5m")) => {}
            ("ttl", Some("1h")) => cache = Cache::Hour,
            (name, _) => return at.unknown(name),
        }
    }
    Ok(cache)
}

fn block<'a>(kind: &str, value: Node<'a>, place: Place, at: &At<'_>) -> Result<Body<'a>, Fault> {
    match kind {
        "text" => Ok(Body::Text(take::text(value, at)?)),
        "image" => image(value, at),
        "document" => document(value, at),
        "toolUse" => call(value, at),
        "toolResult" => result(value, place, at),
        "reasoningContent" => reasoning(value, at),
        "citationsContent" => {
            take::only(value, at, &["content", "citations"])?;
            let pieces = value.get("content").and_then(Node::items).unwrap_or_default();
            let texts = pieces.iter().filter_map(|piece| piece.text_of("text"));
            Ok(Body::Text(texts.collect::<String>().into()))
        }
        _ => Err(Fault::unsupported(at, "this block")),
    }
}

fn image<'a>(value: Node<'a>, at: &At<'_>) -> Result<Body<'a>, Fault> {
    take::only(value, at, &["format", "source"])?;
    let word = take::needed(value.text_of("format"), at, "format")?;
    let media = image_type(&word).ok_or_else(|| Fault::unsupported(at.name("format"), "an image of this type"))?;
    let source = take::needed(value.get("source"), at, "source")?;
    let at = at.name("source");
    take::only(source, &at, &["bytes"])?;
    let data = take::needed(source.text_of("bytes"), &at, "bytes")?;
    Ok(Body::Image(Source::Inline { media: media.into(), data }))
}

fn document<'a>(value: Node<'a>, at: &At<'_>) -> Result<Body<'a>, Fault> {
    let (mut word, mut source) = (Cow::Borrowed("txt"), None);
    for (name, value) in take::members(value, at)? {
        let at = at.name(&name);
        match &*name {
            "name" => {}
            "format" => word = take::text(value, &at)?,
            "source" => source = Some(value),
            "citations" if value.get("enabled").and_then(Node::boolean) == Some(false) => {}
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    let (source, name) = (take::needed(source, at, "source")?, value.text_of("name"));
    let at_source = at.name("source");
    take::only(source, &at_source, &["bytes", "text"])?;
    if let Some(text) = source.text_of("text") {
        return Ok(Body::File(Source::Text(text), name));
    }
    let media = document_type(&word).ok_or_else(|| Fault::unsupported(at.name("format"), "a document of this type"))?;
    let data = take::needed(source.text_of("bytes"), &at_source, "bytes")?;
    Ok(Body::File(Source::Inline { media: media.into(), data }, name))
}

fn call<'a>(value: Node<'a>, at: &At<'_>) -> Result<Body<'a>, Fault> {
    let (mut id, mut called, mut arguments) = (None, None, Cow::Borrowed("{}"));
    for (name, value) in take::members(value, at)? {
        let at = at.name(&name);
        match &*name {
            "toolUseId" => id = Some(take::text(value, &at)?),
            "name" => called = Some(take::text(value, &at)?),
            "input" => {
                take::members(value, &at)?;
                arguments = Cow::Borrowed(value.raw());
            }
            "type" if value.text().as_deref() == Some("tool_use") => {}
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    let (id, name) = (take::needed(id, at, "toolUseId")?, take::needed(called, at, "name")?);
    Ok(Body::Call(Call { id, name, arguments, signature: None }))
}

fn result<'a>(value: Node<'a>, place: Place, at: &At<'_>) -> Result<Body<'a>, Fault> {
    let (mut id, mut is_error, mut parts) = (None, false, Vec::new());
    for (name, value) in take::members(value, at)? {
        let at = at.name(&name);
        match (&*name, value.text().as_deref()) {
            ("toolUseId", _) => id = Some(take::text(value, &at)?),
            ("status", Some("success")) => {}
            ("status", Some("error")) => is_error = true,
            ("content", _) => parts = outcome(value, place, &at)?,
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    Ok(Body::Result(Outcome { id: take::needed(id, at, "toolUseId")?, name: None, is_error, parts }))
}

/// What a tool gave back: JSON is a text to every other dialect.
fn outcome<'a>(value: Node<'a>, place: Place, at: &At<'_>) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts = Vec::new();
    for (index, item) in take::items(value, at)?.into_iter().enumerate() {
        let at = at.item(index);
        for (name, value) in take::members(item, &at)? {
            let at = at.name(&name);
            let body = match &*name {
                "json" => Body::Text(Cow::Borrowed(value.raw())),
                "text" | "image" | "document" => block(&name, value, place, &at)?,
                _ => return Err(Fault::unsupported(at, "this block")),
            };
            if !matches!(&body, Body::Text(text) if text.is_empty()) {
                parts.push(Part::new(place, body));
            }
        }
    }
    Ok(parts)
}

fn reasoning<'a>(value: Node<'a>, at: &At<'_>) -> Result<Body<'a>, Fault> {
    take::only(value, at, &["reasoningText", "redactedContent"])?;
    if let Some(data) = value.text_of("redactedContent") {
        return Ok(Body::Redacted(data));
    }
    let thought = take::needed(value.get("reasoningText"), at, "reasoningText")?;
    take::only(thought, &at.name("reasoningText"), &["text", "signature"])?;
    let signature = thought.text_of("signature").and_then(|seal| Seal::read(seal, Some(Maker::Anthropic)));
    Ok(Body::Thinking { text: thought.text_of("text").unwrap_or_default(), signature })
}

fn tool_config<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    for (name, value) in take::members(value, at)? {
        let at = at.name(&name);
        match &*name {
            "tools" => {
                for (index, item) in take::items(value, &at)?.into_iter().enumerate() {
                    tool(talk, item, &at.item(index))?;
                }
            }
            "toolChoice" => {
                take::only(value, &at, &["auto", "any", "tool"])?;
                talk.tool_choice = Some(match value.get("tool") {
                    Some(tool) => ToolChoice::Named(take::needed(tool.text_of("name"), &at.name("tool"), "name")?),
                    None if value.get("any").is_some() => ToolChoice::Required,
                    None => ToolChoice::Auto,
                });
            }
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    Ok(())
}

fn tool<'a>(talk: &mut Talk<'a>, item: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    for (kind, value) in take::members(item, at)? {
        let at = at.name(&kind);
        match &*kind {
            "cachePoint" => {
                let cache = cache_point(value, &at)?;
                talk.tools.last_mut().into_iter().for_each(|tool| tool.cache = Some(cache));
            }
            "toolSpec" => {
                let (mut name, mut description, mut schema, mut strict) = (None, None, None, None);
                for (member, value) in take::members(value, &at)? {
                    let at = at.name(&member);
                    match &*member {
                        "name" => name = Some(take::text(value, &at)?),
                        "description" => description = Some(take::text(value, &at)?),
                        "inputSchema" => {
                            take::only(value, &at, &["json"])?;
                            schema = value.get("json").map(|schema| Cow::Borrowed(schema.raw()));
                        }
                        "strict" => strict = Some(take::boolean(value, &at)?),
                        _ => return Err(Fault::unsupported(at, "this field")),
                    }
                }
                let name = take::needed(name, &at, "name")?;
                talk.tools.push(Tool { name, description, schema, strict, cache: None });
            }
            _ => return Err(Fault::unsupported(at, "a tool of the provider's")),
        }
    }
    Ok(())
}

fn settings<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    for (name, value) in take::members(value, at)? {
        match &*name {
            "maxTokens" => {}
            "temperature" => talk.numbers.temperature = take::number(value, "inferenceConfig.temperature")?,
            "topP" => talk.numbers.top_p = take::number(value, "inferenceConfig.topP")?,
            "stopSequences" => talk.stop = take::texts(value, &at.name("stopSequences"))?,
            name => return at.unknown(name),
        }
    }
    Ok(())
}

fn format<'a>(value: Node<'a>, at: &At<'_>) -> Result<Option<Format<'a>>, Fault> {
    take::only(value, at, &["textFormat"])?;
    let Some(format) = value.get("textFormat") else { return Ok(None) };
    let at = at.name("textFormat");
    take::only(format, &at, &["type", "structure"])?;
    let schema = format.get("structure").and_then(|structure| structure.get("jsonSchema"));
    let (Some("json_schema"), Some(schema)) = (format.text_of("type").as_deref(), schema) else {
        return Err(Fault::unsupported(at, "this format"));
    };
    take::only(schema, &at, &["schema", "name", "description"])?;
    let text = take::needed(schema.text_of("schema"), &at, "structure.jsonSchema.schema")?;
    if !is_object(&text) {
        return Err(Fault::invalid(at.name("structure.jsonSchema.schema"), "a JSON schema as a text"));
    }
    Ok(Some(Format::Schema { name: schema.text_of("name"), schema: text, strict: None }))
}

/// What only some models know: Anthropic's thinking, and how many tokens are looked at.
fn fields<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    for (name, value) in take::members(value, at)? {
        let at_name = at.name(&name);
        match &*name {
            "thinking" => {
                thinking(talk, value, &at_name)?;
                talk.thinking.name = "additionalModelRequestFields.thinking";
            }
            "output_config" => {
                take::only(value, &at_name, &["effort"])?;
                talk.thinking.effort = value.text_of("effort");
                talk.thinking.name = "additionalModelRequestFields.output_config";
            }
            "top_k" | "topK" => talk.numbers.top_k = take::number(value, "additionalModelRequestFields.top_k")?,
            name => return at.unknown(name),
        }
    }
    Ok(())
}

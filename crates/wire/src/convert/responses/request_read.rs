//! Reads a request for a response.

use std::borrow::Cow;

use super::super::fault::{At, Fault};
use super::super::node::{Node, is_object};
use super::super::seal::{Maker, Seal, redacted};
use super::super::take;
use super::super::talk::{Body, Call, Format, Outcome, Part, Place, Role, Setting, Source, Talk, Tool, ToolChoice};

/// Reads the body. The model, the output limit and the stream are the relay's to set.
pub(in super::super) fn read(body: Node<'_>) -> Result<Talk<'_>, Fault> {
    let mut talk = Talk { stop_name: "stop", ..Talk::default() };
    let top = At::Top;
    for (name, value) in take::members(body, &top)? {
        let at = top.name(&name);
        match &*name {
            "model" | "stream" | "stream_options" | "max_output_tokens" => {}
            "input" => input(&mut talk, value, &at)?,
            "instructions" => {
                let place = Place { list: "instructions", index: 0 };
                let text = take::text(value, &at)?;
                talk.system.insert(0, Part::new(place, Body::Text(text)));
            }
            "tools" => talk.tools = tools(value, &at)?,
            "tool_choice" => talk.tool_choice = Some(tool_choice(value, &at)?),
            "parallel_tool_calls" => talk.parallel = Some(("parallel_tool_calls", take::boolean(value, &at)?)),
            "text" => text_options(&mut talk, value, &at)?,
            "reasoning" => reasoning_options(&mut talk, value, &at)?,
            "temperature" => talk.numbers.temperature = take::number(value, "temperature")?,
            "top_p" => talk.numbers.top_p = take::number(value, "top_p")?,
            "top_logprobs" => talk.numbers.top_logprobs = take::number(value, "top_logprobs")?,
            "user" => talk.user = Some(take::text(value, &at)?),
            "include" => include(&mut talk, value, &at)?,
            _ if is_hint(&name, value) => {}
            _ => return top.unknown(&name),
        }
    }
    talk.numbers.top_logprobs = talk.numbers.top_logprobs.filter(|setting| setting.raw != "0");
    talk.system.retain(|part| !matches!(&part.body, Body::Text(text) if text.is_empty()));
    Ok(talk)
}

/// What changes nothing in the answer. Nothing is stored by a translation, whatever `store` says.
fn is_hint(name: &str, value: Node<'_>) -> bool {
    match name {
        "store" | "metadata" | "prompt_cache_key" | "prompt_cache_retention" | "safety_identifier" => true,
        "background" => value.boolean() == Some(false),
        "truncation" => value.text().as_deref() == Some("disabled"),
        "service_tier" => matches!(value.text().as_deref(), Some("auto" | "default")),
        _ => false,
    }
}

fn include(talk: &mut Talk<'_>, value: Node<'_>, at: &At<'_>) -> Result<(), Fault> {
    for (index, item) in take::texts(value, at)?.into_iter().enumerate() {
        match &*item {
            "reasoning.encrypted_content" => {}
            "message.output_text.logprobs" => {
                talk.numbers.logprobs = Some(Setting { name: "include", raw: "true" });
            }
            _ => return Err(Fault::unsupported(at.item(index), format!("'{item}'"))),
        }
    }
    Ok(())
}

fn input<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    if let Some(text) = value.text() {
        let place = Place { list: "input", index: 0 };
        talk.say(Role::User, Part::new(place, Body::Text(text)));
        return Ok(());
    }
    for (index, item) in take::items(value, at)?.into_iter().enumerate() {
        let at = at.item(index);
        let place = Place { list: "input", index };
        match item.text_of("type").as_deref() {
            None | Some("message") => message(talk, item, place, &at)?,
            Some("function_call") => {
                talk.say(Role::Assistant, Part::new(place, Body::Call(call(item, &at)?)));
            }
            Some("function_call_output") => result(talk, item, place, &at)?,
            Some("reasoning") => {
                if let Some(body) = reasoning(item, &at)? {
                    talk.say(Role::Assistant, Part::new(place, body));
                }
            }
            Some(kind) => return Err(Fault::unsupported(at, format!("an item of the type '{kind}'"))),
        }
    }
    Ok(())
}

fn message<'a>(talk: &mut Talk<'a>, item: Node<'a>, place: Place, at: &At<'_>) -> Result<(), Fault> {
    let role = take::needed(item.text_of("role"), at, "role")?;
    for (name, value) in take::members(item, at)? {
        match &*name {
            // The number and state of an item of an earlier answer; `phase` is a hint of OpenAI's.
            "type" | "role" | "id" | "status" | "phase" => {}
            "content" => {
                let parts = content(value, place, &at.name("content"))?;
                match &*role {
                    "system" | "developer" => talk.system.extend(parts),
                    "user" => parts.into_iter().for_each(|part| talk.say(Role::User, part)),
                    "assistant" => parts.into_iter().for_each(|part| talk.say(Role::Assistant, part)),
                    _ => return Err(Fault::unsupported(at.name("role"), format!("the role '{role}'"))),
                }
            }
            name => return at.unknown(name),
        }
    }
    Ok(())
}

fn content<'a>(value: Node<'a>, place: Place, at: &At<'_>) -> Result<Vec<Part<'a>>, Fault> {
    take::parts(value, place, at, |item, at| Ok(take::unless_empty(place, part(item, at)?)))
}

fn part<'a>(item: Node<'a>, at: &At<'_>) -> Result<Body<'a>, Fault> {
    let kind = take::needed(item.text_of("type"), at, "type")?;
    let (mut text, mut source, mut title) = (None, None, None);
    for (name, value) in take::members(item, at)? {
        let at = at.name(&name);
        match (&*kind, &*name) {
            (_, "type") | ("output_text", "annotations" | "logprobs") | ("input_image", "detail") => {}
            ("input_text" | "output_text", "text") | ("refusal", "refusal") => text = Some(take::text(value, &at)?),
            ("input_image", "image_url") => source = Some(take::source(take::text(value, &at)?, &at)?),
            ("input_file", "file_data") => source = Some(take::source(take::text(value, &at)?, &at)?),
            ("input_file", "file_url") => source = Some(Source::Url { url: take::text(value, &at)?, media: None }),
            ("input_file", "filename") => title = Some(take::text(value, &at)?),
            _ => return Err(Fault::unsupported(at, "this part")),
        }
    }
    match &*kind {
        "input_image" => Ok(Body::Image(take::needed(source, at, "image_url")?)),
        "input_file" => Ok(Body::File(take::needed(source, at, "file_data")?, title)),
        _ => Ok(Body::Text(take::needed(text, at, "text")?)),
    }
}

fn call<'a>(item: Node<'a>, at: &At<'_>) -> Result<Call<'a>, Fault> {
    let (mut id, mut name, mut arguments) = (None, None, Cow::Borrowed("{}"));
    for (member, value) in take::members(item, at)? {
        let at = at.name(&member);
        match &*member {
            "type" | "id" | "status" => {}
            "call_id" => id = Some(take::text(value, &at)?),
            "name" => name = Some(take::text(value, &at)?),
            "arguments" => arguments = take::text(value, &at)?,
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    if arguments.trim().is_empty() {
        arguments = Cow::Borrowed("{}");
    }
    if !is_object(&arguments) {
        return Err(Fault::unsupported(at.name("arguments"), "what is no JSON object"));
    }
    let (id, name) = (take::needed(id, at, "call_id")?, take::needed(name, at, "name")?);
    Ok(Call { id, name, arguments, signature: None })
}

fn result<'a>(talk: &mut Talk<'a>, item: Node<'a>, place: Place, at: &At<'_>) -> Result<(), Fault> {
    let (mut id, mut parts) = (None, Vec::new());
    for (member, value) in take::members(item, at)? {
        let at = at.name(&member);
        match &*member {
            "type" | "id" | "status" => {}
            "call_id" => id = Some(take::text(value, &at)?),
            "output" => parts = content(value, place, &at)?,
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    let id = take::needed(id, at, "call_id")?;
    let name = talk.name_of(&id).map(|name| Cow::Owned(name.to_owned()));
    talk.say(Role::User, Part::new(place, Body::Result(Outcome { id, name, is_error: false, parts })));
    Ok(())
}

/// The thought of a reasoning item; `None` of one without content, whose seal nobody knows.
fn reasoning<'a>(item: Node<'a>, at: &At<'_>) -> Result<Option<Body<'a>>, Fault> {
    let (mut text, mut seal) = (String::new(), Cow::Borrowed(""));
    for (member, value) in take::members(item, at)? {
        let at = at.name(&member);
        match &*member {
            "type" | "id" | "status" => {}
            "encrypted_content" => seal = take::text(value, &at)?,
            "summary" | "content" => {
                for piece in take::items(value, &at)? {
                    text.push_str(&piece.text_of("text").unwrap_or_default());
                }
            }
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    if let Some(data) = redacted(&seal) {
        return Ok(Some(Body::Redacted(data)));
    }
    let signature = Seal::read(seal, Some(Maker::Openai));
    Ok((!text.is_empty() || signature.is_some()).then(|| Body::Thinking { text: text.into(), signature }))
}

fn tools<'a>(value: Node<'a>, at: &At<'_>) -> Result<Vec<Tool<'a>>, Fault> {
    let all = take::items(value, at)?.into_iter().enumerate();
    all.map(|(index, item)| tool(item, &at.item(index))).collect()
}

fn tool<'a>(item: Node<'a>, at: &At<'_>) -> Result<Tool<'a>, Fault> {
    if item.text_of("type").as_deref() != Some("function") {
        return Err(Fault::unsupported(at, "a tool that is not a function"));
    }
    let (mut name, mut description, mut schema, mut strict) = (None, None, None, None);
    for (member, value) in take::members(item, at)? {
        let at_member = at.name(&member);
        match &*member {
            "type" => {}
            "name" => name = Some(take::text(value, &at_member)?),
            "description" => description = Some(take::text(value, &at_member)?),
            "parameters" => schema = Some(Cow::Borrowed(value.raw())),
            "strict" => strict = Some(take::boolean(value, &at_member)?),
            member => return at.unknown(member),
        }
    }
    Ok(Tool { name: take::needed(name, at, "name")?, description, schema, strict, cache: None })
}

fn tool_choice<'a>(value: Node<'a>, at: &At<'_>) -> Result<ToolChoice<'a>, Fault> {
    match value.text().as_deref() {
        Some("none") => return Ok(ToolChoice::None),
        Some("auto") => return Ok(ToolChoice::Auto),
        Some("required") => return Ok(ToolChoice::Required),
        _ => {}
    }
    take::only(value, at, &["type", "name"])?;
    match (value.text_of("type").as_deref(), value.text_of("name")) {
        (Some("function"), Some(name)) => Ok(ToolChoice::Named(name)),
        _ => Err(Fault::unsupported(at, "this choice")),
    }
}

fn text_options<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    for (name, value) in take::members(value, at)? {
        let at = at.name(&name);
        match &*name {
            "format" => {
                take::only(value, &at, &["type", "name", "description", "schema", "strict"])?;
                let format = match value.text_of("type").as_deref() {
                    Some("text") => None,
                    Some("json_object") => Some(Format::Object),
                    Some("json_schema") => Some(Format::Schema {
                        name: value.text_of("name"),
                        schema: Cow::Borrowed(take::needed(value.get("schema"), &at, "schema")?.raw()),
                        strict: value.get("strict").and_then(Node::boolean),
                    }),
                    _ => return Err(Fault::unsupported(at, "this format")),
                };
                talk.format = format.map(|format| ("text.format", format));
            }
            "verbosity" if value.text().as_deref() == Some("medium") => {}
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    Ok(())
}

fn reasoning_options<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    talk.thinking.name = "reasoning.effort";
    for (name, value) in take::members(value, at)? {
        let at = at.name(&name);
        match &*name {
            "effort" => talk.thinking.effort = Some(take::text(value, &at)?),
            // What is shown of the thinking is the provider's choice elsewhere.
            "summary" | "generate_summary" => {}
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    Ok(())
}

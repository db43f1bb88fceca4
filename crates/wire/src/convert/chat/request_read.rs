//! Reads a request of chat completions.

use std::borrow::Cow;

use super::super::fault::{At, Fault};
use super::super::node::{Node, is_object};
use super::super::seal::{Maker, Seal};
use super::super::take;
use super::super::talk::{
    Body, Call, Format, Mode, Outcome, Part, Place, Role, Setting, Source, Talk, Tool, ToolChoice,
};
use super::answer_read::{redacted_of, seal_of};

const LIST: &str = "messages";

/// Reads the body. The model, the output limit and the stream are the relay's to set.
pub(in super::super) fn read(body: Node<'_>) -> Result<Talk<'_>, Fault> {
    let mut talk = Talk { stop_name: "stop", ..Talk::default() };
    let top = At::Top;
    for (name, value) in take::members(body, &top)? {
        let at = top.name(&name);
        match &*name {
            "model" | "stream" | "stream_options" | "max_tokens" | "max_completion_tokens" => {}
            "messages" => messages(&mut talk, value, &at)?,
            "tools" => talk.tools = tools(value, &at)?,
            "tool_choice" => talk.tool_choice = Some(tool_choice(value, &at)?),
            "parallel_tool_calls" => talk.parallel = Some(("parallel_tool_calls", take::boolean(value, &at)?)),
            "response_format" => talk.format = format(value, &at)?.map(|format| ("response_format", format)),
            "stop" => talk.stop = take::texts(value, &at)?,
            "user" => talk.user = Some(take::text(value, &at)?),
            "reasoning_effort" => {
                talk.thinking.effort = Some(take::text(value, &at)?);
                talk.thinking.name = "reasoning_effort";
            }
            "thinking" => thinking(&mut talk, value, &at)?,
            _ if number(&mut talk, &name, value)? || is_hint(&name, value) => {}
            _ => return top.unknown(&name),
        }
    }
    Ok(talk)
}

/// Settings that are numbers or switches; says whether this was one.
fn number<'a>(talk: &mut Talk<'a>, name: &str, value: Node<'a>) -> Result<bool, Fault> {
    let numbers = &mut talk.numbers;
    match name {
        "temperature" => numbers.temperature = take::number(value, "temperature")?,
        "top_p" => numbers.top_p = take::number(value, "top_p")?,
        "top_k" => numbers.top_k = take::number(value, "top_k")?,
        "seed" => numbers.seed = take::number(value, "seed")?,
        "presence_penalty" => numbers.presence_penalty = take::number(value, "presence_penalty")?,
        "frequency_penalty" => numbers.frequency_penalty = take::number(value, "frequency_penalty")?,
        "top_logprobs" => numbers.top_logprobs = take::number(value, "top_logprobs")?,
        "n" => numbers.choices = take::number(value, "n")?.filter(|choices| choices.raw != "1"),
        "logprobs" => {
            let wanted = take::boolean(value, &At::Top.name("logprobs"))?;
            numbers.logprobs = wanted.then_some(Setting { name: "logprobs", raw: "true" });
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// What changes nothing in the answer: hints for caches and for abuse reports, labels, and values that are the default.
fn is_hint(name: &str, value: Node<'_>) -> bool {
    match name {
        "prompt_cache_key" | "prompt_cache_retention" | "safety_identifier" | "metadata" => true,
        "store" => value.boolean() == Some(false),
        "service_tier" => matches!(value.text().as_deref(), Some("auto" | "default")),
        "modalities" => value.items().is_some_and(|all| all.iter().all(|one| one.text().as_deref() == Some("text"))),
        "logit_bias" => value.members().is_some_and(|members| members.is_empty()),
        _ => false,
    }
}

fn messages<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    for (index, message) in take::items(value, at)?.into_iter().enumerate() {
        let at = at.item(index);
        let role = take::needed(message.text_of("role"), &at, "role")?;
        let place = Place { list: LIST, index };
        match &*role {
            "system" | "developer" => said(talk, message, place, &at, None)?,
            "user" => said(talk, message, place, &at, Some(Role::User))?,
            "assistant" => assistant(talk, message, place, &at)?,
            "tool" => tool_result(talk, message, place, &at)?,
            _ => return Err(Fault::unsupported(at.name("role"), format!("the role '{role}'"))),
        }
    }
    Ok(())
}

/// What the user says, or the system where there is no role.
fn said<'a>(
    talk: &mut Talk<'a>,
    message: Node<'a>,
    place: Place,
    at: &At<'_>,
    role: Option<Role>,
) -> Result<(), Fault> {
    for (name, value) in take::members(message, at)? {
        match &*name {
            // A name of the speaker is a hint that no other dialect has.
            "role" | "name" => {}
            "content" => {
                for part in content(value, place, &at.name("content"))? {
                    match role {
                        Some(role) => talk.say(role, part),
                        None => talk.system.push(part),
                    }
                }
            }
            name => return at.unknown(name),
        }
    }
    Ok(())
}

/// A text, or parts. An empty text says nothing, and some providers refuse it.
fn content<'a>(value: Node<'a>, place: Place, at: &At<'_>) -> Result<Vec<Part<'a>>, Fault> {
    take::parts(value, place, at, |item, at| part(item, place, at))
}

fn part<'a>(item: Node<'a>, place: Place, at: &At<'_>) -> Result<Option<Part<'a>>, Fault> {
    let kind = take::needed(item.text_of("type"), at, "type")?;
    let mut cache = None;
    let mut body = None;
    for (name, value) in take::members(item, at)? {
        let at = at.name(&name);
        match (&*kind, &*name) {
            (_, "type") => {}
            (_, "cache_control") => cache = take::cache(value, &at)?,
            ("text", "text") => body = Some(Body::Text(take::text(value, &at)?)),
            ("refusal", "refusal") => body = Some(Body::Text(take::text(value, &at)?)),
            ("image_url", "image_url") => body = Some(Body::Image(image(value, &at)?)),
            ("input_audio", "input_audio") => body = Some(Body::Audio(audio(value, &at)?)),
            ("file", "file") => body = Some(file(value, &at)?),
            _ => return Err(Fault::unsupported(at, "this part")),
        }
    }
    let body = take::needed(body, at, &kind)?;
    Ok((!matches!(&body, Body::Text(text) if text.is_empty())).then_some(Part { place, cache, body }))
}

fn image<'a>(value: Node<'a>, at: &At<'_>) -> Result<Source<'a>, Fault> {
    // Mistral takes the address alone.
    if let Some(address) = value.text() {
        return take::source(address, at);
    }
    take::only(value, at, &["url", "detail"])?;
    take::source(take::needed(value.text_of("url"), at, "url")?, &at.name("url"))
}

fn audio<'a>(value: Node<'a>, at: &At<'_>) -> Result<Source<'a>, Fault> {
    take::only(value, at, &["data", "format"])?;
    let data = take::needed(value.text_of("data"), at, "data")?;
    let format = take::needed(value.text_of("format"), at, "format")?;
    let media = if format == "mp3" { "audio/mpeg".into() } else { format!("audio/{format}").into() };
    Ok(Source::Inline { media, data })
}

fn file<'a>(value: Node<'a>, at: &At<'_>) -> Result<Body<'a>, Fault> {
    let (mut source, mut name) = (None, None);
    for (member, value) in take::members(value, at)? {
        match &*member {
            "file_data" => {
                source = Some(take::source(take::text(value, &at.name("file_data"))?, &at.name("file_data"))?)
            }
            "filename" => name = Some(take::text(value, &at.name("filename"))?),
            member => return at.unknown(member),
        }
    }
    Ok(Body::File(take::needed(source, at, "file_data")?, name))
}

fn assistant<'a>(talk: &mut Talk<'a>, message: Node<'a>, place: Place, at: &At<'_>) -> Result<(), Fault> {
    let (mut thoughts, mut parts, mut calls, mut plain) = (Vec::new(), Vec::new(), Vec::new(), None);
    for (name, value) in take::members(message, at)? {
        let at_name = at.name(&name);
        match &*name {
            "role" | "name" | "annotations" => {}
            "content" => parts.extend(content(value, place, &at_name)?),
            "refusal" => parts.push(Part::new(place, Body::Text(take::text(value, &at_name)?))),
            "reasoning" | "reasoning_content" => plain = Some(take::text(value, &at_name)?),
            "reasoning_details" => thoughts = details(value, place, &at_name)?,
            "tool_calls" => {
                for (index, item) in take::items(value, &at_name)?.into_iter().enumerate() {
                    calls.push(Part::new(place, Body::Call(call(item, &at_name.item(index))?)));
                }
            }
            name => return at.unknown(name),
        }
    }
    // The details say the same once more, and with seals.
    if let (true, Some(text)) = (thoughts.is_empty(), plain.filter(|text| !text.is_empty())) {
        thoughts.push(Part::new(place, Body::Thinking { text, signature: None }));
    }
    for part in thoughts.into_iter().chain(parts).chain(calls) {
        talk.say(Role::Assistant, part);
    }
    Ok(())
}

/// Thinking as OpenRouter writes it. The pieces of a stream come back as they were sent: each seal ends one thought.
fn details<'a>(value: Node<'a>, place: Place, at: &At<'_>) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    for item in take::items(value, at)? {
        if let Some(data) = redacted_of(item) {
            parts.push(Part::new(place, Body::Redacted(data)));
            continue;
        }
        let piece = item.text_of("text").or_else(|| item.text_of("summary")).unwrap_or_default();
        let seal = seal_of(item);
        match parts.last_mut().map(|part| &mut part.body) {
            Some(Body::Thinking { text, signature: signature @ None }) => {
                text.to_mut().push_str(&piece);
                *signature = seal;
            }
            _ => parts.push(Part::new(place, Body::Thinking { text: piece, signature: seal })),
        }
    }
    Ok(parts)
}

fn call<'a>(item: Node<'a>, at: &At<'_>) -> Result<Call<'a>, Fault> {
    let (mut id, mut function, mut signature) = (None, None, None);
    for (name, value) in take::members(item, at)? {
        match &*name {
            "id" => id = Some(take::text(value, &at.name("id"))?),
            "type" if value.text().as_deref() == Some("function") => {}
            "index" => {}
            "function" => function = Some(value),
            // Where Google's own service for this dialect puts it.
            "extra_content" => {
                let seal = value.get("google").and_then(|google| google.text_of("thought_signature"));
                signature = seal.and_then(|seal| Seal::read(seal, Some(Maker::Google)));
            }
            name => return at.unknown(name),
        }
    }
    let function = take::needed(function, at, "function")?;
    let (mut name, mut arguments) = (None, Cow::Borrowed("{}"));
    let at_function = at.name("function");
    for (member, value) in take::members(function, &at_function)? {
        match &*member {
            "name" => name = Some(take::text(value, &at_function.name("name"))?),
            "arguments" => arguments = take::text(value, &at_function.name("arguments"))?,
            member => return at_function.unknown(member),
        }
    }
    if arguments.trim().is_empty() {
        arguments = Cow::Borrowed("{}");
    }
    if !is_object(&arguments) {
        return Err(Fault::unsupported(at_function.name("arguments"), "what is no JSON object"));
    }
    let name = take::needed(name, &at_function, "name")?;
    Ok(Call { id: take::needed(id, at, "id")?, name, arguments, signature })
}

fn tool_result<'a>(talk: &mut Talk<'a>, message: Node<'a>, place: Place, at: &At<'_>) -> Result<(), Fault> {
    let (mut id, mut parts, mut cache) = (None, Vec::new(), None);
    for (name, value) in take::members(message, at)? {
        match &*name {
            "role" | "name" => {}
            "tool_call_id" => id = Some(take::text(value, &at.name("tool_call_id"))?),
            "content" => parts = content(value, place, &at.name("content"))?,
            "cache_control" => cache = take::cache(value, &at.name("cache_control"))?,
            name => return at.unknown(name),
        }
    }
    let id = take::needed(id, at, "tool_call_id")?;
    let name = talk.name_of(&id).map(|name| Cow::Owned(name.to_owned()));
    let outcome = Outcome { id, name, is_error: false, parts };
    talk.say(Role::User, Part { place, cache, body: Body::Result(outcome) });
    Ok(())
}

fn tools<'a>(value: Node<'a>, at: &At<'_>) -> Result<Vec<Tool<'a>>, Fault> {
    let all = take::items(value, at)?.into_iter().enumerate();
    all.map(|(index, item)| tool(item, &at.item(index))).collect()
}

fn tool<'a>(item: Node<'a>, at: &At<'_>) -> Result<Tool<'a>, Fault> {
    let (mut function, mut cache) = (None, None);
    for (name, value) in take::members(item, at)? {
        match &*name {
            "type" if value.text().as_deref() == Some("function") => {}
            "function" => function = Some(value),
            "cache_control" => cache = take::cache(value, &at.name("cache_control"))?,
            name => return Err(Fault::unsupported(at.name(name), "a tool that is not a function")),
        }
    }
    let at = at.name("function");
    let function = take::needed(function, &at, "function")?;
    let (mut name, mut description, mut schema, mut strict) = (None, None, None, None);
    for (member, value) in take::members(function, &at)? {
        match &*member {
            "name" => name = Some(take::text(value, &at.name("name"))?),
            "description" => description = Some(take::text(value, &at.name("description"))?),
            "parameters" => schema = Some(Cow::Borrowed(value.raw())),
            "strict" => strict = Some(take::boolean(value, &at.name("strict"))?),
            member => return at.unknown(member),
        }
    }
    Ok(Tool { name: take::needed(name, &at, "name")?, description, schema, strict, cache })
}

fn tool_choice<'a>(value: Node<'a>, at: &At<'_>) -> Result<ToolChoice<'a>, Fault> {
    match value.text().as_deref() {
        Some("none") => return Ok(ToolChoice::None),
        Some("auto") => return Ok(ToolChoice::Auto),
        // Mistral's word for it is "any".
        Some("required" | "any") => return Ok(ToolChoice::Required),
        _ => {}
    }
    take::only(value, at, &["type", "function"])?;
    let name = value.get("function").and_then(|function| function.text_of("name"));
    match (value.text_of("type").as_deref(), name) {
        (Some("function"), Some(name)) => Ok(ToolChoice::Named(name)),
        _ => Err(Fault::unsupported(at, "this choice")),
    }
}

fn format<'a>(value: Node<'a>, at: &At<'_>) -> Result<Option<Format<'a>>, Fault> {
    take::only(value, at, &["type", "json_schema"])?;
    match value.text_of("type").as_deref() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(Format::Object)),
        Some("json_schema") => {
            let at = at.name("json_schema");
            let schema = take::needed(value.get("json_schema"), &at, "json_schema")?;
            take::only(schema, &at, &["name", "description", "schema", "strict"])?;
            Ok(Some(Format::Schema {
                name: schema.text_of("name"),
                schema: Cow::Borrowed(take::needed(schema.get("schema"), &at, "schema")?.raw()),
                strict: schema.get("strict").and_then(Node::boolean),
            }))
        }
        _ => Err(Fault::unsupported(at, "this format")),
    }
}

/// DeepSeek's and others' switch, in Anthropic's words.
fn thinking<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    let thinking = &mut talk.thinking;
    thinking.name = "thinking";
    for (name, value) in take::members(value, at)? {
        match (&*name, value.text().as_deref()) {
            ("type", Some("enabled")) => thinking.mode = Some(Mode::On),
            ("type", Some("disabled")) => thinking.mode = Some(Mode::Off),
            ("budget_tokens", _) => thinking.budget = take::number(value, "thinking")?.map(|setting| setting.raw),
            (name, _) => return at.unknown(name),
        }
    }
    Ok(())
}

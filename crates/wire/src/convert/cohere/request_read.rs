//! Reads a request of Cohere's chats.

use std::borrow::Cow;

use super::super::fault::{At, Fault};
use super::super::node::{Node, is_object};
use super::super::take;
use super::super::talk::{Body, Call, Format, Mode, Outcome, Part, Place, Role, Talk, Tool, ToolChoice};

const LIST: &str = "messages";

/// Reads the body. The model, the output limit and the stream are the relay's to set.
pub(in super::super) fn read(body: Node<'_>) -> Result<Talk<'_>, Fault> {
    let mut talk = Talk { stop_name: "stop_sequences", ..Talk::default() };
    let mut is_strict = false;
    let top = At::Top;
    for (name, value) in take::members(body, &top)? {
        let at = top.name(&name);
        match &*name {
            "model" | "stream" | "max_tokens" => {}
            "messages" => messages(&mut talk, value, &at)?,
            "tools" => talk.tools = tools(value, &at)?,
            "strict_tools" => is_strict = take::boolean(value, &at)?,
            "tool_choice" => {
                talk.tool_choice = Some(match value.text().as_deref() {
                    Some("REQUIRED") => ToolChoice::Required,
                    Some("NONE") => ToolChoice::None,
                    _ => return Err(Fault::unsupported(at, "this choice")),
                });
            }
            "response_format" => talk.format = format(value, &at)?.map(|format| ("response_format", format)),
            "thinking" => thinking(&mut talk, value, &at)?,
            "stop_sequences" => talk.stop = take::texts(value, &at)?,
            _ if number(&mut talk, &name, value)? || is_hint(&name, value) => {}
            _ => return top.unknown(&name),
        }
    }
    if is_strict {
        talk.tools.iter_mut().for_each(|tool| tool.strict = Some(true));
    }
    Ok(talk)
}

/// Settings that are numbers; says whether this was one.
fn number<'a>(talk: &mut Talk<'a>, name: &str, value: Node<'a>) -> Result<bool, Fault> {
    let numbers = &mut talk.numbers;
    match name {
        "temperature" => numbers.temperature = take::number(value, "temperature")?,
        "p" => numbers.top_p = take::number(value, "p")?,
        // None is the default.
        "k" => numbers.top_k = take::number(value, "k")?.filter(|top_k| top_k.raw != "0"),
        "seed" => numbers.seed = take::number(value, "seed")?,
        "presence_penalty" => numbers.presence_penalty = take::number(value, "presence_penalty")?,
        "frequency_penalty" => numbers.frequency_penalty = take::number(value, "frequency_penalty")?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// What changes nothing in a text: how it is cited and filtered, how urgent it is, and values that are the default.
fn is_hint(name: &str, value: Node<'_>) -> bool {
    match name {
        "citation_options" | "safety_mode" | "priority" => true,
        "documents" => value.items().is_some_and(|documents| documents.is_empty()),
        "logprobs" | "raw_prompting" => value.boolean() == Some(false),
        _ => false,
    }
}

fn messages<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    for (index, message) in take::items(value, at)?.into_iter().enumerate() {
        let at = at.item(index);
        let place = Place { list: LIST, index };
        let role = take::needed(message.text_of("role"), &at, "role")?;
        match &*role {
            "assistant" => assistant(talk, message, place, &at)?,
            "tool" => tool_result(talk, message, place, &at)?,
            "system" | "user" => {
                take::only(message, &at, &["role", "content"])?;
                let parts = take::needed(message.get("content"), &at, "content")?;
                for part in content(parts, place, &at.name("content"))? {
                    match &*role {
                        "user" => talk.say(Role::User, part),
                        _ => talk.system.push(part),
                    }
                }
            }
            _ => return Err(Fault::unsupported(at.name("role"), format!("the role '{role}'"))),
        }
    }
    Ok(())
}

/// A text, or parts.
fn content<'a>(value: Node<'a>, place: Place, at: &At<'_>) -> Result<Vec<Part<'a>>, Fault> {
    take::parts(value, place, at, |item, at| Ok(take::unless_empty(place, part(item, at)?)))
}

fn part<'a>(item: Node<'a>, at: &At<'_>) -> Result<Body<'a>, Fault> {
    let kind = take::needed(item.text_of("type"), at, "type")?;
    let mut body = None;
    for (name, value) in take::members(item, at)? {
        let at = at.name(&name);
        match (&*kind, &*name) {
            (_, "type") => {}
            ("text", "text") => body = Some(Body::Text(take::text(value, &at)?)),
            ("thinking", "thinking") => {
                body = Some(Body::Thinking { text: take::text(value, &at)?, signature: None });
            }
            ("image_url", "image_url") => {
                take::only(value, &at, &["url", "detail"])?;
                let address = take::needed(value.text_of("url"), &at, "url")?;
                body = Some(Body::Image(take::source(address, &at.name("url"))?));
            }
            _ => return Err(Fault::unsupported(at, "this part")),
        }
    }
    take::needed(body, at, &kind)
}

fn assistant<'a>(talk: &mut Talk<'a>, message: Node<'a>, place: Place, at: &At<'_>) -> Result<(), Fault> {
    let (mut parts, mut plan, mut calls) = (Vec::new(), None, Vec::new());
    for (name, value) in take::members(message, at)? {
        let at = at.name(&name);
        match &*name {
            // What it cited is nothing to the next answer.
            "role" | "citations" => {}
            "content" => parts = content(value, place, &at)?,
            "tool_plan" => plan = Some(take::text(value, &at)?).filter(|plan| !plan.is_empty()),
            "tool_calls" => {
                for (index, item) in take::items(value, &at)?.into_iter().enumerate() {
                    calls.push(Part::new(place, Body::Call(call(item, &at.item(index))?)));
                }
            }
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    let plan = plan.map(|plan| Part::new(place, Body::Text(plan)));
    for part in parts.into_iter().chain(plan).chain(calls) {
        talk.say(Role::Assistant, part);
    }
    Ok(())
}

fn call<'a>(item: Node<'a>, at: &At<'_>) -> Result<Call<'a>, Fault> {
    take::only(item, at, &["id", "type", "function"])?;
    let function = take::needed(item.get("function"), at, "function")?;
    let at_function = at.name("function");
    take::only(function, &at_function, &["name", "arguments"])?;
    let mut arguments = function.text_of("arguments").unwrap_or_default();
    if arguments.trim().is_empty() {
        arguments = Cow::Borrowed("{}");
    }
    if !is_object(&arguments) {
        return Err(Fault::unsupported(at_function.name("arguments"), "what is no JSON object"));
    }
    let name = take::needed(function.text_of("name"), &at_function, "name")?;
    Ok(Call { id: take::needed(item.text_of("id"), at, "id")?, name, arguments, signature: None })
}

fn tool_result<'a>(talk: &mut Talk<'a>, message: Node<'a>, place: Place, at: &At<'_>) -> Result<(), Fault> {
    take::only(message, at, &["role", "tool_call_id", "content"])?;
    let id = take::needed(message.text_of("tool_call_id"), at, "tool_call_id")?;
    let at_content = at.name("content");
    let mut parts = Vec::new();
    if let Some(value) = message.get("content") {
        match value.items() {
            None => parts = content(value, place, &at_content)?,
            Some(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    let text = outcome(item, &at_content.item(index))?;
                    parts.push(Part::new(place, Body::Text(text)));
                }
            }
        }
    }
    let name = talk.name_of(&id).map(|name| Cow::Owned(name.to_owned()));
    talk.say(Role::User, Part::new(place, Body::Result(Outcome { id, name, is_error: false, parts })));
    Ok(())
}

/// A text, or a document that may be cited: to every other dialect its data are a text.
fn outcome<'a>(item: Node<'a>, at: &At<'_>) -> Result<Cow<'a, str>, Fault> {
    take::only(item, at, &["type", "text", "document"])?;
    if let Some(text) = item.text_of("text") {
        return Ok(text);
    }
    let document = take::needed(item.get("document"), at, "document")?;
    take::only(document, &at.name("document"), &["data", "id"])?;
    let data = take::needed(document.get("data"), &at.name("document"), "data")?;
    Ok(data.text().unwrap_or(Cow::Borrowed(data.raw())))
}

fn tools<'a>(value: Node<'a>, at: &At<'_>) -> Result<Vec<Tool<'a>>, Fault> {
    let mut tools = Vec::new();
    for (index, item) in take::items(value, at)?.into_iter().enumerate() {
        let at = at.item(index);
        take::only(item, &at, &["type", "function"])?;
        let function = take::needed(item.get("function"), &at, "function")?;
        let at = at.name("function");
        take::only(function, &at, &["name", "description", "parameters"])?;
        tools.push(Tool {
            name: take::needed(function.text_of("name"), &at, "name")?,
            description: function.text_of("description"),
            schema: function.get("parameters").map(|schema| Cow::Borrowed(schema.raw())),
            strict: None,
            cache: None,
        });
    }
    Ok(tools)
}

fn format<'a>(value: Node<'a>, at: &At<'_>) -> Result<Option<Format<'a>>, Fault> {
    take::only(value, at, &["type", "json_schema", "schema"])?;
    match value.text_of("type").as_deref() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(match value.get("json_schema").or_else(|| value.get("schema")) {
            None => Format::Object,
            Some(schema) => Format::Schema { name: None, schema: Cow::Borrowed(schema.raw()), strict: None },
        })),
        _ => Err(Fault::unsupported(at, "this format")),
    }
}

fn thinking<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    talk.thinking.name = "thinking";
    for (name, value) in take::members(value, at)? {
        match (&*name, value.text().as_deref()) {
            ("type", Some("enabled")) => talk.thinking.mode = Some(Mode::On),
            ("type", Some("disabled")) => talk.thinking.mode = Some(Mode::Off),
            ("token_budget", _) => talk.thinking.budget = take::number(value, "thinking")?.map(|setting| setting.raw),
            (name, _) => return at.unknown(name),
        }
    }
    Ok(())
}

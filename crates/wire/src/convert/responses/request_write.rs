//! Writes a request for a response. Nothing is stored at the provider, so that thinking comes back sealed.

use super::super::build::Build;
use super::super::chat::effort;
use super::super::fault::Fault;
use super::super::openai::{tools, user};
use super::super::seal::{Maker, made_by};
use super::super::talk::{Body, Format, Mode, Numbers, Part, Role, Source, Talk, Tool, Turn};
use super::items::summary;

/// The members of the body but for the model and the output limit.
pub(in super::super) fn write(talk: &Talk<'_>, stream: bool, json: &mut Build) -> Result<(), Fault> {
    if stream {
        json.key("stream").boolean(true);
    }
    json.key("store").boolean(false);
    numbers(&talk.numbers, json)?;
    if !talk.stop.is_empty() {
        return Err(Fault::unsupported(talk.stop_name, "this setting"));
    }
    user(talk, json);
    let effort = effort(&talk.thinking);
    let shows_thinking = matches!(talk.thinking.mode, Some(Mode::On | Mode::Adaptive));
    if let Some(effort) = effort {
        json.key("reasoning").begin_object().texted("effort", effort);
        if shows_thinking {
            json.texted("summary", "auto");
        }
        json.end_object();
    }
    let logprobs = talk.numbers.logprobs.is_some().then_some("message.output_text.logprobs");
    let is_thinking = shows_thinking || effort.is_some_and(|effort| effort != "none");
    let seals = is_thinking.then_some("reasoning.encrypted_content");
    if logprobs.is_some() || seals.is_some() {
        json.key("include").begin_array();
        logprobs.into_iter().chain(seals).for_each(|name| json.text(name).done());
        json.end_array();
    }
    if let Some((_, format)) = &talk.format {
        write_format(format, json);
    }
    tools(talk, json, tool, |name, json| json.texted("name", name).done())?;
    json.key("input").begin_array();
    if !talk.system.is_empty() {
        message("system", &talk.system, json)?;
    }
    for turn in &talk.turns {
        write_turn(turn, json)?;
    }
    json.end_array();
    Ok(())
}

fn numbers(numbers: &Numbers<'_>, json: &mut Build) -> Result<(), Fault> {
    let Numbers {
        temperature,
        top_p,
        top_k,
        seed,
        presence_penalty,
        frequency_penalty,
        choices,
        logprobs: _, // in `include`
        top_logprobs,
    } = numbers;
    let penalties = [presence_penalty, frequency_penalty].map(|setting| setting.as_ref().filter(|one| !one.is_zero()));
    let others = [top_k, seed, choices].map(Option::as_ref);
    let unknown = others.into_iter().chain(penalties);
    if let Some(setting) = unknown.flatten().next() {
        return Err(Fault::unsupported(setting.name, "this setting"));
    }
    for (name, setting) in [("temperature", temperature), ("top_p", top_p), ("top_logprobs", top_logprobs)] {
        if let Some(setting) = setting {
            json.key(name).raw(setting.raw);
        }
    }
    Ok(())
}

fn write_format(format: &Format<'_>, json: &mut Build) {
    json.key("text").begin_object().key("format").begin_object();
    match format {
        Format::Object => json.texted("type", "json_object").done(),
        Format::Schema { name, schema, strict } => {
            json.texted("type", "json_schema").texted("name", name.as_deref().unwrap_or("answer"));
            json.key("schema").raw(schema);
            if let Some(strict) = strict {
                json.key("strict").boolean(*strict);
            }
        }
    }
    json.end_object().end_object();
}

fn tool(tool: &Tool<'_>, json: &mut Build) {
    json.begin_object().texted("type", "function").texted("name", &tool.name);
    if let Some(description) = &tool.description {
        json.texted("description", description);
    }
    json.key("parameters").raw(tool.schema.as_deref().unwrap_or(r#"{"type":"object","properties":{}}"#));
    // Here a schema is strict unless it is said not to be.
    json.key("strict").boolean(tool.strict.unwrap_or(false));
    json.end_object();
}

fn message(role: &str, parts: &[Part<'_>], json: &mut Build) -> Result<(), Fault> {
    json.begin_object().texted("type", "message").texted("role", role).key("content").begin_array();
    for part in parts {
        content_part(part, role == "assistant", json)?;
    }
    json.end_array().end_object();
    Ok(())
}

/// The items of a turn: runs of content are messages.
fn write_turn(turn: &Turn<'_>, json: &mut Build) -> Result<(), Fault> {
    let role = if turn.role == Role::User { "user" } else { "assistant" };
    let is_content =
        |part: &Part<'_>| matches!(part.body, Body::Text(_) | Body::Image(_) | Body::Audio(_) | Body::File(..));
    let mut rest: &[Part<'_>] = &turn.parts;
    while let Some(first) = rest.first() {
        if is_content(first) {
            let end = rest.iter().position(|part| !is_content(part)).unwrap_or(rest.len());
            message(role, &rest[..end], json)?;
            rest = &rest[end..];
            continue;
        }
        item(first, json)?;
        rest = &rest[1..];
    }
    Ok(())
}

fn item(part: &Part<'_>, json: &mut Build) -> Result<(), Fault> {
    match &part.body {
        Body::Call(call) => {
            if let Some(seal) = made_by(Maker::Openai, &call.signature) {
                thought("", seal, json);
            }
            json.begin_object().texted("type", "function_call").texted("call_id", &call.id);
            json.texted("name", &call.name).texted("arguments", &call.arguments).end_object();
        }
        Body::Result(outcome) => {
            json.begin_object().texted("type", "function_call_output").texted("call_id", &outcome.id).key("output");
            match &outcome.parts[..] {
                [] => json.text("").done(),
                [Part { body: Body::Text(text), .. }] => json.text(text).done(),
                parts => {
                    json.begin_array();
                    parts.iter().try_for_each(|part| content_part(part, false, json))?;
                    json.end_array();
                }
            }
            json.end_object();
        }
        Body::Thinking { text, signature } => {
            if let Some(seal) = made_by(Maker::Openai, signature) {
                thought(text, seal, json);
            }
        }
        // No thought is taken back without a seal of OpenAI's.
        _ => {}
    }
    Ok(())
}

/// A thought of an earlier turn.
fn thought(text: &str, seal: &str, json: &mut Build) {
    json.begin_object().texted("type", "reasoning").key("summary").begin_array();
    if !text.is_empty() {
        summary(text, json);
    }
    json.end_array().texted("encrypted_content", seal).end_object();
}

fn content_part(part: &Part<'_>, is_answer: bool, json: &mut Build) -> Result<(), Fault> {
    let refuse = |what: &str| Err(Fault::unsupported(part.place, what));
    if is_answer && !matches!(part.body, Body::Text(_)) {
        return refuse(&format!("{} of the assistant", part.body.what()));
    }
    json.begin_object();
    match &part.body {
        Body::Text(text) | Body::File(Source::Text(text), _) => {
            json.texted("type", if is_answer { "output_text" } else { "input_text" }).texted("text", text);
        }
        Body::Image(source) => {
            json.texted("type", "input_image");
            match source {
                Source::Url { url, .. } => json.texted("image_url", url).done(),
                Source::Inline { media, data } => {
                    json.texted("image_url", &format!("data:{media};base64,{data}"));
                }
                Source::Text(_) => return refuse("this image"),
            }
        }
        Body::File(source, name) => {
            json.texted("type", "input_file");
            match source {
                Source::Url { url, .. } => json.texted("file_url", url).done(),
                Source::Inline { media, data } => {
                    json.texted("filename", name.as_deref().unwrap_or("document"));
                    json.texted("file_data", &format!("data:{media};base64,{data}"));
                }
                Source::Text(_) => {}
            }
        }
        other => return refuse(other.what()),
    }
    json.end_object();
    Ok(())
}

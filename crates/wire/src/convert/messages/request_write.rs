//! Writes a request of messages.

use super::super::answer_schema::fitted;
use super::super::build::Build;
use super::super::fault::Fault;
use super::super::node::Node;
use super::super::seal::{Maker, made_by};
use super::super::talk::{
    Body, Cache, Format, Mode, Numbers, Outcome, Part, Role, Source, Talk, Thinking, Tool, ToolChoice, fitting_id,
};

/// The fewest digits that make a phone number.
const PHONE_DIGITS_MIN: usize = 7;

/// The members of the body but for the model and the output limit.
pub(in super::super) fn write(talk: &Talk<'_>, stream: bool, json: &mut Build) -> Result<(), Fault> {
    if stream {
        json.key("stream").boolean(true);
    }
    numbers(&talk.numbers, json)?;
    if !talk.stop.is_empty() {
        json.key("stop_sequences").begin_array();
        talk.stop.iter().for_each(|stop| json.text(stop).done());
        json.end_array();
    }
    if let Some(user) = talk.user.as_deref().filter(|user| !is_personal(user)) {
        json.key("metadata").begin_object().texted("user_id", user).end_object();
    }
    output(talk, json)?;
    if !talk.tools.is_empty() {
        json.key("tools").begin_array();
        talk.tools.iter().for_each(|one| tool(one, json));
        json.end_array();
    }
    tool_choice(talk, json)?;
    if talk.system.iter().any(is_sayable) {
        json.key("system");
        content(&talk.system, json)?;
    }
    json.key("messages").begin_array();
    for turn in &talk.turns {
        if !turn.parts.iter().any(is_sayable) {
            continue;
        }
        let role = if turn.role == Role::User { "user" } else { "assistant" };
        json.begin_object().texted("role", role).key("content");
        content(turn.results_first(), json)?;
        json.end_object();
    }
    json.end_array();
    Ok(())
}

/// Thinking without a seal of Anthropic's is not taken back, and a text of blanks is not taken; nor does Converse.
pub(in super::super) fn is_sayable(part: &Part<'_>) -> bool {
    match &part.body {
        Body::Thinking { signature, .. } => made_by(Maker::Anthropic, signature).is_some(),
        body => !body.is_blank(),
    }
}

/// Whether an end user's id looks like a mail address or a phone number, which is refused.
fn is_personal(user: &str) -> bool {
    let digits = user.bytes().filter(u8::is_ascii_digit).count();
    let is_dialled = |letter: char| letter.is_ascii_digit() || matches!(letter, '+' | '-' | '(' | ')' | ' ');
    user.contains('@') || (digits >= PHONE_DIGITS_MIN && user.chars().all(is_dialled))
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
        logprobs,
        top_logprobs,
    } = numbers;
    for setting in [presence_penalty, frequency_penalty].into_iter().flatten() {
        if !setting.is_zero() {
            return Err(Fault::unsupported(setting.name, "this setting"));
        }
    }
    if let Some(setting) = [seed, choices, logprobs, top_logprobs].into_iter().flatten().next() {
        return Err(Fault::unsupported(setting.name, "this setting"));
    }
    for (name, setting) in [("temperature", temperature), ("top_p", top_p), ("top_k", top_k)] {
        if let Some(setting) = setting {
            json.key(name).raw(setting.raw);
        }
    }
    Ok(())
}

/// Whether the model thinks, and with how many tokens. Converse has the same words.
pub(in super::super) fn think(thinking: &Thinking<'_>, json: &mut Build) {
    match (thinking.mode, thinking.budget) {
        _ if thinking.is_off() => json.key("thinking").begin_object().texted("type", "disabled").end_object().done(),
        (_, Some(budget)) => {
            json.key("thinking").begin_object().texted("type", "enabled").key("budget_tokens").raw(budget).end_object();
        }
        (Some(Mode::On | Mode::Adaptive), None) => {
            json.key("thinking").begin_object().texted("type", "adaptive").end_object();
        }
        (_, None) => {}
    }
}

/// How much it thinks, in words. Converse has the same.
pub(in super::super) fn effort<'t>(thinking: &'t Thinking<'_>) -> Result<Option<&'t str>, Fault> {
    Ok(match thinking.effort.as_deref() {
        _ if thinking.is_off() => None,
        Some("minimal") => Some("low"),
        Some(known @ ("low" | "medium" | "high" | "xhigh" | "max")) => Some(known),
        Some(_) => return Err(Fault::unsupported(thinking.name, "this effort")),
        None => None,
    })
}

/// Thinking, effort and the form of the answer.
fn output(talk: &Talk<'_>, json: &mut Build) -> Result<(), Fault> {
    think(&talk.thinking, json);
    let effort = effort(&talk.thinking)?;
    let schema = match &talk.format {
        None => None,
        Some((name, Format::Schema { schema, .. })) => Some(fitted(schema, name)?),
        Some((name, Format::Object)) => return Err(Fault::unsupported(name, "an answer in JSON without a schema")),
    };
    if effort.is_none() && schema.is_none() {
        return Ok(());
    }
    json.key("output_config").begin_object();
    if let Some(effort) = effort {
        json.texted("effort", effort);
    }
    if let Some(schema) = schema {
        json.key("format").begin_object().texted("type", "json_schema").key("schema").raw(&schema).end_object();
    }
    json.end_object();
    Ok(())
}

fn mark(cache: Option<Cache>, json: &mut Build) {
    if let Some(cache) = cache {
        json.key("cache_control").begin_object().texted("type", "ephemeral");
        if cache == Cache::Hour {
            json.texted("ttl", "1h");
        }
        json.end_object();
    }
}

fn tool(tool: &Tool<'_>, json: &mut Build) {
    json.begin_object().texted("name", &tool.name);
    if let Some(description) = &tool.description {
        json.texted("description", description);
    }
    json.key("input_schema");
    input_schema(tool.schema.as_deref(), json);
    if let Some(strict) = tool.strict {
        json.key("strict").boolean(strict);
    }
    mark(tool.cache, json);
    json.end_object();
}

/// A function without parameters has an empty object of them, and one that does not say so has an object; Converse's too.
pub(in super::super) fn input_schema(schema: Option<&str>, json: &mut Build) {
    let Some(schema) = schema else { return json.raw(r#"{"type":"object","properties":{}}"#).done() };
    match Node::parse(schema.as_bytes()).and_then(Node::members) {
        Some(members) if members.iter().all(|(name, _)| name != "type") => {
            json.begin_object().texted("type", "object");
            for (name, value) in members {
                json.name(&name).raw(value.raw());
            }
            json.end_object();
        }
        _ => json.raw(schema).done(),
    }
}

fn tool_choice(talk: &Talk<'_>, json: &mut Build) -> Result<(), Fault> {
    let is_single = !talk.tools.is_empty() && talk.parallel.is_some_and(|(_, parallel)| !parallel);
    let (kind, name) = match &talk.tool_choice {
        _ if talk.tools.is_empty() => return talk.choose_none(),
        None if is_single => ("auto", None),
        None => return Ok(()),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Named(name)) => ("tool", Some(name)),
    };
    json.key("tool_choice").begin_object().texted("type", kind);
    if let Some(name) = name {
        json.texted("name", name);
    }
    if is_single && kind != "none" {
        json.key("disable_parallel_tool_use").boolean(true);
    }
    json.end_object();
    Ok(())
}

/// One plain text as it is, anything else as blocks.
fn content<'p, 'a: 'p>(parts: impl IntoIterator<Item = &'p Part<'a>>, json: &mut Build) -> Result<(), Fault> {
    let sayable: Vec<&Part<'_>> = parts.into_iter().filter(|part| is_sayable(part)).collect();
    if let [Part { body: Body::Text(text), cache: None, .. }] = &sayable[..] {
        json.text(text);
        return Ok(());
    }
    json.begin_array();
    sayable.into_iter().try_for_each(|part| write_part(part, json))?;
    json.end_array();
    Ok(())
}

fn write_part(part: &Part<'_>, json: &mut Build) -> Result<(), Fault> {
    match &part.body {
        Body::Text(text) => json.begin_object().texted("type", "text").texted("text", text).done(),
        Body::Image(source) => {
            json.begin_object().texted("type", "image");
            write_source(source, json);
        }
        Body::File(source, name) => {
            json.begin_object().texted("type", "document");
            write_source(source, json);
            if let Some(name) = name {
                json.texted("title", name);
            }
        }
        Body::Audio(_) => return Err(Fault::unsupported(part.place, "audio")),
        Body::Call(call) => {
            if let Some(signature) = made_by(Maker::Anthropic, &call.signature) {
                json.begin_object().texted("type", "thinking").texted("thinking", "");
                json.texted("signature", signature).end_object();
            }
            json.begin_object().texted("type", "tool_use").texted("id", &fitting_id(&call.id, usize::MAX));
            json.texted("name", &call.name);
            json.key("input").raw(&call.arguments);
        }
        Body::Result(outcome) => write_result(outcome, json)?,
        Body::Thinking { text, signature } => {
            json.begin_object().texted("type", "thinking").texted("thinking", text);
            json.texted("signature", made_by(Maker::Anthropic, signature).unwrap_or_default());
        }
        Body::Redacted(data) => json.begin_object().texted("type", "redacted_thinking").texted("data", data).done(),
    }
    mark(part.cache, json);
    json.end_object();
    Ok(())
}

fn write_source(source: &Source<'_>, json: &mut Build) {
    json.key("source").begin_object();
    match source {
        Source::Url { url, .. } => json.texted("type", "url").texted("url", url).done(),
        Source::Inline { media, data } => {
            // A common name of a type that has another.
            let media = if media == "image/jpg" { "image/jpeg" } else { media };
            json.texted("type", "base64").texted("media_type", media).texted("data", data);
        }
        Source::Text(text) => {
            json.texted("type", "text").texted("media_type", "text/plain").texted("data", text).done()
        }
    }
    json.end_object();
}

fn write_result(outcome: &Outcome<'_>, json: &mut Build) -> Result<(), Fault> {
    json.begin_object().texted("type", "tool_result").texted("tool_use_id", &fitting_id(&outcome.id, usize::MAX));
    if outcome.parts.iter().any(is_sayable) {
        json.key("content");
        content(&outcome.parts, json)?;
    }
    if outcome.is_error {
        json.key("is_error").boolean(true);
    }
    Ok(())
}

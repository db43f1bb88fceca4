//! Writes a request of Cohere's chats.

use super::super::build::Build;
use super::super::fault::Fault;
use super::super::notes::budget_of;
use super::super::talk::{Body, Format, Numbers, Outcome, Part, Role, Source, Talk, Thinking, ToolChoice, Turn};

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
    thinking(&talk.thinking, json)?;
    if let Some((_, format)) = &talk.format {
        json.key("response_format").begin_object().texted("type", "json_object");
        if let Format::Schema { schema, .. } = format {
            json.key("json_schema").raw(schema);
        }
        json.end_object();
    }
    tools(talk, json)?;
    json.key("messages").begin_array();
    if !talk.system.is_empty() {
        message("system", &talk.system, json)?;
    }
    for turn in &talk.turns {
        match turn.role {
            Role::User => user(turn, json)?,
            Role::Assistant => assistant(turn, json)?,
        }
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
        logprobs,
        top_logprobs,
    } = numbers;
    if let Some(setting) = [choices, logprobs, top_logprobs].into_iter().flatten().next() {
        return Err(Fault::unsupported(setting.name, "this setting"));
    }
    for (name, setting) in [
        ("temperature", temperature),
        ("p", top_p),
        ("k", top_k),
        ("seed", seed),
        ("presence_penalty", presence_penalty),
        ("frequency_penalty", frequency_penalty),
    ] {
        if let Some(setting) = setting {
            json.key(name).raw(setting.raw);
        }
    }
    Ok(())
}

fn thinking(thinking: &Thinking<'_>, json: &mut Build) -> Result<(), Fault> {
    let effort = thinking.effort.as_deref().filter(|_| !thinking.is_off());
    let of_effort = match effort {
        None => None,
        Some(effort) => Some(budget_of(effort).ok_or_else(|| Fault::unsupported(thinking.name, "this effort"))?),
    };
    let budget = thinking.budget.or(of_effort);
    if thinking.is_off() {
        json.key("thinking").begin_object().texted("type", "disabled").end_object();
    } else if budget.is_some() || thinking.mode.is_some() {
        json.key("thinking").begin_object().texted("type", "enabled");
        if let Some(budget) = budget {
            json.key("token_budget").raw(budget);
        }
        json.end_object();
    }
    Ok(())
}

fn tools(talk: &Talk<'_>, json: &mut Build) -> Result<(), Fault> {
    if talk.tools.is_empty() {
        return talk.choose_none();
    }
    talk.refuse_single()?;
    json.key("tools").begin_array();
    for tool in &talk.tools {
        json.begin_object().texted("type", "function").key("function").begin_object().texted("name", &tool.name);
        if let Some(description) = &tool.description {
            json.texted("description", description);
        }
        let schema = tool.schema.as_deref().unwrap_or(r#"{"type":"object","properties":{}}"#);
        json.key("parameters").raw(schema).end_object().end_object();
    }
    json.end_array();
    // One switch for all.
    if talk.tools.iter().all(|tool| tool.strict == Some(true)) {
        json.key("strict_tools").boolean(true);
    }
    match &talk.tool_choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => json.texted("tool_choice", "NONE").done(),
        Some(ToolChoice::Required) => json.texted("tool_choice", "REQUIRED").done(),
        Some(ToolChoice::Named(_)) => return Err(Fault::unsupported(talk.choice_name(), "the choice of one tool")),
    }
    Ok(())
}

fn message(role: &str, parts: &[Part<'_>], json: &mut Build) -> Result<(), Fault> {
    json.begin_object().texted("role", role).key("content");
    if let [Part { body: Body::Text(text), .. }] = parts {
        json.text(text);
    } else {
        json.begin_array();
        parts.iter().try_for_each(|part| write_part(part, json))?;
        json.end_array();
    }
    json.end_object();
    Ok(())
}

fn write_part(part: &Part<'_>, json: &mut Build) -> Result<(), Fault> {
    json.begin_object();
    match &part.body {
        Body::Text(text) | Body::File(Source::Text(text), _) => json.texted("type", "text").texted("text", text).done(),
        Body::Image(Source::Url { url, .. }) => image(url, json),
        Body::Image(Source::Inline { media, data }) => image(&format!("data:{media};base64,{data}"), json),
        other => return Err(Fault::unsupported(part.place, other.what())),
    }
    json.end_object();
    Ok(())
}

fn image(url: &str, json: &mut Build) {
    json.texted("type", "image_url").key("image_url").begin_object().texted("url", url).end_object();
}

/// Runs of content are messages, and each result is one.
fn user(turn: &Turn<'_>, json: &mut Build) -> Result<(), Fault> {
    let mut rest: &[Part<'_>] = &turn.parts;
    while let Some(first) = rest.first() {
        if let Body::Result(outcome) = &first.body {
            result(outcome, json)?;
            rest = &rest[1..];
            continue;
        }
        let end = rest.iter().position(|part| matches!(part.body, Body::Result(_))).unwrap_or(rest.len());
        message("user", &rest[..end], json)?;
        rest = &rest[end..];
    }
    Ok(())
}

fn result(outcome: &Outcome<'_>, json: &mut Build) -> Result<(), Fault> {
    let mut text = String::new();
    for part in &outcome.parts {
        match &part.body {
            Body::Text(more) | Body::File(Source::Text(more), _) => text.push_str(more),
            other => return Err(Fault::unsupported(part.place, format!("{} in a tool result", other.what()))),
        }
    }
    json.begin_object().texted("role", "tool").texted("tool_call_id", &outcome.id).texted("content", &text);
    json.end_object();
    Ok(())
}

/// What is said before calls is their plan.
fn assistant(turn: &Turn<'_>, json: &mut Build) -> Result<(), Fault> {
    let (mut text, mut calls) = (String::new(), Vec::new());
    for part in &turn.parts {
        match &part.body {
            Body::Text(more) => text.push_str(more),
            Body::Call(call) => calls.push(call),
            // Thinking of earlier turns is not taken back.
            Body::Thinking { .. } | Body::Redacted(_) => {}
            other => return Err(Fault::unsupported(part.place, format!("{} of the assistant", other.what()))),
        }
    }
    if text.is_empty() && calls.is_empty() {
        return Ok(());
    }
    json.begin_object().texted("role", "assistant");
    if !text.is_empty() {
        json.texted(if calls.is_empty() { "content" } else { "tool_plan" }, &text);
    }
    if !calls.is_empty() {
        json.key("tool_calls").begin_array();
        for call in calls {
            json.begin_object().texted("id", &call.id).texted("type", "function").key("function").begin_object();
            json.texted("name", &call.name).texted("arguments", &call.arguments).end_object().end_object();
        }
        json.end_array();
    }
    json.end_object();
    Ok(())
}

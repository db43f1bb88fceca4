//! Writes a request for contents.

use super::super::build::Build;
use super::super::fault::Fault;
use super::super::node::is_object;
use super::super::notes::budget_of;
use super::super::seal::{Maker, made_by};
use super::super::talk::{Body, Format, Mode, Numbers, Outcome, Part, Role, Source, Talk, Thinking, ToolChoice, Turn};
use super::NO_SEAL;

/// The members of the body, and those of `generationConfig` but for the output limit.
pub(in super::super) fn write(talk: &Talk<'_>, json: &mut Build, nested: &mut Build) -> Result<(), Fault> {
    numbers(&talk.numbers, nested)?;
    if !talk.stop.is_empty() {
        nested.key("stopSequences").begin_array();
        talk.stop.iter().for_each(|stop| nested.text(stop).done());
        nested.end_array();
    }
    thinking(&talk.thinking, nested)?;
    if let Some((_, format)) = &talk.format {
        nested.texted("responseMimeType", "application/json");
        if let Format::Schema { schema, .. } = format {
            nested.key("responseJsonSchema").raw(schema);
        }
    }
    talk.refuse_single()?;
    tools(talk, json)?;
    if !talk.system.is_empty() {
        json.key("systemInstruction").begin_object().key("parts").begin_array();
        for part in &talk.system {
            write_part(talk, part, None, json)?;
        }
        json.end_array().end_object();
    }
    json.key("contents").begin_array();
    for turn in &talk.turns {
        write_turn(talk, turn, json)?;
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
    for (name, setting) in [
        ("temperature", temperature),
        ("topP", top_p),
        ("topK", top_k),
        ("seed", seed),
        ("presencePenalty", presence_penalty),
        ("frequencyPenalty", frequency_penalty),
        ("candidateCount", choices),
        ("responseLogprobs", logprobs),
        ("logprobs", top_logprobs),
    ] {
        if let Some(setting) = setting {
            json.key(name).raw(setting.raw);
        }
    }
    Ok(())
}

fn thinking(thinking: &Thinking<'_>, json: &mut Build) -> Result<(), Fault> {
    let Thinking { effort, budget, mode, name } = thinking;
    // Words for it are known only to the newest models.
    let effort_tokens = match effort.as_deref() {
        None | Some("none") => None,
        Some(effort) => Some(budget_of(effort).ok_or_else(|| Fault::unsupported(name, "this effort"))?),
    };
    let is_off = thinking.is_off();
    let budget = budget.or(effort_tokens);
    if !is_off && budget.is_none() && mode.is_none() {
        return Ok(());
    }
    json.key("thinkingConfig").begin_object();
    let budget = if is_off { "0" } else { budget.unwrap_or("-1") };
    json.key("thinkingBudget").raw(budget);
    if matches!(mode, Some(Mode::On | Mode::Adaptive)) {
        // Whoever asks another provider to think is shown the thinking.
        json.key("includeThoughts").boolean(true);
    }
    json.end_object();
    Ok(())
}

fn tools(talk: &Talk<'_>, json: &mut Build) -> Result<(), Fault> {
    if talk.tools.is_empty() {
        return talk.choose_none();
    }
    json.key("tools").begin_array().begin_object().key("functionDeclarations").begin_array();
    for tool in &talk.tools {
        json.begin_object().texted("name", &tool.name);
        if let Some(description) = &tool.description {
            json.texted("description", description);
        }
        if let Some(schema) = &tool.schema {
            json.key("parametersJsonSchema").raw(schema);
        }
        json.end_object();
    }
    json.end_array().end_object().end_array();
    let (mode, name) = match &talk.tool_choice {
        None => return Ok(()),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Auto) => ("AUTO", None),
        Some(ToolChoice::Required) => ("ANY", None),
        Some(ToolChoice::Named(name)) => ("ANY", Some(name)),
    };
    json.key("toolConfig").begin_object().key("functionCallingConfig").begin_object().texted("mode", mode);
    if let Some(name) = name {
        json.key("allowedFunctionNames").begin_array().text(name).end_array();
    }
    json.end_object().end_object();
    Ok(())
}

fn write_turn(talk: &Talk<'_>, turn: &Turn<'_>, json: &mut Build) -> Result<(), Fault> {
    let is_sayable = |part: &&Part<'_>| match &part.body {
        Body::Redacted(_) => false,
        Body::Thinking { text, signature } => !text.is_empty() || made_by(Maker::Google, signature).is_some(),
        _ => true,
    };
    if !turn.parts.iter().any(|part| is_sayable(&part)) {
        return Ok(());
    }
    let role = if turn.role == Role::User { "user" } else { "model" };
    json.begin_object().texted("role", role).key("parts").begin_array();
    // A seal without a thought belongs to the part behind it.
    let (mut seal, mut has_called) = (None, false);
    for part in turn.parts.iter().filter(is_sayable) {
        match &part.body {
            Body::Thinking { text, signature } if text.is_empty() => seal = made_by(Maker::Google, signature),
            Body::Call(call) => {
                // The newest models refuse a turn whose first call has no seal; calls beside it have none.
                let none = (!core::mem::replace(&mut has_called, true)).then_some(NO_SEAL);
                write_part(talk, part, made_by(Maker::Google, &call.signature).or(seal.take()).or(none), json)?;
            }
            _ => write_part(talk, part, seal.take(), json)?,
        }
    }
    if let Some(seal) = seal {
        json.begin_object().texted("text", "").texted("thoughtSignature", seal).end_object();
    }
    json.end_array().end_object();
    Ok(())
}

fn write_part(talk: &Talk<'_>, part: &Part<'_>, seal: Option<&str>, json: &mut Build) -> Result<(), Fault> {
    json.begin_object();
    let mut seal = seal;
    match &part.body {
        Body::Text(text) | Body::File(Source::Text(text), _) => json.texted("text", text).done(),
        Body::Image(source) => media(source, Some("image/jpeg"), json),
        Body::Audio(source) | Body::File(source, _) => media(source, None, json),
        Body::Call(call) => {
            json.key("functionCall").begin_object().texted("id", &call.id).texted("name", &call.name);
            json.key("args").raw(&call.arguments).end_object();
        }
        Body::Result(outcome) => result(talk, part, outcome, json)?,
        Body::Thinking { text, signature } => {
            json.texted("text", text).key("thought").boolean(true);
            seal = made_by(Maker::Google, signature);
        }
        Body::Redacted(_) => {}
    }
    if let Some(seal) = seal {
        json.texted("thoughtSignature", seal);
    }
    json.end_object();
    Ok(())
}

/// `kind` is the type where neither the client nor the end of the address says one.
fn media(source: &Source<'_>, kind: Option<&str>, json: &mut Build) {
    match source {
        Source::Inline { media, data } => {
            json.key("inlineData").begin_object().texted("mimeType", media).texted("data", data);
        }
        Source::Url { url, media } => {
            json.key("fileData").begin_object().texted("fileUri", url);
            if let Some(media) = media.as_deref().or_else(|| media_of(url)).or(kind) {
                json.texted("mimeType", media);
            }
        }
        Source::Text(text) => return json.texted("text", text).done(),
    }
    json.end_object();
}

/// The type that the end of an address suggests.
fn media_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or(url).to_ascii_lowercase();
    let ends = [
        (".png", "image/png"),
        (".jpg", "image/jpeg"),
        (".jpeg", "image/jpeg"),
        (".webp", "image/webp"),
        (".gif", "image/gif"),
        (".pdf", "application/pdf"),
    ];
    ends.into_iter().find(|(end, _)| path.ends_with(end)).map(|(_, media)| media)
}

fn result(talk: &Talk<'_>, part: &Part<'_>, outcome: &Outcome<'_>, json: &mut Build) -> Result<(), Fault> {
    let name = outcome.name.as_deref().or_else(|| talk.name_of(&outcome.id));
    let name = name.ok_or_else(|| Fault::unsupported(part.place, "a result of a tool that was not called"))?;
    let mut text = String::new();
    for part in &outcome.parts {
        match &part.body {
            Body::Text(more) => text.push_str(more),
            other => return Err(Fault::unsupported(part.place, format!("{} in a tool result", other.what()))),
        }
    }
    json.key("functionResponse").begin_object().texted("id", &outcome.id).texted("name", name).key("response");
    match (outcome.is_error, is_object(&text)) {
        (false, true) => json.raw(text.trim()).done(),
        (true, true) => json.begin_object().key("error").raw(text.trim()).end_object().done(),
        (false, false) => json.begin_object().texted("result", &text).end_object().done(),
        (true, false) => json.begin_object().texted("error", &text).end_object().done(),
    }
    json.end_object();
    Ok(())
}

//! Writes a request of chat completions.

use super::super::build::Build;
use super::super::fault::Fault;
use super::super::notes::band;
use super::super::openai;
use super::super::talk::{Body, Format, Mode, Numbers, Outcome, Part, Role, Source, Talk, Thinking, Tool, Turn};

/// The members of the body but for the model and the output limit.
pub(in super::super) fn write(talk: &Talk<'_>, stream: bool, json: &mut Build) -> Result<(), Fault> {
    if stream {
        json.key("stream").boolean(true).key("stream_options").begin_object();
        json.key("include_usage").boolean(true).end_object();
    }
    numbers(&talk.numbers, json)?;
    if let Some(effort) = effort(&talk.thinking) {
        json.texted("reasoning_effort", effort);
    }
    if !talk.stop.is_empty() {
        json.key("stop").begin_array();
        talk.stop.iter().for_each(|stop| json.text(stop).done());
        json.end_array();
    }
    openai::user(talk, json);
    if let Some((_, format)) = &talk.format {
        write_format(format, json);
    }
    openai::tools(talk, json, tool, |name, json| {
        json.key("function").begin_object().texted("name", name).end_object();
    })?;
    json.key("messages").begin_array();
    if !talk.system.is_empty() {
        json.begin_object().texted("role", "system").key("content");
        content(&talk.system, json)?;
        json.end_object();
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
    if let Some(top_k) = top_k {
        return Err(Fault::unsupported(top_k.name, "this setting"));
    }
    for (name, setting) in [
        ("temperature", temperature),
        ("top_p", top_p),
        ("seed", seed),
        ("presence_penalty", presence_penalty),
        ("frequency_penalty", frequency_penalty),
        ("n", choices),
        ("logprobs", logprobs),
        ("top_logprobs", top_logprobs),
    ] {
        if let Some(setting) = setting {
            json.key(name).raw(setting.raw);
        }
    }
    Ok(())
}

/// How much to think, in words: a budget in tokens is rounded.
pub(in super::super) fn effort<'t>(thinking: &'t Thinking<'_>) -> Option<&'t str> {
    match (&thinking.effort, thinking.budget, thinking.mode) {
        (_, _, Some(Mode::Off)) => None,
        (Some(effort), ..) => Some(if effort == "max" { "xhigh" } else { effort }),
        (None, Some(budget), _) => Some(band(budget)),
        (None, None, _) => None,
    }
}

fn write_format(format: &Format<'_>, json: &mut Build) {
    json.key("response_format").begin_object();
    match format {
        Format::Object => json.texted("type", "json_object").done(),
        Format::Schema { name, schema, strict } => {
            json.texted("type", "json_schema").key("json_schema").begin_object();
            json.texted("name", name.as_deref().unwrap_or("answer")).key("schema").raw(schema);
            if let Some(strict) = strict {
                json.key("strict").boolean(*strict);
            }
            json.end_object();
        }
    }
    json.end_object();
}

fn tool(tool: &Tool<'_>, json: &mut Build) {
    json.begin_object().texted("type", "function").key("function").begin_object().texted("name", &tool.name);
    if let Some(description) = &tool.description {
        json.texted("description", description);
    }
    if let Some(schema) = &tool.schema {
        json.key("parameters").raw(schema);
    }
    if let Some(strict) = tool.strict {
        json.key("strict").boolean(strict);
    }
    json.end_object().end_object();
}

/// Results first, a message each: they have to stand right behind the calls. Then what the user says.
fn user(turn: &Turn<'_>, json: &mut Build) -> Result<(), Fault> {
    for part in &turn.parts {
        if let Body::Result(outcome) = &part.body {
            result(outcome, json)?;
        }
    }
    let said = || turn.parts.iter().filter(|part| !matches!(part.body, Body::Result(_)));
    if said().next().is_some() {
        json.begin_object().texted("role", "user").key("content");
        content(said(), json)?;
        json.end_object();
    }
    Ok(())
}

fn result(outcome: &Outcome<'_>, json: &mut Build) -> Result<(), Fault> {
    for part in &outcome.parts {
        if !matches!(part.body, Body::Text(_)) {
            return Err(Fault::unsupported(part.place, format!("{} in a tool result", part.body.what())));
        }
    }
    json.begin_object().texted("role", "tool").texted("tool_call_id", &outcome.id).key("content");
    content(&outcome.parts, json)?;
    json.end_object();
    Ok(())
}

/// One text as it is, anything else as parts.
fn content<'p, 'a: 'p>(parts: impl IntoIterator<Item = &'p Part<'a>>, json: &mut Build) -> Result<(), Fault> {
    match &parts.into_iter().collect::<Vec<_>>()[..] {
        [] => json.text("").done(),
        [Part { body: Body::Text(text), .. }] => json.text(text).done(),
        parts => {
            json.begin_array();
            parts.iter().try_for_each(|part| write_part(part, json))?;
            json.end_array();
        }
    }
    Ok(())
}

fn write_part(part: &Part<'_>, json: &mut Build) -> Result<(), Fault> {
    let refuse = |what: &str| Err(Fault::unsupported(part.place, what));
    json.begin_object();
    match &part.body {
        Body::Text(text) | Body::File(Source::Text(text), _) => {
            json.texted("type", "text").texted("text", text);
        }
        Body::Image(source) => {
            json.texted("type", "image_url").key("image_url").begin_object();
            match source {
                Source::Url { url, .. } => json.texted("url", url).done(),
                Source::Inline { media, data } => json.texted("url", &format!("data:{media};base64,{data}")).done(),
                Source::Text(_) => return refuse("this image"),
            }
            json.end_object();
        }
        Body::Audio(Source::Inline { media, data }) => {
            let format = match &**media {
                "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
                "audio/mpeg" | "audio/mp3" => "mp3",
                _ => return refuse("audio of this type"),
            };
            json.texted("type", "input_audio").key("input_audio").begin_object();
            json.texted("data", data).texted("format", format).end_object();
        }
        Body::File(Source::Inline { media, data }, name) => {
            json.texted("type", "file").key("file").begin_object();
            json.texted("filename", name.as_deref().unwrap_or("document"));
            json.texted("file_data", &format!("data:{media};base64,{data}")).end_object();
        }
        other => return refuse(other.what()),
    }
    json.end_object();
    Ok(())
}

fn assistant(turn: &Turn<'_>, json: &mut Build) -> Result<(), Fault> {
    let texts: Vec<&str> = turn
        .parts
        .iter()
        .filter_map(|part| if let Body::Text(text) = &part.body { Some(&**text) } else { None })
        .collect();
    let calls =
        || turn.parts.iter().filter_map(|part| if let Body::Call(call) = &part.body { Some(call) } else { None });
    for part in &turn.parts {
        if !matches!(part.body, Body::Text(_) | Body::Call(_) | Body::Thinking { .. } | Body::Redacted(_)) {
            return Err(Fault::unsupported(part.place, format!("{} of the assistant", part.body.what())));
        }
    }
    if texts.is_empty() && calls().next().is_none() {
        return Ok(());
    }
    json.begin_object().texted("role", "assistant");
    match &texts[..] {
        [] => json.key("content").raw("null").done(),
        [one] => json.texted("content", one).done(),
        many => {
            json.key("content").begin_array();
            for text in many {
                json.begin_object().texted("type", "text").texted("text", text).end_object();
            }
            json.end_array();
        }
    }
    if calls().next().is_some() {
        json.key("tool_calls").begin_array();
        for call in calls() {
            json.begin_object().texted("id", &call.id).texted("type", "function").key("function").begin_object();
            json.texted("name", &call.name).texted("arguments", &call.arguments).end_object();
            json.end_object();
        }
        json.end_array();
    }
    json.end_object();
    Ok(())
}

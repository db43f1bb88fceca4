//! Reads a request for contents. Names may be in `camelCase` or in `snake_case`, as protocol buffers have it.

use std::borrow::Cow;

use super::super::fault::{At, Fault};
use super::super::node::{Members, Node};
use super::super::seal::{Maker, Seal};
use super::super::take;
use super::super::talk::{
    Body, Call, Format, Mode, Outcome, Part, Place, Role, Setting, Source, Talk, Tool, ToolChoice,
};
use super::schema::{camel, to_json_schema};

const LIST: &str = "contents";

/// Reads the body. The model, the output limit and the stream are the relay's to set.
pub(in super::super) fn read(body: Node<'_>) -> Result<Talk<'_>, Fault> {
    let mut talk = Talk {
        stop_name: "generationConfig.stopSequences",
        choice_name: "toolConfig.functionCallingConfig",
        ..Talk::default()
    };
    let top = At::Top;
    // What it may choose from may stand behind it.
    let mut config = None;
    for (name, value) in members(body, &top)? {
        let at = top.name(&name);
        match &*name {
            // The model is in the path; labels and thresholds of filters are the provider's own matters.
            "model" | "labels" | "safetySettings" => {}
            "store" if value.boolean() == Some(false) => {}
            "contents" => contents(&mut talk, value, &at)?,
            "systemInstruction" => {
                let place = Place { list: "systemInstruction", index: 0 };
                let mut reader = Reader::default();
                for (index, part) in parts(value, &at)?.into_iter().enumerate() {
                    let at = at.item(index);
                    let part = reader.part(part, place, &at)?;
                    talk.system.extend(part.into_iter().filter(|part| matches!(part.body, Body::Text(_))));
                }
            }
            "tools" => tools(&mut talk, value, &at)?,
            "toolConfig" => config = Some(value),
            "generationConfig" => generation(&mut talk, value, &at)?,
            _ => return top.unknown(&name),
        }
    }
    if let Some(config) = config {
        tool_config(&mut talk, config, &top.name("toolConfig"))?;
    }
    Ok(talk)
}

/// The members of an object, by their names in `camelCase`.
fn members<'a>(node: Node<'a>, at: &At<'_>) -> Result<Members<'a>, Fault> {
    let members = take::members(node, at)?;
    Ok(members.into_iter().map(|(name, value)| (camel(name), value)).collect())
}

/// The parts of one content, which may be a text alone.
fn parts<'a>(content: Node<'a>, at: &At<'_>) -> Result<Vec<Node<'a>>, Fault> {
    for (name, value) in members(content, at)? {
        match &*name {
            "parts" => return Ok(value.items().unwrap_or_else(|| vec![value])),
            "role" => {}
            name => return at.unknown(name),
        }
    }
    Ok(Vec::new())
}

fn contents<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    let mut reader = Reader::default();
    let all = value.items().unwrap_or_else(|| vec![value]);
    for (index, content) in all.into_iter().enumerate() {
        let at = at.item(index);
        let place = Place { list: LIST, index };
        let role = match content.text_of("role").as_deref() {
            None | Some("user" | "function" | "tool") => Role::User,
            Some("model") => Role::Assistant,
            Some(role) => return Err(Fault::unsupported(at.name("role"), format!("the role '{role}'"))),
        };
        for (index, part) in parts(content, &at)?.into_iter().enumerate() {
            let at = at.item(index);
            for part in reader.part(part, place, &at)? {
                add(talk, role, part);
            }
        }
    }
    Ok(())
}

/// Adds a part; the pieces of one thought are one.
fn add<'a>(talk: &mut Talk<'a>, role: Role, part: Part<'a>) {
    let last = talk.turns.last_mut().filter(|turn| turn.role == role).and_then(|turn| turn.parts.last_mut());
    if let (Body::Thinking { text: more, signature: seal }, Some(last)) = (&part.body, last)
        && let Body::Thinking { text, signature: signature @ None } = &mut last.body
    {
        text.to_mut().push_str(more);
        signature.clone_from(seal);
        return;
    }
    talk.say(role, part);
}

/// Gives ids to calls that have none: their results are matched by name, in order.
#[derive(Default)]
struct Reader<'a> {
    made: usize,
    pending: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Reader<'a> {
    fn part(&mut self, part: Node<'a>, place: Place, at: &At<'_>) -> Result<Vec<Part<'a>>, Fault> {
        if let Some(text) = part.text() {
            return Ok(vec![Part::new(place, Body::Text(text))]);
        }
        let (mut body, mut is_thought, mut signature) = (None, false, None);
        for (name, value) in members(part, at)? {
            let at = at.name(&name);
            match &*name {
                "text" => body = Some(Body::Text(take::text(value, &at)?)),
                "thought" => is_thought = value.boolean() == Some(true),
                "thoughtSignature" => signature = Seal::read(take::text(value, &at)?, Some(Maker::Google)),
                "inlineData" | "fileData" => body = Some(media(value, &at)?),
                "functionCall" => body = Some(Body::Call(self.call(value, &at)?)),
                "functionResponse" => body = Some(self.result(value, place, &at)?),
                _ => return Err(Fault::unsupported(at, "this part")),
            }
        }
        let mut parts = Vec::new();
        match body {
            Some(Body::Text(text)) if is_thought => parts.push(Body::Thinking { text, signature }),
            Some(Body::Call(call)) => parts.push(Body::Call(Call { signature, ..call })),
            Some(Body::Text(text)) => {
                // A seal on a text stands before it.
                parts.extend(signature.map(|seal| Body::Thinking { text: Cow::Borrowed(""), signature: Some(seal) }));
                parts.extend((!text.is_empty()).then_some(Body::Text(text)));
            }
            Some(body) => parts.push(body),
            None if signature.is_some() => parts.push(Body::Thinking { text: Cow::Borrowed(""), signature }),
            None => return Err(Fault::unsupported(at, "a part without content")),
        }
        Ok(parts.into_iter().map(|body| Part::new(place, body)).collect())
    }

    fn call(&mut self, node: Node<'a>, at: &At<'_>) -> Result<Call<'a>, Fault> {
        let (mut id, mut name, mut arguments) = (None, None, Cow::Borrowed("{}"));
        for (member, value) in members(node, at)? {
            let at = at.name(&member);
            match &*member {
                "id" => id = Some(take::text(value, &at)?).filter(|id| !id.is_empty()),
                "name" => name = Some(take::text(value, &at)?),
                "args" => {
                    take::members(value, &at)?;
                    arguments = Cow::Borrowed(value.raw());
                }
                _ => return Err(Fault::unsupported(at, "this field")),
            }
        }
        let name = take::needed(name, at, "name")?;
        let id = id.unwrap_or_else(|| {
            self.made += 1;
            format!("call_{}", self.made).into()
        });
        self.pending.push((name.clone(), id.clone()));
        Ok(Call { id, name, arguments, signature: None })
    }

    fn result(&mut self, node: Node<'a>, place: Place, at: &At<'_>) -> Result<Body<'a>, Fault> {
        let (mut id, mut name, mut response) = (None, None, None);
        for (member, value) in members(node, at)? {
            let at = at.name(&member);
            match &*member {
                "id" => id = Some(take::text(value, &at)?).filter(|id| !id.is_empty()),
                "name" => name = Some(take::text(value, &at)?),
                "response" => response = Some(value),
                _ => return Err(Fault::unsupported(at, "this field")),
            }
        }
        let name = take::needed(name, at, "name")?;
        let found = self.pending.iter().position(|(called, known)| match &id {
            Some(id) => known == id,
            None => *called == name,
        });
        let id = match (id, found.map(|place| self.pending.remove(place))) {
            (Some(id), _) | (None, Some((_, id))) => id,
            (None, None) => return Err(Fault::unsupported(at, "a result of a function that was not called")),
        };
        let (text, is_error) = response.map_or((Cow::Borrowed("{}"), false), outcome);
        let parts = vec![Part::new(place, Body::Text(text))];
        Ok(Body::Result(Outcome { id, name: Some(name), is_error, parts }))
    }
}

/// What a function gave back: an object, whose one member `result` or `error` may say all.
fn outcome(response: Node<'_>) -> (Cow<'_, str>, bool) {
    let members = response.members().unwrap_or_default();
    match &members[..] {
        [(name, value)] if name == "result" && value.text().is_some() => (value.text().unwrap_or_default(), false),
        [(name, value)] if name == "error" => (value.text().unwrap_or(Cow::Borrowed(value.raw())), true),
        _ => (Cow::Borrowed(response.raw()), false),
    }
}

fn media<'a>(value: Node<'a>, at: &At<'_>) -> Result<Body<'a>, Fault> {
    let (mut media, mut data, mut url, mut name) = (None, None, None, None);
    for (member, value) in members(value, at)? {
        let at = at.name(&member);
        match &*member {
            "mimeType" => media = Some(take::text(value, &at)?),
            "data" => data = Some(standard(take::text(value, &at)?)),
            "fileUri" => url = Some(take::text(value, &at)?),
            "displayName" => name = Some(take::text(value, &at)?),
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    let kind = media.as_deref().unwrap_or_default().split('/').next().unwrap_or_default().to_owned();
    let source = match (data, url) {
        (Some(data), None) => Source::Inline { media: take::needed(media, at, "mimeType")?, data },
        (None, Some(url))
            if url.starts_with("https://generativelanguage.googleapis.com/") || url.starts_with("gs://") =>
        {
            return Err(Fault::unsupported(at, "a file of the provider's account"));
        }
        (None, Some(url)) => Source::Url { url, media },
        _ => return Err(Fault::invalid(at, "data or an address")),
    };
    match &*kind {
        "image" => Ok(Body::Image(source)),
        "audio" => Ok(Body::Audio(source)),
        "video" => Err(Fault::unsupported(at, "a video")),
        _ => Ok(Body::File(source, name)),
    }
}

/// Base64 in the alphabet that the others read: Google also takes the one for addresses, and no padding.
fn standard(data: Cow<'_, str>) -> Cow<'_, str> {
    let is_standard = data.len().is_multiple_of(4) && !data.bytes().any(|byte| matches!(byte, b'-' | b'_'));
    if is_standard {
        return data;
    }
    let mut changed = data.replace('-', "+").replace('_', "/");
    while !changed.len().is_multiple_of(4) {
        changed.push('=');
    }
    changed.into()
}

fn tools<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    let all = value.items().unwrap_or_else(|| vec![value]);
    for (index, item) in all.into_iter().enumerate() {
        let at = at.item(index);
        for (name, value) in members(item, &at)? {
            let at = at.name(&name);
            if name != "functionDeclarations" {
                return Err(Fault::unsupported(at, "a tool of the provider's"));
            }
            for (index, function) in take::items(value, &at)?.into_iter().enumerate() {
                talk.tools.push(function_of(function, &at.item(index))?);
            }
        }
    }
    Ok(())
}

fn function_of<'a>(function: Node<'a>, at: &At<'_>) -> Result<Tool<'a>, Fault> {
    let (mut name, mut description, mut schema) = (None, None, None);
    for (member, value) in members(function, at)? {
        let at = at.name(&member);
        match &*member {
            "name" => name = Some(take::text(value, &at)?),
            "description" => description = Some(take::text(value, &at)?),
            "parameters" => schema = Some(Cow::Owned(to_json_schema(value))),
            "parametersJsonSchema" => schema = Some(Cow::Borrowed(value.raw())),
            // What comes back is told to the model only by Google.
            "response" | "responseJsonSchema" => {}
            "behavior" if value.text().as_deref() == Some("BLOCKING") => {}
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    Ok(Tool { name: take::needed(name, at, "name")?, description, schema, strict: None, cache: None })
}

fn tool_config<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    for (name, value) in members(value, at)? {
        let at = at.name(&name);
        if name != "functionCallingConfig" {
            return Err(Fault::unsupported(at, "this field"));
        }
        let (mut mode, mut allowed) = (Cow::Borrowed("AUTO"), Vec::new());
        for (name, value) in members(value, &at)? {
            let at = at.name(&name);
            match &*name {
                "mode" => mode = take::text(value, &at)?,
                "allowedFunctionNames" => allowed = take::texts(value, &at)?,
                _ => return Err(Fault::unsupported(at, "this field")),
            }
        }
        let is_all = allowed.len() > 1
            && allowed.len() == talk.tools.len()
            && talk.tools.iter().all(|tool| allowed.contains(&tool.name));
        let allowed = if is_all { Vec::new() } else { allowed };
        talk.tool_choice = match (&*mode.to_ascii_uppercase(), &allowed[..]) {
            ("AUTO" | "VALIDATED", []) => Some(ToolChoice::Auto),
            ("NONE", _) => Some(ToolChoice::None),
            ("ANY", []) => Some(ToolChoice::Required),
            ("ANY", [only]) => Some(ToolChoice::Named(only.clone())),
            ("MODE_UNSPECIFIED", []) => None,
            _ => return Err(Fault::unsupported(at.name("allowedFunctionNames"), "a choice among several functions")),
        };
    }
    Ok(())
}

fn generation<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    let (mut media, mut schema) = (None, None);
    for (name, value) in members(value, at)? {
        let at = at.name(&name);
        match &*name {
            "maxOutputTokens" => {}
            "stopSequences" => talk.stop = take::texts(value, &at)?,
            "responseMimeType" => media = Some(take::text(value, &at)?),
            "responseSchema" => schema = Some(Cow::Owned(to_json_schema(value))),
            "responseJsonSchema" => schema = Some(Cow::Borrowed(value.raw())),
            "responseModalities" if is_text(value) => {}
            "thinkingConfig" => thinking(talk, value, &at)?,
            "responseLogprobs" => {
                let wanted = take::boolean(value, &at)?;
                let setting = Setting { name: "generationConfig.responseLogprobs", raw: "true" };
                talk.numbers.logprobs = wanted.then_some(setting);
            }
            _ if number(talk, &name, value)? => {}
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    talk.format = match (media.as_deref(), schema) {
        (Some("application/json"), Some(schema)) => {
            Some(("generationConfig.responseSchema", Format::Schema { name: None, schema, strict: None }))
        }
        (Some("application/json"), None) => Some(("generationConfig.responseMimeType", Format::Object)),
        (None | Some("text/plain"), None) => None,
        _ => return Err(Fault::unsupported(at.name("responseMimeType"), "this type of answer")),
    };
    Ok(())
}

fn is_text(value: Node<'_>) -> bool {
    value
        .items()
        .is_some_and(|all| all.iter().all(|one| one.text().is_some_and(|text| text.eq_ignore_ascii_case("text"))))
}

/// Settings that are numbers; says whether this was one.
fn number<'a>(talk: &mut Talk<'a>, name: &str, value: Node<'a>) -> Result<bool, Fault> {
    let numbers = &mut talk.numbers;
    let place = match name {
        "temperature" => (&mut numbers.temperature, "generationConfig.temperature"),
        "topP" => (&mut numbers.top_p, "generationConfig.topP"),
        "topK" => (&mut numbers.top_k, "generationConfig.topK"),
        "seed" => (&mut numbers.seed, "generationConfig.seed"),
        "presencePenalty" => (&mut numbers.presence_penalty, "generationConfig.presencePenalty"),
        "frequencyPenalty" => (&mut numbers.frequency_penalty, "generationConfig.frequencyPenalty"),
        "candidateCount" => (&mut numbers.choices, "generationConfig.candidateCount"),
        "logprobs" => (&mut numbers.top_logprobs, "generationConfig.logprobs"),
        _ => return Ok(false),
    };
    *place.0 = take::number(value, place.1)?;
    numbers.choices = numbers.choices.filter(|choices| choices.raw != "1");
    Ok(true)
}

fn thinking<'a>(talk: &mut Talk<'a>, value: Node<'a>, at: &At<'_>) -> Result<(), Fault> {
    talk.thinking.name = "generationConfig.thinkingConfig";
    for (name, value) in members(value, at)? {
        let at = at.name(&name);
        match &*name {
            "thinkingBudget" => {
                let budget = take::number(value, "generationConfig.thinkingConfig")?.map(|setting| setting.raw);
                match budget {
                    Some("0") => talk.thinking.mode = Some(Mode::Off),
                    Some("-1") => talk.thinking.mode = Some(Mode::Adaptive),
                    budget => (talk.thinking.budget, talk.thinking.mode) = (budget, Some(Mode::On)),
                }
            }
            "thinkingLevel" => talk.thinking.effort = Some(take::text(value, &at)?.to_ascii_lowercase().into()),
            // What is shown of the thinking is the provider's choice elsewhere.
            "includeThoughts" => {}
            _ => return Err(Fault::unsupported(at, "this field")),
        }
    }
    Ok(())
}

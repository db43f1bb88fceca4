//! Writes a request of Converse.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::super::answer_schema::fitted;
use super::super::build::Build;
use super::super::fault::Fault;
use super::super::messages::{effort, input_schema, is_sayable};
use super::super::seal::{Maker, made_by};
use super::super::talk::{
    Body, Cache, Format, Numbers, Outcome, Part, Role, Source, Talk, Tool, ToolChoice, fitting_id,
};
use super::formats::{document_word, image_word};

/// The longest id of a call.
const ID_BYTES_MAX: usize = 64;
/// The longest name of a document.
const NAME_BYTES_MAX: usize = 200;
/// What is kept of one in front of a number.
const STEM_BYTES_MAX: usize = 180;

/// The members of the body, and those of `inferenceConfig` but for the output limit.
pub(in super::super) fn write(talk: &Talk<'_>, json: &mut Build, nested: &mut Build) -> Result<(), Fault> {
    numbers(&talk.numbers, nested)?;
    if !talk.stop.is_empty() {
        nested.key("stopSequences").begin_array();
        talk.stop.iter().for_each(|stop| nested.text(stop).done());
        nested.end_array();
    }
    fields(talk, json)?;
    if let Some((name, format)) = &talk.format {
        let Format::Schema { name: called, schema, .. } = format else {
            return Err(Fault::unsupported(name, "an answer in JSON without a schema"));
        };
        json.key("outputConfig").begin_object().key("textFormat").begin_object().texted("type", "json_schema");
        json.key("structure").begin_object().key("jsonSchema").begin_object().texted("schema", &fitted(schema, name)?);
        json.texted("name", called.as_deref().unwrap_or("answer"));
        json.end_object().end_object().end_object().end_object();
    }
    talk.refuse_single()?;
    tools(talk, json)?;
    let mut writer = Writer { json, documents: 0, names: HashSet::new(), numbers: HashMap::new() };
    if talk.system.iter().any(is_sayable) {
        writer.json.key("system").begin_array();
        talk.system.iter().filter(|part| is_sayable(part)).try_for_each(|part| writer.part(part))?;
        writer.json.end_array();
    }
    writer.turns(talk)
}

fn numbers(numbers: &Numbers<'_>, json: &mut Build) -> Result<(), Fault> {
    let Numbers {
        temperature,
        top_p,
        top_k: _, // in the fields of models
        seed,
        presence_penalty,
        frequency_penalty,
        choices,
        logprobs,
        top_logprobs,
    } = numbers;
    let penalties = [presence_penalty, frequency_penalty].map(|setting| setting.as_ref().filter(|one| !one.is_zero()));
    let others = [seed, choices, logprobs, top_logprobs].map(Option::as_ref);
    if let Some(setting) = others.into_iter().chain(penalties).flatten().next() {
        return Err(Fault::unsupported(setting.name, "this setting"));
    }
    for (name, setting) in [("temperature", temperature), ("topP", top_p)] {
        if let Some(setting) = setting {
            json.key(name).raw(setting.raw);
        }
    }
    Ok(())
}

/// What only some models know, in Anthropic's words.
fn fields(talk: &Talk<'_>, json: &mut Build) -> Result<(), Fault> {
    let mut fields = Build::default();
    super::super::messages::think(&talk.thinking, &mut fields);
    if let Some(effort) = effort(&talk.thinking)? {
        fields.key("output_config").begin_object().texted("effort", effort).end_object();
    }
    if let Some(top_k) = talk.numbers.top_k {
        fields.key("top_k").raw(top_k.raw);
    }
    let fields = fields.take();
    if !fields.is_empty() {
        json.key("additionalModelRequestFields").begin_object();
        json.out.extend_from_slice(&fields);
        json.end_object();
    }
    Ok(())
}

fn tools(talk: &Talk<'_>, json: &mut Build) -> Result<(), Fault> {
    let choice = talk.tool_choice.as_ref().filter(|choice| **choice != ToolChoice::Auto);
    if talk.tools.is_empty() {
        called(talk, json);
        return talk.choose_none();
    }
    json.key("toolConfig").begin_object().key("tools").begin_array();
    talk.tools.iter().for_each(|one| tool(one, json));
    json.end_array();
    match choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => return Err(Fault::unsupported(talk.choice_name(), "tools that may not be called")),
        Some(ToolChoice::Required) => {
            json.key("toolChoice").begin_object().key("any").begin_object().end_object().end_object();
        }
        Some(ToolChoice::Named(name)) => {
            json.key("toolChoice").begin_object().key("tool").begin_object().texted("name", name);
            json.end_object().end_object();
        }
    }
    json.end_object();
    Ok(())
}

/// Calls and results are refused without tools: those that were called are named.
fn called(talk: &Talk<'_>, json: &mut Build) {
    let parts = talk.turns.iter().flat_map(|turn| &turn.parts);
    let names = parts.filter_map(|part| match &part.body {
        Body::Call(call) => Some(&*call.name),
        Body::Result(outcome) => outcome.name.as_deref(),
        _ => None,
    });
    let mut known = HashSet::new();
    let mut names = names.filter(|name| known.insert(*name)).peekable();
    if names.peek().is_none() {
        return;
    }
    json.key("toolConfig").begin_object().key("tools").begin_array();
    for name in names {
        let name = Cow::Borrowed(name);
        tool(&Tool { name, description: None, schema: None, strict: None, cache: None }, json);
    }
    json.end_array().end_object();
}

fn tool(tool: &Tool<'_>, json: &mut Build) {
    json.begin_object().key("toolSpec").begin_object().texted("name", &tool.name);
    if let Some(description) = tool.description.as_deref().filter(|text| !text.is_empty()) {
        json.texted("description", description);
    }
    json.key("inputSchema").begin_object().key("json");
    input_schema(tool.schema.as_deref(), json);
    json.end_object();
    // Some models refuse the word, whatever it says.
    if tool.strict == Some(true) {
        json.key("strict").boolean(true);
    }
    json.end_object().end_object();
    mark(tool.cache, json);
}

/// A block of its own behind what is to be kept.
fn mark(cache: Option<Cache>, json: &mut Build) {
    if let Some(cache) = cache {
        json.begin_object().key("cachePoint").begin_object().texted("type", "default");
        if cache == Cache::Hour {
            json.texted("ttl", "1h");
        }
        json.end_object().end_object();
    }
}

/// A document's name as Converse takes it: letters, digits, hyphens, brackets, and no blanks side by side.
fn name_of(name: &str) -> String {
    let mut clean = String::with_capacity(name.len());
    for letter in name.chars() {
        let letter = match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '(' | ')' | '[' | ']' => letter,
            ' ' if !clean.ends_with(' ') => letter,
            ' ' => continue,
            _ => '-',
        };
        clean.push(letter);
    }
    shortened(&clean, NAME_BYTES_MAX).to_owned()
}

/// The beginning of a name of single bytes, without blanks around it.
fn shortened(name: &str, longest: usize) -> &str {
    name.get(..longest).unwrap_or(name).trim()
}

struct Writer<'b> {
    json: &'b mut Build,
    /// Documents so far: one without a name is called by its number.
    documents: usize,
    names: HashSet<String>,
    /// The number that was last put behind what several names begin with.
    numbers: HashMap<String, usize>,
}

impl Writer<'_> {
    /// Both sides take turns: where nothing is left of one, the other goes on.
    fn turns(&mut self, talk: &Talk<'_>) -> Result<(), Fault> {
        let mut speaking = None;
        self.json.key("messages").begin_array();
        for turn in talk.turns.iter().filter(|turn| turn.parts.iter().any(is_sayable)) {
            if speaking.is_some_and(|role| role != turn.role) {
                self.json.end_array().end_object();
            }
            if speaking.replace(turn.role) != Some(turn.role) {
                let role = if turn.role == Role::User { "user" } else { "assistant" };
                self.json.begin_object().texted("role", role).key("content").begin_array();
            }
            turn.results_first().filter(|part| is_sayable(part)).try_for_each(|part| self.part(part))?;
        }
        if speaking.is_some() {
            self.json.end_array().end_object();
        }
        self.json.end_array();
        Ok(())
    }

    /// The next document's name, which no other of the request may have.
    fn name(&mut self, name: Option<&str>) -> String {
        self.documents += 1;
        let name = name.map(name_of).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| format!("document {}", self.documents));
        if self.names.insert(name.clone()) {
            return name;
        }
        let stem = shortened(&name, STEM_BYTES_MAX);
        let number = self.numbers.entry(stem.to_owned()).or_insert(1);
        loop {
            *number += 1;
            let unique = format!("{stem} {number}");
            if self.names.insert(unique.clone()) {
                return unique;
            }
        }
    }

    fn part(&mut self, part: &Part<'_>) -> Result<(), Fault> {
        match &part.body {
            Body::Call(call) => {
                if let Some(signature) = made_by(Maker::Anthropic, &call.signature) {
                    thought("", signature, self.json);
                }
                self.json
                    .begin_object()
                    .key("toolUse")
                    .begin_object()
                    .texted("toolUseId", &fitting_id(&call.id, ID_BYTES_MAX));
                self.json.texted("name", &call.name).key("input").raw(&call.arguments).end_object().end_object();
            }
            Body::Result(outcome) => self.result(outcome)?,
            Body::Thinking { text, signature } => {
                thought(text, made_by(Maker::Anthropic, signature).unwrap_or_default(), self.json);
            }
            Body::Redacted(data) => {
                self.json.begin_object().key("reasoningContent").begin_object().texted("redactedContent", data);
                self.json.end_object().end_object();
            }
            _ => self.said(part)?,
        }
        mark(part.cache, self.json);
        Ok(())
    }

    /// Texts, images and documents, which may stand in results too.
    fn said(&mut self, part: &Part<'_>) -> Result<(), Fault> {
        let refuse = |what: &str| Err(Fault::unsupported(part.place, what));
        match &part.body {
            Body::Text(text) => self.json.begin_object().texted("text", text).end_object().done(),
            Body::Image(Source::Inline { media, data }) => {
                let Some(word) = image_word(media) else { return refuse("an image of this type") };
                self.json.begin_object().key("image").begin_object().texted("format", word);
                self.json.key("source").begin_object().texted("bytes", data);
                self.json.end_object().end_object().end_object();
            }
            Body::Image(_) => return refuse("an image by its address"),
            Body::File(source, name) => {
                let name = self.name(name.as_deref());
                let (word, member, data) = match source {
                    Source::Inline { media, data } => match document_word(media) {
                        Some(word) => (word, "bytes", data),
                        None => return refuse("a file of this type"),
                    },
                    Source::Text(text) => ("txt", "text", text),
                    Source::Url { .. } => return refuse("a file by its address"),
                };
                self.json.begin_object().key("document").begin_object().texted("format", word).texted("name", &name);
                self.json.key("source").begin_object().texted(member, data);
                self.json.end_object().end_object().end_object();
            }
            other => return refuse(other.what()),
        }
        Ok(())
    }

    fn result(&mut self, outcome: &Outcome<'_>) -> Result<(), Fault> {
        self.json
            .begin_object()
            .key("toolResult")
            .begin_object()
            .texted("toolUseId", &fitting_id(&outcome.id, ID_BYTES_MAX));
        self.json.key("content").begin_array();
        outcome.parts.iter().try_for_each(|part| self.said(part))?;
        if outcome.parts.is_empty() {
            // Some models refuse a result of nothing, but none one of an empty text.
            self.json.begin_object().texted("text", "").end_object();
        }
        self.json.end_array();
        if outcome.is_error {
            self.json.texted("status", "error");
        }
        self.json.end_object().end_object();
        Ok(())
    }
}

fn thought(text: &str, signature: &str, json: &mut Build) {
    json.begin_object().key("reasoningContent").begin_object().key("reasoningText").begin_object();
    json.texted("text", text).texted("signature", signature).end_object().end_object().end_object();
}

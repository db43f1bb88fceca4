//! What a request asks for, read leniently the way a provider does.

use serde_json::{Map, Value};

use crate::errors::ErrorAnswer;
use crate::tokens::{IMAGE_TOKENS, MESSAGE_TOKENS, PRIMER_TOKENS, count_tokens};

/// Choices, prompts and inputs of one request at most.
const CHOICES_MAX: u64 = 128;
const INPUTS_MAX: usize = 2048;

/// The members that chat/completions and completions share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Common {
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) choices: usize,
    pub(crate) output_limit: Option<u64>,
    pub(crate) prompt_tokens: u64,
}

/// A chat/completions request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChatCall {
    pub(crate) common: Common,
    pub(crate) last_user_text: String,
    /// The function to call, when the request makes this model call one.
    pub(crate) function: Option<String>,
    /// What its arguments look like, where that is said.
    pub(crate) parameters: Option<Value>,
    /// The schema of the JSON to answer with; null for any.
    pub(crate) schema: Option<Value>,
}

/// A completions request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CompletionCall {
    pub(crate) common: Common,
    pub(crate) prompts: Vec<String>,
    pub(crate) echo: bool,
    pub(crate) best_of: usize,
}

/// An embeddings request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmbeddingCall {
    pub(crate) model: String,
    pub(crate) inputs: Vec<String>,
    pub(crate) prompt_tokens: u64,
    pub(crate) is_base64: bool,
    pub(crate) dimensions: Option<usize>,
}

pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, ErrorAnswer> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(ErrorAnswer::not_json()),
    }
}

pub(crate) fn model(members: &Map<String, Value>) -> Result<String, ErrorAnswer> {
    match members.get("model") {
        Some(Value::String(model)) if !model.is_empty() => Ok(model.clone()),
        _ => Err(ErrorAnswer::invalid("you must provide a model parameter", Some("model"))),
    }
}

fn common(members: &Map<String, Value>, prompt_tokens: u64) -> Result<Common, ErrorAnswer> {
    let choices = whole_number(members, "n")?.unwrap_or(1);
    if choices > CHOICES_MAX {
        return Err(ErrorAnswer::invalid("'n' is above the maximum value of 128", Some("n")));
    }
    let output_limit = match whole_number(members, "max_completion_tokens")? {
        Some(limit) => Some(limit),
        None => whole_number(members, "max_tokens")?,
    };
    Ok(Common {
        model: model(members)?,
        stream: members.get("stream").and_then(Value::as_bool).unwrap_or(false),
        include_usage: members.get("stream_options").is_some_and(|options| options["include_usage"] == true),
        choices: choices as usize,
        output_limit,
        prompt_tokens,
    })
}

fn whole_number(members: &Map<String, Value>, name: &str) -> Result<Option<u64>, ErrorAnswer> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number @ 1..) => Ok(Some(number)),
            _ => Err(ErrorAnswer::invalid(&format!("Invalid '{name}': expected a positive integer"), Some(name))),
        },
    }
}

impl ChatCall {
    pub(crate) fn read(members: &Map<String, Value>) -> Result<ChatCall, ErrorAnswer> {
        let messages = match members.get("messages") {
            Some(Value::Array(messages)) if !messages.is_empty() => messages,
            _ => return Err(ErrorAnswer::invalid("Missing required parameter: 'messages'.", Some("messages"))),
        };
        let tools = ["tools", "functions"].into_iter().filter_map(|name| members.get(name)).map(strings_tokens);
        let prompt_tokens = PRIMER_TOKENS + messages.iter().map(message_tokens).sum::<u64>() + tools.sum::<u64>();
        let last_user = messages.iter().rev().find(|message| message["role"] == "user");
        let function = function_to_call(members, messages);
        Ok(ChatCall {
            common: common(members, prompt_tokens)?,
            last_user_text: last_user.map(|message| text_of(&message["content"])).unwrap_or_default(),
            parameters: function.as_ref().and_then(|name| parameters(members.get("tools")?, name)),
            function,
            schema: members.get("response_format").and_then(|format| match format["type"].as_str() {
                Some("json_schema") => Some(format["json_schema"]["schema"].clone()),
                Some("json_object") => Some(Value::Null),
                _ => None,
            }),
        })
    }
}

/// What the arguments of a function look like, in whatever words its declaration is somewhere in `declared`.
pub(crate) fn parameters(declared: &Value, function: &str) -> Option<Value> {
    match declared {
        Value::Array(items) => items.iter().find_map(|item| parameters(item, function)),
        Value::Object(members) if members.get("name").is_some_and(|name| name == function) => {
            let names = ["parameters", "parametersJsonSchema", "input_schema", "inputSchema"];
            let schema = names.iter().find_map(|name| members.get(*name))?;
            Some(schema.get("json").unwrap_or(schema).clone())
        }
        Value::Object(members) => members.values().find_map(|item| parameters(item, function)),
        _ => None,
    }
}

/// The named or first function, unless a tool has just answered or the caller forbids it.
fn function_to_call(members: &Map<String, Value>, messages: &[Value]) -> Option<String> {
    let choice = members.get("tool_choice").unwrap_or(&Value::Null);
    if choice == "none" || messages.last().is_some_and(|message| message["role"] == "tool") {
        return None;
    }
    if let Some(name) = choice["function"]["name"].as_str() {
        return Some(name.to_owned());
    }
    let tools = members.get("tools")?.as_array()?;
    tools.iter().find_map(|tool| tool["function"]["name"].as_str()).map(str::to_owned)
}

fn message_tokens(message: &Value) -> u64 {
    let content = match &message["content"] {
        Value::String(text) => count_tokens(text),
        Value::Array(parts) => parts.iter().map(part_tokens).sum(),
        _ => 0,
    };
    let name = message["name"].as_str().map_or(0, count_tokens);
    let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| {
        let function = &call["function"];
        ["name", "arguments"].iter().map(|member| function[*member].as_str().map_or(0, count_tokens)).sum::<u64>()
    });
    MESSAGE_TOKENS + content + name + calls.sum::<u64>()
}

fn part_tokens(part: &Value) -> u64 {
    match part["type"].as_str() {
        Some("image_url" | "input_audio" | "file") => IMAGE_TOKENS,
        _ => ["text", "refusal"].iter().map(|member| part[*member].as_str().map_or(0, count_tokens)).sum(),
    }
}

fn strings_tokens(value: &Value) -> u64 {
    match value {
        Value::String(text) => count_tokens(text),
        Value::Array(items) => items.iter().map(strings_tokens).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| count_tokens(name) + strings_tokens(value)).sum(),
        _ => 0,
    }
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

impl CompletionCall {
    pub(crate) fn read(members: &Map<String, Value>) -> Result<CompletionCall, ErrorAnswer> {
        let (prompts, prompt_tokens) = inputs(members, "prompt")?;
        let common = common(members, prompt_tokens)?;
        let best_of = whole_number(members, "best_of")?.unwrap_or(common.choices as u64).min(CHOICES_MAX) as usize;
        if best_of < common.choices {
            return Err(ErrorAnswer::invalid("'best_of' must be at least 'n'", Some("best_of")));
        }
        let echo = members.get("echo").and_then(Value::as_bool).unwrap_or(false);
        Ok(CompletionCall { common, prompts, echo, best_of })
    }
}

impl EmbeddingCall {
    pub(crate) fn read(members: &Map<String, Value>) -> Result<EmbeddingCall, ErrorAnswer> {
        let (inputs, prompt_tokens) = inputs(members, "input")?;
        let is_base64 = match members.get("encoding_format").and_then(Value::as_str) {
            None | Some("float") => false,
            Some("base64") => true,
            Some(_) => return Err(ErrorAnswer::invalid("expected 'float' or 'base64'", Some("encoding_format"))),
        };
        let dimensions = whole_number(members, "dimensions")?.map(|dimensions| dimensions.min(4096) as usize);
        Ok(EmbeddingCall { model: model(members)?, inputs, prompt_tokens, is_base64, dimensions })
    }
}

/// A text, an array of texts, an array of token numbers, or an array of those; token numbers count one each.
fn inputs(members: &Map<String, Value>, name: &str) -> Result<(Vec<String>, u64), ErrorAnswer> {
    let refuse = || ErrorAnswer::invalid(&format!("Invalid '{name}'"), Some(name));
    match members.get(name) {
        Some(Value::String(text)) => Ok((vec![text.clone()], count_tokens(text))),
        Some(Value::Array(items)) if items.is_empty() => Err(refuse()),
        Some(Value::Array(items)) if items.iter().all(Value::is_u64) => {
            Ok((vec![numbers_text(items)], items.len() as u64))
        }
        Some(Value::Array(items)) if items.len() <= INPUTS_MAX => {
            let mut texts = Vec::with_capacity(items.len());
            let mut tokens = 0;
            for item in items {
                match item {
                    Value::String(text) => {
                        tokens += count_tokens(text);
                        texts.push(text.clone());
                    }
                    Value::Array(numbers) if numbers.iter().all(Value::is_u64) => {
                        tokens += numbers.len() as u64;
                        texts.push(numbers_text(numbers));
                    }
                    _ => return Err(refuse()),
                }
            }
            Ok((texts, tokens))
        }
        _ => Err(refuse()),
    }
}

fn numbers_text(numbers: &[Value]) -> String {
    numbers.iter().map(|number| format!("<{number}>")).collect()
}

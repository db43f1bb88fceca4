//! Reads an answer of contents, whole or piece by piece, which look alike.

use super::super::build::Build;
use super::super::counts;
use super::super::node::Node;
use super::super::problem;
use super::super::said::{CHOICES_MAX, Event, Finish, Names};
use super::super::seal::{Maker, Seal};
use crate::dialect::Endpoint;
use crate::usage::Usage;

/// What is known between pieces.
#[derive(Debug)]
pub(in super::super) struct Reader {
    /// For the ids of calls, which Google may leave out.
    id: String,
    has_begun: bool,
    /// The calls of each choice so far.
    calls: Vec<usize>,
    usage: Option<Usage>,
}

impl Reader {
    pub(in super::super) fn new(names: &Names) -> Reader {
        Reader { id: names.id.clone(), has_begun: false, calls: Vec::new(), usage: None }
    }

    /// A whole answer; `None` when it is none.
    pub(in super::super) fn whole(&mut self, body: Node<'_>, events: &mut Vec<Event>) -> Option<()> {
        body.get("candidates").or_else(|| body.get("promptFeedback")).or_else(|| body.get("usageMetadata"))?;
        self.piece(body, events)?;
        // The prompt alone was counted: an answer without words is one nevertheless.
        if events.iter().all(|event| matches!(event, Event::Start { .. } | Event::Usage(_))) {
            events.push(Event::Finish { choice: 0, finish: Finish::Stop });
        }
        events.push(Event::End);
        Some(())
    }

    /// The data of one event; `None` when it is not what the dialect says.
    pub(in super::super) fn event(&mut self, data: &[u8], events: &mut Vec<Event>) -> Option<()> {
        let node = Node::parse(data)?;
        if let Some(error) = node.get("error") {
            events.push(Event::Problem(problem::google(error, 0)));
            return Some(());
        }
        self.piece(node, events)
    }

    fn piece(&mut self, node: Node<'_>, events: &mut Vec<Event>) -> Option<()> {
        let members = node.members()?;
        let get = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, node)| *node);
        if !core::mem::replace(&mut self.has_begun, true) {
            let text_of = |name: &str| get(name).and_then(Node::text).unwrap_or_default().into_owned();
            events.push(Event::Start { id: text_of("responseId"), model: text_of("modelVersion") });
        }
        let candidates = get("candidates").and_then(Node::items).unwrap_or_default();
        let is_blocked = get("promptFeedback").is_some_and(|feedback| feedback.get("blockReason").is_some());
        if candidates.is_empty() && is_blocked {
            events.push(Event::Finish { choice: 0, finish: Finish::Filter });
        }
        for (place, candidate) in candidates.into_iter().enumerate() {
            self.candidate(candidate, place, events)?;
        }
        let usage = get("usageMetadata").and_then(|usage| counts::read(Endpoint::GenerateContent, usage));
        if usage.is_some() && usage != self.usage {
            self.usage = usage;
            events.extend(usage.map(Event::Usage));
        }
        Some(())
    }

    fn candidate(&mut self, candidate: Node<'_>, place: usize, events: &mut Vec<Event>) -> Option<()> {
        let choice = candidate.get("index").and_then(Node::count).map_or(place, |index| index as usize);
        if choice >= CHOICES_MAX {
            return None;
        }
        while self.calls.len() <= choice {
            self.calls.push(0);
        }
        let parts = candidate.get("content").and_then(|content| content.get("parts")).and_then(Node::items);
        for part in parts.unwrap_or_default() {
            self.part(part, choice, events)?;
        }
        let items = candidate.get("logprobsResult").map(logprobs).unwrap_or_default();
        if !items.is_empty() {
            events.push(Event::Logprobs { choice, items });
        }
        if let Some(reason) = candidate.get("finishReason") {
            let reason = reason.text().unwrap_or_else(|| reason.raw().into());
            events.extend(end(choice, &reason, self.calls[choice] > 0));
        }
        Some(())
    }

    fn part(&mut self, part: Node<'_>, choice: usize, events: &mut Vec<Event>) -> Option<()> {
        let members = part.members()?;
        let get = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, node)| *node);
        let seal = get("thoughtSignature").and_then(Node::text).and_then(|seal| Seal::read(seal, Some(Maker::Google)));
        let seal = seal.map(Seal::into_owned);
        if let Some(function) = get("functionCall") {
            let call = self.calls[choice];
            self.calls[choice] += 1;
            let id = function.text_of("id").filter(|id| !id.is_empty()).map(|id| id.into_owned());
            let id = id.unwrap_or_else(|| format!("call_{}_{choice}_{call}", self.id));
            let name = function.text_of("name").unwrap_or_default().into_owned();
            events.push(Event::Call { choice, call, id, name, signature: seal });
            let text = function.get("args").map_or_else(|| "{}".to_owned(), |args| args.raw().to_owned());
            events.push(Event::Arguments { choice, call, text });
            return Some(());
        }
        let text = get("text").and_then(Node::text).unwrap_or_default().into_owned();
        let is_thought = get("thought").and_then(Node::boolean) == Some(true);
        if is_thought && !text.is_empty() {
            events.push(Event::Thinking { choice, text: text.clone() });
        }
        events.extend(seal.map(|signature| Event::Signature { choice, signature }));
        if !is_thought && !text.is_empty() {
            events.push(Event::Text { choice, text });
        }
        Some(())
    }
}

/// Why a candidate ended; `None` while it goes on. Some services write the number of the word.
fn end(choice: usize, reason: &str, has_calls: bool) -> Option<Event> {
    let finish = match reason {
        "" | "FINISH_REASON_UNSPECIFIED" | "0" => return None,
        "STOP" | "1" if has_calls => Finish::Calls,
        "MAX_TOKENS" | "2" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Finish::Filter,
        "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE" => return Some(Event::Problem(problem::unclean(reason))),
        _ => Finish::Stop,
    };
    Some(Event::Finish { choice, finish })
}

/// Chances of tokens, as chats write them.
fn logprobs(result: Node<'_>) -> Vec<String> {
    let chosen = result.get("chosenCandidates").and_then(Node::items).unwrap_or_default();
    let others = result.get("topCandidates").and_then(Node::items).unwrap_or_default();
    let mut items = Vec::with_capacity(chosen.len());
    for (index, candidate) in chosen.into_iter().enumerate() {
        let mut json = Build::new();
        json.begin_object();
        chance(candidate, &mut json);
        json.key("top_logprobs").begin_array();
        let top = others.get(index).and_then(|top| top.get("candidates")).and_then(Node::items).unwrap_or_default();
        for candidate in top {
            json.begin_object();
            chance(candidate, &mut json);
            json.end_object();
        }
        json.end_array().end_object();
        items.extend(String::from_utf8(json.take()));
    }
    items
}

fn chance(candidate: Node<'_>, json: &mut Build) {
    json.texted("token", &candidate.text_of("token").unwrap_or_default()).key("logprob");
    json.raw(candidate.get("logProbability").and_then(Node::number).unwrap_or("0")).key("bytes").raw("null");
}

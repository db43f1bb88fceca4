//! Recorded traffic of real providers, translated there and back: nothing is lost that is not in the table.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::answer_schema::fitted;
use super::super::form::{FORMS, Reader, read, whole};
use super::super::node::Node;
use super::super::notes::CHECKED;
use super::super::request::Translation;
use super::super::said::{Event, Finish, Piece, Said};
use super::super::seal::{Maker, made_by};
use super::super::stream::AnswerTranslator;
use super::super::talk::{Body, Format, Mode, Part, Role, Source, Talk, ToolChoice, fitting_id};
use super::names;
use crate::traffic_tests::{frames_of, records};
use crate::usage::Usage;
use crate::{Endpoint, answer_usage};

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!({ "invalid_json": text }))
}

fn source(source: &Source<'_>) -> Value {
    match source {
        Source::Url { url, .. } => json!(url),
        // Two names of one type.
        Source::Inline { media, data } => json!([media.replace("x-wav", "wav").replace("mpeg", "mp3"), data]),
        Source::Text(text) => json!({ "text": text }),
    }
}

/// What a request says, less what the table lists as lost or changed on the way to `target`.
fn digest(talk: &Talk<'_>, target: Endpoint) -> Value {
    let mut turns: Vec<(Role, Vec<Value>)> = Vec::new();
    for turn in &talk.turns {
        for part in &turn.parts {
            let Some(said) = part_digest(part, target) else { continue };
            match turns.last_mut() {
                // Texts that stand side by side are one text to every reader.
                Some((role, parts)) if *role == turn.role => match (parts.last_mut(), &said) {
                    (Some(Value::String(before)), Value::String(more)) => before.push_str(more),
                    _ => parts.push(said),
                },
                _ => turns.push((turn.role, vec![said])),
            }
        }
    }
    // In chats the texts of the assistant stand before its calls.
    for (role, parts) in &mut turns {
        if *role == Role::Assistant {
            parts.sort_by_key(|part| !part.is_string());
            let text: String = parts.iter().filter_map(Value::as_str).collect();
            parts.retain(|part| !part.is_string());
            if !text.is_empty() {
                parts.insert(0, text.into());
            }
        }
    }
    let turns: Vec<Value> = turns.into_iter().map(|(role, parts)| json!([format!("{role:?}"), parts])).collect();
    let system: String = {
        let parts = talk.system.iter().filter(|part| !(part.body.is_blank() && is_strict(target)));
        parts.filter_map(|part| text_of(part)).collect()
    };
    let mut tools: Vec<Value> = talk
        .tools
        .iter()
        .map(|tool| {
            let schema = tool.schema.as_deref().map_or(json!({ "type": "object", "properties": {} }), value);
            json!([tool.name, tool.description.as_deref().filter(|text| !text.is_empty()), schema])
        })
        .collect();
    if tools.is_empty() && target == Endpoint::Converse {
        tools.extend(called(talk).map(|name| json!([name, null, { "type": "object", "properties": {} }])));
    }
    let choice = match &talk.tool_choice {
        // The default, said or unsaid.
        None | Some(ToolChoice::Auto) => json!("auto"),
        Some(ToolChoice::None) if talk.tools.is_empty() => json!("auto"),
        other => json!(format!("{other:?}")),
    };
    let format = talk.format.as_ref().map(|(_, format)| match format {
        Format::Object => json!("object"),
        Format::Schema { schema, .. } if is_strict(target) => value(&fitted(schema, "format").expect("a schema")),
        Format::Schema { schema, .. } => value(schema),
    });
    let numbers = &talk.numbers;
    let settings = [numbers.temperature, numbers.top_p, numbers.top_k, numbers.seed, numbers.choices];
    let settings: Vec<Option<Value>> = settings.map(|setting| setting.map(|setting| value(setting.raw))).into();
    let has_user = !matches!(target, Endpoint::GenerateContent | Endpoint::CohereChat | Endpoint::Converse);
    let user = talk.user.as_deref().filter(|_| has_user);
    json!({
        "system": system, "turns": turns, "tools": tools, "choice": choice, "format": format,
        "settings": settings, "stop": talk.stop, "user": user,
    })
}

/// Anthropic's models refuse texts of blanks, odd ids and schemas that are not closed.
fn is_strict(target: Endpoint) -> bool {
    matches!(target, Endpoint::Messages | Endpoint::Converse)
}

/// The names of the functions that were called, each once.
fn called<'t>(talk: &'t Talk<'_>) -> impl Iterator<Item = &'t str> {
    let parts = talk.turns.iter().flat_map(|turn| &turn.parts);
    let names = parts.filter_map(|part| match &part.body {
        Body::Call(call) => Some(&*call.name),
        _ => None,
    });
    let mut known = std::collections::HashSet::new();
    names.filter(move |name| known.insert(*name))
}

fn text_of<'t>(part: &'t Part<'_>) -> Option<&'t str> {
    if let Body::Text(text) = &part.body { Some(text) } else { None }
}

fn part_digest(part: &Part<'_>, target: Endpoint) -> Option<Value> {
    // Chats say who made a seal in words of their own, and take none back.
    let maker = match target {
        Endpoint::Messages | Endpoint::Converse => Some(Maker::Anthropic),
        Endpoint::GenerateContent => Some(Maker::Google),
        Endpoint::Responses => Some(Maker::Openai),
        _ => None,
    };
    let is_real = |seal: &&str| *seal != super::super::gemini::NO_SEAL;
    let kept = |seal| maker.and_then(|maker| made_by(maker, seal)).filter(is_real);
    let id_of = |id| match target {
        Endpoint::Converse => fitting_id(id, 64),
        Endpoint::Messages => fitting_id(id, usize::MAX),
        _ => std::borrow::Cow::Borrowed(id),
    };
    Some(match &part.body {
        body if body.is_blank() && is_strict(target) => return None,
        Body::Text(text) | Body::File(Source::Text(text), _) => json!(text),
        Body::Image(from) => json!({ "image": source(from) }),
        Body::Audio(from) => json!({ "audio": source(from) }),
        Body::File(from, _) => json!({ "file": source(from) }),
        Body::Call(call) => {
            json!({ "call": [id_of(&call.id), call.name, value(&call.arguments), kept(&call.signature)] })
        }
        Body::Result(outcome) => {
            let parts: Vec<Value> = outcome.parts.iter().filter_map(|part| part_digest(part, target)).collect();
            let text: String = parts.iter().filter_map(Value::as_str).collect();
            let text = serde_json::from_str::<Value>(&text).unwrap_or(text.into());
            let media: Vec<&Value> = parts.iter().filter(|part| !part.is_string()).collect();
            let knows_errors = matches!(target, Endpoint::Messages | Endpoint::GenerateContent | Endpoint::Converse);
            json!({ "result": [id_of(&outcome.id), text, media, outcome.is_error && knows_errors] })
        }
        Body::Thinking { text, signature } if kept(signature).is_some() => {
            json!({ "thinking": [text, kept(signature)] })
        }
        _ => return None,
    })
}

/// Where two values differ, in a few words.
fn difference(name: &str, ours: &Value, theirs: &Value) -> Option<String> {
    let (ours, theirs) = (ours.to_string(), theirs.to_string());
    let same = ours.bytes().zip(theirs.bytes()).take_while(|(one, other)| one == other).count().saturating_sub(60);
    let near = |text: &str| {
        String::from_utf8_lossy(text.as_bytes().get(same..).unwrap_or_default()).chars().take(300).collect::<String>()
    };
    (ours != theirs).then(|| format!("{name}\n  ours {}\n  back {}", near(&ours), near(&theirs)))
}

/// Why requests are refused: the field without its numbers.
fn reason(fault: &super::super::fault::Fault) -> String {
    format!("{fault:?}").chars().filter(|letter| !letter.is_ascii_digit()).take(150).collect()
}

#[test]
fn every_recorded_request_that_is_carried_comes_back_the_same() {
    let mut counts = BTreeMap::new();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut differing = Vec::new();
    for (asked, record) in records() {
        let client = asked.endpoint;
        if !FORMS.contains(&client) || record["status"] != 200 || !record["request_body"].is_object() {
            continue;
        }
        let body = Bytes::from(serde_json::to_vec(&record["request_body"]).expect("JSON"));
        let Ok(call) = crate::read(asked.route(), None, body) else { continue };
        for target in FORMS.into_iter().filter(|target| *target != client) {
            let count = counts.entry((client, target)).or_insert((0_usize, 0_usize));
            count.0 += 1;
            let made = match Translation::between(client, target, &call) {
                Ok(made) => made,
                Err(fault) => {
                    *reasons.entry(format!("{client} to {target}: {}", reason(&fault))).or_insert(0) += 1;
                    continue;
                }
            };
            count.1 += 1;
            let there = made.body("m", call.billable().output_limit, 4_096);
            let there_node = Node::parse(&there).unwrap_or_else(|| panic!("{} {there:?}", record["id"]));
            let back = read(target, there_node).unwrap_or_else(|fault| panic!("{} {fault:?}", record["id"]));
            let ours = read(client, Node::parse(call.body()).expect("JSON")).expect("it was read before");
            let (ours_digest, back_digest) = (digest(&ours, target), digest(&back, target));
            for member in ["system", "tools", "choice", "format", "settings", "stop", "user", "turns"] {
                let name = format!("{} {client} to {target}: {member}", record["id"]);
                differing.extend(difference(&name, &ours_digest[member], &back_digest[member]));
            }
            check_thinking(&ours, &back, target);
        }
    }
    assert!(differing.is_empty(), "{}\n{}", differing.len(), differing.join("\n"));
    let counted: Vec<_> = counts
        .iter()
        .map(|((client, target), (taken, carried))| (client.name(), target.name(), *taken, *carried))
        .collect();
    eprintln!("{counted:#?}\n{reasons:#?}");
    assert!(counts.is_empty() || counted == CHECKED, "the figures of the document");
}

/// How much to think is carried, or rounded as the table says.
fn check_thinking(ours: &Talk<'_>, back: &Talk<'_>, target: Endpoint) {
    let (ours, back) = (&ours.thinking, &back.thinking);
    let asks = ours.budget.is_some() || ours.effort.as_deref().is_some_and(|effort| effort != "none");
    if asks && ours.mode != Some(Mode::Off) {
        assert!(back.effort.is_some() || back.budget.is_some(), "{ours:?} {back:?}");
    }
    if let (Some(budget), false) = (ours.budget, matches!(target, Endpoint::ChatCompletions | Endpoint::Responses)) {
        assert_eq!(back.budget, Some(budget));
    }
}

/// What an answer says, as far as the client's dialect has words for it.
fn said_digest(said: &Said, client: Endpoint) -> Value {
    let choices: Vec<Value> = said
        .choices
        .iter()
        .map(|choice| {
            let (mut text, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
            for piece in &choice.pieces {
                match piece {
                    Piece::Text(more) | Piece::Refusal(more) => text.push_str(more),
                    Piece::Thinking { text: more, .. } => thinking.push_str(more),
                    Piece::Redacted(_) => {}
                    Piece::Call { id, name, arguments, .. } => {
                        let whole = if arguments.trim().is_empty() { "{}" } else { arguments };
                        calls.push(json!([id, name, value(whole)]));
                    }
                }
            }
            let has_refused = choice.pieces.iter().any(|piece| matches!(piece, Piece::Refusal(_)));
            let finish = match choice.finish.clone().unwrap_or(Finish::Stop) {
                // A refusal in words is one, whatever the end is called.
                Finish::Stop if has_refused && client == Endpoint::Responses => Finish::Filter,
                finish => finish,
            };
            let finish = format!("{:?}", finish_in_words_of(client, !calls.is_empty(), finish));
            json!([text, thinking, calls, finish])
        })
        .collect();
    let usage = said.usage.map(|usage| in_words_of(client, usage));
    json!({ "choices": choices, "usage": format!("{usage:?}") })
}

/// Why an answer ended, as far as a dialect has words for it, or shows it by what it says.
fn finish_in_words_of(client: Endpoint, has_calls: bool, finish: Finish) -> Finish {
    let has_few_words = matches!(client, Endpoint::GenerateContent | Endpoint::Responses);
    let is_messages = client == Endpoint::Messages;
    match finish {
        Finish::Sequence(_) if matches!(client, Endpoint::CohereChat | Endpoint::Converse) => Finish::Sequence(None),
        Finish::Stop | Finish::Sequence(_) | Finish::Pause if is_messages => finish,
        Finish::Stop | Finish::Sequence(_) | Finish::Pause | Finish::Calls
            if has_few_words || client == Endpoint::ChatCompletions && finish != Finish::Calls =>
        {
            if has_calls {
                Finish::Calls
            } else {
                Finish::Stop
            }
        }
        Finish::Pause => Finish::Stop,
        // That it was broken off is all that can be said.
        Finish::Filter | Finish::Refusal if client == Endpoint::CohereChat => Finish::Stop,
        Finish::Window if !matches!(client, Endpoint::Messages | Endpoint::Converse) => Finish::Length,
        Finish::Filter if is_messages => Finish::Refusal,
        Finish::Refusal if !is_messages => Finish::Filter,
        finish => finish,
    }
}

/// The classes of usage that a dialect has words for.
fn in_words_of(client: Endpoint, usage: Usage) -> Usage {
    let mut known = Usage { reported_cost: None, ..usage };
    if client != Endpoint::Messages {
        known.web_searches = 0;
    }
    if !matches!(client, Endpoint::Messages | Endpoint::Converse) {
        known.cache_write_1h = 0;
    }
    if client == Endpoint::Converse {
        known.reasoning = 0;
    }
    if client == Endpoint::CohereChat {
        (known.cached_input, known.cached_audio, known.cache_write) = (0, 0, 0);
    }
    if client != Endpoint::ChatCompletions {
        (known.audio_output, known.accepted_prediction, known.rejected_prediction) = (0, 0, 0);
    }
    if client == Endpoint::GenerateContent {
        known.cache_write = 0;
        (known.cached_input, known.cached_audio) = (known.cached_input + known.cached_audio, 0);
    } else {
        let audio = known.cached_audio;
        known.cached_audio = 0;
        if matches!(client, Endpoint::Messages | Endpoint::Converse) {
            known.cached_input += audio;
        }
        if client != Endpoint::ChatCompletions {
            known.audio_input = 0;
        }
    }
    known
}

fn read_whole(form: Endpoint, body: &[u8]) -> Option<Said> {
    let (mut reader, mut events) = (Reader::new(form, &names()), Vec::new());
    reader.whole(Node::parse(body)?, &mut events)?;
    Some(Said::fold(events))
}

fn translated(from: Endpoint, client: Endpoint, body: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut machine = AnswerTranslator::new(from, client, names(), true, false, 16 << 20);
    let (mut out, mut rest) = (Vec::new(), body);
    let longest = random.usize(1..600);
    while !rest.is_empty() {
        let (chunk, more) = rest.split_at(random.usize(1..=longest).min(rest.len()));
        out.extend_from_slice(&machine.push(chunk).expect("a good stream"));
        rest = more;
    }
    out.extend_from_slice(&machine.finish(true));
    out
}

/// A recorded answer, unless it is not what its path says.
fn answer_of(from: Endpoint, record: &Value) -> Option<Vec<u8>> {
    let (text, is_stream) = (record["response_body"].as_str()?, record["streaming"] == true);
    if from == Endpoint::Converse && is_stream {
        // Some recorders wrote the frames as text.
        return (record["response_encoding"] == "base64").then(|| frames_of(text));
    }
    // One has a chat's chunks under the path of responses.
    let is_other = from == Endpoint::Responses && text.contains("chat.completion.chunk");
    let is_events = text.contains("data:") && !text.starts_with(['{', '[']);
    (record["response_encoding"] == "utf-8" && !is_other && is_stream == is_events).then(|| text.as_bytes().to_vec())
}

#[test]
fn every_recorded_answer_is_the_same_in_every_dialect() {
    let mut random = fastrand::Rng::with_seed(11);
    let (mut wholes, mut streams) = (BTreeMap::new(), BTreeMap::new());
    let mut differing = Vec::new();
    for (asked, record) in records() {
        let from = asked.endpoint;
        if !FORMS.contains(&from) || record["status"] != 200 {
            continue;
        }
        let Some(body) = answer_of(from, &record) else { continue };
        for client in FORMS.into_iter().filter(|client| *client != from) {
            let name = format!("{} {from} for {client}", record["id"]);
            if record["streaming"] != true {
                let Some(said) = read_whole(from, &body) else { continue };
                let machine = AnswerTranslator::new(from, client, names(), true, false, 1 << 20);
                let there = machine.whole(200, &body).expect("an answer");
                let back = read_whole(client, &there).unwrap_or_else(|| panic!("{name} {there:?}"));
                if said.choices.len() <= 1 || matches!(client, Endpoint::ChatCompletions | Endpoint::GenerateContent) {
                    let (ours, theirs) = (said_digest(&limited(&said, client), client), said_digest(&back, client));
                    differing.extend(difference(&name, &ours, &theirs));
                }
                let metered = answer_usage(from, &body).expect("a good usage");
                let searches = said.usage.map(|usage| usage.web_searches);
                let metered = metered.map(|usage| Usage { web_searches: searches.unwrap_or(0), ..usage });
                assert_eq!(said.usage.or(metered), metered, "{name}: what the client sees is what is metered");
                *wholes.entry((from.name(), client.name())).or_insert(0) += 1;
                continue;
            }
            let events = super::events(from, &body);
            let problem = events
                .iter()
                .find_map(|event| if let Event::Problem(problem) = event { Some(problem.clone()) } else { None });
            let said = Said::fold(events);
            let there = translated(from, client, &body, &mut random);
            let back = super::events(client, &there);
            if let Some(problem) = problem {
                let last = back.last().expect("an event");
                assert!(matches!(last, Event::Problem(told) if told.message == problem.message), "{name} {last:?}");
                continue;
            }
            let back = Said::fold(back);
            if said.choices.len() <= 1 || matches!(client, Endpoint::ChatCompletions | Endpoint::GenerateContent) {
                let (ours, theirs) = (said_digest(&limited(&said, client), client), said_digest(&back, client));
                differing.extend(difference(&name, &ours, &theirs));
            }
            let mut json = super::super::build::Build::new();
            whole(client, &said, &names(), &mut json);
            let folded = read_whole(client, &json.take()).expect("our own");
            let (streamed, folded) = (said_digest(&back, client), said_digest(&folded, client));
            differing.extend(difference(&format!("{name}: the whole and the stream"), &folded, &streamed));
            *streams.entry((from.name(), client.name())).or_insert(0) += 1;
        }
    }
    assert!(differing.is_empty(), "{}\n{}", differing.len(), differing.join("\n"));
    eprintln!("whole {wholes:#?}, streamed {streams:#?}");
}

/// A dialect without a usage for what was not counted says zero, and none has less than one choice.
fn limited(said: &Said, client: Endpoint) -> Said {
    let mut said = said.clone();
    if matches!(client, Endpoint::Messages | Endpoint::Converse) {
        said.usage = Some(said.usage.unwrap_or_default());
        said.choices.resize_with(1, Default::default);
    }
    if said.choices.is_empty() {
        said.choices.push(Default::default());
    }
    said
}

//! Reads what makes a batch, and the lines of the file that it is made of. Each line is a call of its own: it is read as
//! strictly as one, since what is held for the batch is the sum of what its lines could cost.

use base::Refusal;
use bytes::Bytes;

use super::body::duplicate;
use super::{naming_objects, read};
use crate::call::{Call, Named, NamedPlace, Objects, Span};
use crate::dialect::Endpoint;
use crate::route::Route;
use crate::scan::{Kind, Strict};

/// What a line may ask for, by the path that it names.
const LINE_ENDPOINTS: [(&str, Endpoint); 5] = [
    ("/v1/chat/completions", Endpoint::ChatCompletions),
    ("/v1/completions", Endpoint::Completions),
    ("/v1/embeddings", Endpoint::Embeddings),
    ("/v1/responses", Endpoint::Responses),
    ("/v1/moderations", Endpoint::Moderations),
];
/// Longest name that a refusal repeats, in characters.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// One request of a batch.
#[derive(Debug, Clone)]
pub struct BatchLine {
    /// What it asks for.
    pub call: Call,
    /// By what its result is found again.
    pub custom_id: String,
}

/// The members of an object that are known, each as often as it may stand: once.
struct Once<'n> {
    names: &'n [&'static str],
    seen: u32,
}

impl Once<'_> {
    /// The name of a member, when it is known and was not there before.
    fn take(&mut self, name: &str) -> Result<&'static str, Refusal> {
        let Some(place) = self.names.iter().position(|known| *known == name) else {
            let shown: String = name.chars().take(SHOWN_CHARACTERS_MAX).collect();
            let known = self.names.join("', '");
            let sentence = format!("'{}' is not known here. Known are '{known}'.", shown.escape_debug());
            return Err(Refusal::invalid(Some(&shown), sentence));
        };
        if self.seen & 1 << place != 0 {
            return Err(duplicate(name));
        }
        self.seen |= 1 << place;
        Ok(self.names[place])
    }
}

/// The call that makes a batch of a file.
pub(super) fn create(route: &Route<'_>, body: Bytes) -> Result<Call, Refusal> {
    let mut once = Once {
        names: &["input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"],
        seen: 0,
    };
    let (mut file, mut endpoint) = (None, None);
    let mut scanner = Strict::new(&body);
    check_object(&mut scanner)?;
    scanner.object::<Refusal>(|scanner, key| {
        match once.take(&key.decode())? {
            "input_file_id" => {
                let id = text(scanner, "input_file_id")?;
                file = Some(Named { place: NamedPlace::Body(id.0), id: id.1, is_needed: true, opened: None });
            }
            "endpoint" => endpoint = Some(line_endpoint(&text(scanner, "endpoint")?.1, "endpoint")?),
            _ => scanner.skip()?,
        }
        Ok(())
    })?;
    scanner.end()?;
    let missing = |name: &str| Refusal::invalid(Some(name), format!("'{name}' is missing."));
    let file = file.ok_or_else(|| missing("input_file_id"))?;
    endpoint.ok_or_else(|| missing("endpoint"))?;
    Ok(naming_objects(route, body.clone(), Objects { named: vec![file], ..Objects::default() }))
}

/// The call that makes a batch of messages, which are all in it. Its model is that of the first.
pub(super) fn of_messages(route: &Route<'_>, body: Bytes) -> Result<Call, Refusal> {
    if core::str::from_utf8(&body).is_err() {
        return Err(Refusal::invalid(None, "The body is not UTF-8."));
    }
    let query = super::query::read(route.endpoint, route.query)?;
    let mut model = None;
    batched_messages(&body, |_, line| {
        model = model.take().or_else(|| line.call.model().cloned());
        Ok(())
    })?;
    if model.is_none() {
        return Err(Refusal::invalid(Some("requests"), "There are no requests."));
    }
    let call = naming_objects(route, body, Objects::default());
    Ok(Call { model, query, objects: None, ..call })
}

/// Reads the requests of a batch of messages, one after the other: `each` is told the number of each, from 1.
///
/// # Errors
/// As for [`batch_line`], naming the request; what `each` returns.
pub fn batched_messages(
    body: &Bytes,
    mut each: impl FnMut(u64, BatchLine) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut once = Once { names: &["requests"], seen: 0 };
    let mut number = 0;
    let mut scanner = Strict::new(body);
    check_object(&mut scanner)?;
    scanner.object::<Refusal>(|scanner, key| {
        once.take(&key.decode())?;
        if scanner.kind()? != Kind::Array {
            return Err(Refusal::invalid(Some("requests"), "'requests' must be an array."));
        }
        scanner.array::<Refusal>(|scanner| {
            number += 1;
            let line = message(scanner, body).map_err(|refusal| in_request(number, &refusal))?;
            each(number, line)
        })
    })?;
    Ok(scanner.end()?)
}

/// One request of a batch of messages.
fn message(scanner: &mut Strict<'_>, body: &Bytes) -> Result<BatchLine, Refusal> {
    let mut once = Once { names: &["custom_id", "params"], seen: 0 };
    let (mut custom_id, mut params) = (None, None);
    check_object(scanner)?;
    scanner.object::<Refusal>(|scanner, key| {
        match once.take(&key.decode())? {
            "custom_id" => custom_id = Some(text(scanner, "custom_id")?.1),
            _ => params = Some(scanner.span()?),
        }
        Ok(())
    })?;
    let missing = |name: &str| Refusal::invalid(Some(name), format!("'{name}' is missing."));
    let custom_id = custom_id.ok_or_else(|| missing("custom_id"))?;
    let (start, end) = params.ok_or_else(|| missing("params"))?;
    let call = read(Endpoint::Messages, None, body.slice(start..end))?;
    if call.model().is_none() {
        return Err(Refusal::invalid(Some("model"), "Name a model in the field 'model'."));
    }
    Ok(BatchLine { call, custom_id })
}

/// What is wrong with one request.
fn in_request(number: u64, refusal: &Refusal) -> Refusal {
    let sentence = format!("Request {number}: {}", refusal.message());
    match refusal {
        Refusal::AmbiguousRequest { .. } => Refusal::ambiguous("requests", sentence),
        _ => Refusal::invalid(Some("requests"), sentence),
    }
}

/// What the requests of a batch ask for, by the body that makes it.
#[must_use]
pub fn batch_endpoint(body: &[u8]) -> Option<Endpoint> {
    let mut found = None;
    let mut scanner = Strict::new(body);
    let read = scanner.object::<Refusal>(|scanner, key| {
        if &*key.decode() == "endpoint" && scanner.kind()? == Kind::String {
            found = line_endpoint(&scanner.string()?.decode(), "endpoint").ok();
            return Ok(());
        }
        Ok(scanner.skip()?)
    });
    read.ok().and(found)
}

/// Reads one line of the file of a batch whose requests are for `endpoint`.
///
/// # Errors
/// As for [`read`], and 400 for what another parser could read as another line, and for what cannot be in a batch: objects
/// that the provider keeps, since the file goes to it as it is.
pub fn batch_line(endpoint: Endpoint, line: &Bytes) -> Result<BatchLine, Refusal> {
    if core::str::from_utf8(line).is_err() {
        return Err(Refusal::invalid(None, "It is not UTF-8."));
    }
    if memchr::memchr2(b'\r', b'\n', line).is_some() {
        return Err(Refusal::ambiguous("input_file_id", "Some parsers end a line at a carriage return. Leave it out."));
    }
    let mut once = Once { names: &["custom_id", "method", "url", "body"], seen: 0 };
    let (mut custom_id, mut body) = (None, None);
    let (mut has_method, mut has_url) = (false, false);
    let mut scanner = Strict::new(line);
    check_object(&mut scanner)?;
    scanner.object::<Refusal>(|scanner, key| {
        match once.take(&key.decode())? {
            "custom_id" => custom_id = Some(text(scanner, "custom_id")?.1),
            "method" => has_method = text(scanner, "method")?.1 == "POST",
            "url" => has_url = line_endpoint(&text(scanner, "url")?.1, "url")? == endpoint,
            _ => body = Some(scanner.span()?),
        }
        Ok(())
    })?;
    scanner.end()?;
    let missing = |name: &str| Refusal::invalid(Some(name), format!("'{name}' is missing."));
    let custom_id = custom_id.ok_or_else(|| missing("custom_id"))?;
    let (start, end) = body.ok_or_else(|| missing("body"))?;
    if !has_method {
        return Err(Refusal::invalid(Some("method"), "'method' must be 'POST'."));
    }
    if !has_url {
        return Err(Refusal::invalid(Some("url"), "'url' must be the 'endpoint' of the batch."));
    }
    let call = read(endpoint, None, line.slice(start..end))?;
    if call.names_objects() {
        let sentence = "A request in a batch cannot name what the provider keeps (files, earlier responses).";
        return Err(Refusal::invalid(None, sentence));
    }
    if endpoint == Endpoint::Responses && call.answers_with_objects() {
        let sentence = "Set 'store' to false: a response that a batch makes could not be found again.";
        return Err(Refusal::invalid(Some("store"), sentence));
    }
    if call.model().is_none() {
        return Err(Refusal::invalid(Some("model"), "Name a model in the field 'model'."));
    }
    Ok(BatchLine { call, custom_id })
}

fn check_object(scanner: &mut Strict<'_>) -> Result<(), Refusal> {
    if scanner.kind()? == Kind::Object { Ok(()) } else { Err(Refusal::invalid(None, "It must be a JSON object.")) }
}

/// A string that says something, and its place.
fn text(scanner: &mut Strict<'_>, name: &str) -> Result<(Span, String), Refusal> {
    let refuse = || Err(Refusal::invalid(Some(name), format!("'{name}' must be a text.")));
    if scanner.kind()? != Kind::String {
        return refuse();
    }
    let text = scanner.string()?;
    if text.raw.is_empty() {
        return refuse();
    }
    Ok((Span { start: text.start - 1, end: text.start + text.raw.len() + 1 }, text.decode().into_owned()))
}

/// What a path in a batch asks for.
fn line_endpoint(path: &str, name: &str) -> Result<Endpoint, Refusal> {
    let known = LINE_ENDPOINTS.iter().find(|(known, _)| *known == path);
    known.map(|(_, endpoint)| *endpoint).ok_or_else(|| {
        let known: Vec<&str> = LINE_ENDPOINTS.iter().map(|(known, _)| *known).collect();
        Refusal::invalid(Some(name), format!("'{name}' must be one of {}.", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<BatchLine, Refusal> {
        batch_line(Endpoint::ChatCompletions, &Bytes::copy_from_slice(text.as_bytes()))
    }

    const GOOD: &str = r#"{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":7}}"#;

    #[test]
    fn a_line_is_read_as_the_call_that_it_is() {
        let read = line(GOOD).expect("a good line");
        assert_eq!((read.custom_id.as_str(), read.call.model().map(base::ModelId::as_str)), ("a", Some("m")));
        assert_eq!((read.call.billable().output_limit, read.call.billable().messages), (Some(7), 1));
        assert!(read.call.body().starts_with(b"{\"model\"") && read.call.body().ends_with(b"7}"));
    }

    #[test]
    fn lines_that_two_parsers_read_differently_are_refused() {
        for (bad, code) in [
            (GOOD.replace("\"custom_id\":\"a\"", "\"custom_id\":\"a\",\"custom_id\":\"b\""), "ambiguous_request"),
            (GOOD.replace("\"max_tokens\":7", "\"max_tokens\":7,\"max_tokens\":9000"), "ambiguous_request"),
            (GOOD.replace("\"body\"", "\"body\":{},\"body\""), "ambiguous_request"),
            (GOOD.replace("\"messages\"", "\r\"messages\""), "ambiguous_request"),
            (GOOD.replace("\"custom_id\"", "\"Custom_id\""), "invalid_request"),
            (GOOD.replace("\"method\"", "\"more\":1,\"method\""), "invalid_request"),
            (format!("{GOOD}{GOOD}"), "invalid_request"),
        ] {
            assert_eq!(line(&bad).map_err(|refusal| refusal.code()).err(), Some(code), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_in_a_batch_is_refused_by_name() {
        for (bad, param) in [
            (GOOD.replace("POST", "GET"), "method"),
            (GOOD.replace("chat/completions", "embeddings"), "url"),
            (GOOD.replace("chat/completions", "images/generations"), "url"),
            (GOOD.replace("\"custom_id\":\"a\",", ""), "custom_id"),
            (GOOD.replace("\"custom_id\":\"a\"", "\"custom_id\":7"), "custom_id"),
            (GOOD.replace("\"model\":\"m\",", ""), "model"),
            (GOOD.replace("\"model\":\"m\"", "\"model\":null"), "model"),
        ] {
            let refused = line(&bad).expect_err(&bad);
            assert_eq!(refused.param(), Some(param), "{bad}: {}", refused.message());
        }
        let file = r#"[{"type":"file","file":{"file_id":"file-1"}}]"#;
        assert!(line(&GOOD.replace("\"hi\"", file)).is_err(), "a file is named that was not opened");
        let response = GOOD.replace("/v1/chat/completions", "/v1/responses").replace("messages", "input");
        let response = response.replace("max_tokens", "max_output_tokens");
        let read = |text: &str| batch_line(Endpoint::Responses, &Bytes::copy_from_slice(text.as_bytes()));
        assert_eq!(read(&response).expect_err("stored").param(), Some("store"));
        let unstored = response.replace("\"model\":\"m\"", "\"model\":\"m\",\"store\":false");
        assert!(read(&unstored).is_ok());
        assert!(read(&unstored.replace("\"input\"", "\"previous_response_id\":\"resp_1\",\"input\"")).is_err());
    }

    #[test]
    fn a_batch_of_messages_is_read_request_by_request() {
        let create = |body: &str| read(Endpoint::MessageBatchCreate, None, Bytes::copy_from_slice(body.as_bytes()));
        let params = r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]}"#;
        let good =
            format!(r#"{{"requests":[{{"custom_id":"a","params":{params}}},{{"params":{params},"custom_id":"b"}}]}}"#);
        let call = create(&good).expect("good");
        assert_eq!(call.model().map(base::ModelId::as_str), Some("m"));
        assert_eq!(call.outgoing(&crate::Edits { model: Some("n"), ..Default::default() }).to_bytes(), good);
        let mut seen = Vec::new();
        batched_messages(call.body(), |number, line| {
            seen.push((number, line.custom_id, line.call.billable().output_limit));
            Ok(())
        })
        .expect("good");
        assert_eq!(seen, [(1, "a".to_owned(), Some(5)), (2, "b".to_owned(), Some(5))]);
        for (bad, code) in [
            (good.replace("\"requests\"", "\"requests\":[],\"requests\""), "ambiguous_request"),
            (good.replacen("\"max_tokens\":5", "\"max_tokens\":5,\"max_tokens\":6", 1), "ambiguous_request"),
            (good.replacen("\"custom_id\":\"a\"", "\"custom_id\":\"a\",\"more\":1", 1), "invalid_request"),
            (good.replacen("\"model\":\"m\",", "", 1), "invalid_request"),
            ("{\"requests\":[]}".to_owned(), "invalid_request"),
            ("{}".to_owned(), "invalid_request"),
        ] {
            assert_eq!(create(&bad).map_err(|refusal| refusal.code()).err(), Some(code), "{bad}");
        }
    }

    #[test]
    fn a_batch_names_its_file_and_nothing_that_is_not_known() {
        let create = |body: &str| read(Endpoint::BatchCreate, None, Bytes::copy_from_slice(body.as_bytes()));
        let good =
            r#"{"input_file_id":"sealed","endpoint":"/v1/embeddings","completion_window":"24h","metadata":{"a":"b"}}"#;
        let mut call = create(good).expect("good");
        assert_eq!(batch_endpoint(call.body()), Some(Endpoint::Embeddings));
        call.open_objects(|id, is_needed| Ok(Some(format!("raw-{id}-{is_needed}")))).expect("opens");
        let sent = call.outgoing(&crate::Edits { model: Some("m"), include_usage: true, ..Default::default() });
        assert_eq!(sent.to_bytes(), good.replace("sealed", "raw-sealed-true"), "nothing else changes");
        for (bad, code) in [
            (good.replace("\"endpoint\"", "\"endpoint\":\"/v1/responses\",\"endpoint\""), "ambiguous_request"),
            (good.replace("\"metadata\"", "\"model\":\"x\",\"metadata\""), "invalid_request"),
            (good.replace("\"sealed\"", "null"), "invalid_request"),
            (good.replace("/v1/embeddings", "/v1/videos"), "invalid_request"),
            ("{}".to_owned(), "invalid_request"),
            ("[]".to_owned(), "invalid_request"),
        ] {
            assert_eq!(create(&bad).map_err(|refusal| refusal.code()).err(), Some(code), "{bad}");
        }
    }
}

//! The requests of a batch, each a call of its own: it is read as strictly as one, since what is held for the batch is the sum
//! of what they could cost.

use base::Refusal;
use bytes::Bytes;

use crate::call::Call;
use crate::dialect::Endpoint;
use crate::read::{Once, check_object, line_endpoint, read, requests, text};
use crate::scan::Strict;

/// One request of a batch.
#[derive(Debug, Clone)]
pub struct BatchLine {
    /// What it asks for.
    pub call: Call,
    /// By what its result is found again.
    pub custom_id: String,
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

/// Reads the requests of a batch of messages, one after the other: `each` is told the number of each, from 1.
///
/// # Errors
/// As for [`batch_line`], naming the request; what `each` returns.
pub fn batched_messages(
    body: &Bytes,
    mut each: impl FnMut(u64, BatchLine) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut number = 0;
    requests(body, |scanner| {
        number += 1;
        let line = message(scanner, body).map_err(|refusal| in_request(number, &refusal))?;
        each(number, line)
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::batch_endpoint;

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
            let read = create(&bad).and_then(|call| batched_messages(call.body(), |_, _| Ok(())));
            assert_eq!(read.map_err(|refusal| refusal.code()).err(), Some(code), "{bad}");
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

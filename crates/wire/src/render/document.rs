//! The document of all refusals, written from the same code that answers clients.

use core::fmt::Write;

use base::Refusal;

use super::dialects::{headers, refusal, session_error};
use super::examples::examples;
use super::openai;
use crate::dialect::Dialect;

/// The whole of `docs/refusals.md`.
#[must_use]
pub fn refusals_markdown() -> String {
    let mut out = String::from(
        "# Refusals\n\n\
         Every \"no\" that Mandant itself gives, generated from the code: do not edit. An upstream's own refusals pass \
         through unchanged.\n\nThe `code` is stable; the message is for people. Money is a decimal string in USD, times are \
         UTC, `retry_after_seconds` and `Retry-After` are sufficient: the same call alone succeeds after them \
         (for `idempotency_in_flight`: it is time to look again). Where they say more than 60 s, the answer has `x-should-retry: \
         false` as well: the official SDKs of OpenAI and Anthropic then raise the error instead of sleeping until then. A stream that \
         breaks after its status was sent ends with the same object as an event.\n\n\
         | status | code | type | headers | message |\n| --- | --- | --- | --- | --- |\n",
    );
    let examples = examples();
    for example in &examples {
        write_row(&mut out, example).expect("writing to a string cannot fail");
    }
    write_dialects(&mut out).expect("writing to a string cannot fail");
    out.push_str("\n## Bodies\n");
    for example in &examples {
        write_body(&mut out, example).expect("writing to a string cannot fail");
    }
    out
}

/// One refusal in the words of each dialect; the bodies after it are OpenAI's.
fn write_dialects(out: &mut String) -> core::fmt::Result {
    let example = Refusal::ModelNotFound { model: "gpt-9".into() };
    out.push_str(
        "\n## Dialects\n\nThe same refusal for the SDKs of each provider. Anthropic's has the `code` beside its type, Bedrock's as `reason` beside its `__type`, Google's \
         as the `reason` of its details, whose metadata are texts. At the end of a stream, OpenAI's and Google's come as \
         `data:`, Anthropic's and that of a response as `event: error`, Cohere's as `event: message-end` whose `finish_reason` is `ERROR`, \
         Bedrock's as a frame of the type `exception`, and in a streamed JSON array as its last item.\n",
    );
    for dialect in Dialect::ALL {
        let rendered = refusal(dialect, &example, "req_00000000000000000000000000");
        let body = String::from_utf8_lossy(&rendered.body);
        writeln!(out, "\n{dialect}:\n\n```json\n{body}\n```")?;
    }
    let event = session_error(&example, "req_00000000000000000000000000", Some("event_of_the_client"));
    writeln!(out, "\nan event of a realtime session:\n\n```json\n{event}\n```")
}

fn write_row(out: &mut String, example: &Refusal) -> core::fmt::Result {
    let names: Vec<String> = headers(example).iter().map(|(name, value)| format!("`{name}: {value}`")).collect();
    let message = example.message().replace('|', "\\|");
    let (status, code, kind) = (example.status(), example.code(), openai::kind(example));
    writeln!(out, "| {status} | `{code}` | `{kind}` | {} | {message} |", names.join(", "))
}

fn write_body(out: &mut String, example: &Refusal) -> core::fmt::Result {
    let rendered = refusal(Dialect::Openai, example, "req_00000000000000000000000000");
    let body = String::from_utf8_lossy(&rendered.body);
    writeln!(out, "\n### {}\n\n```json\n{body}\n```", example.code())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::dialect::Endpoint;
    use crate::render::{ModelEntry, model, models, stream_error};
    use crate::stream::ArrayState;

    #[test]
    fn the_list_of_codes_is_that_of_the_refusals() {
        let codes: Vec<&str> = examples().iter().map(Refusal::code).collect();
        let unique: HashSet<&str> = codes.iter().copied().collect();
        assert_eq!(unique, HashSet::from(Refusal::CODES));
        assert_eq!(unique.len(), Refusal::CODES.len());
    }

    /// The snapshot of every refusal: a change here is a change of the public interface.
    #[test]
    fn every_refusal_is_rendered_as_documented() {
        insta::assert_snapshot!(refusals_markdown());
    }

    #[test]
    fn every_refusal_has_its_own_code_and_fits_the_official_sdks() {
        let examples = examples();
        let codes: HashSet<_> = examples.iter().map(Refusal::code).collect();
        assert_eq!(codes.len(), examples.len());
        for example in &examples {
            let rendered = refusal(Dialect::Openai, example, "req_x");
            let body: serde_json::Value = serde_json::from_slice(&rendered.body).expect("JSON");
            let error = &body["error"];
            assert_eq!(rendered.status, example.status());
            assert_eq!(error["code"], example.code());
            assert_eq!(error["request_id"], "req_x");
            assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()));
            assert!(error["type"].is_string());
            assert!(error.get("param").is_some_and(|param| param.is_null() || param.is_string()));
        }
    }

    #[test]
    fn names_of_clients_cannot_break_out_of_a_rendered_string() {
        let hostile = "a\"},\n\ndata: [DONE]\u{2028}</script>";
        let refusal = Refusal::ModelNotFound { model: hostile.into() };
        let event = stream_error(Endpoint::ChatCompletions, None, &refusal, "req_x");
        assert_eq!(event.iter().filter(|&&byte| byte == b'\n').count(), 2, "one event of one line");
        let body: serde_json::Value = serde_json::from_slice(&event[6..]).expect("JSON");
        assert!(body["error"]["message"].as_str().expect("text").contains(hostile));
    }

    #[test]
    fn a_broken_stream_ends_in_the_form_of_its_dialect() {
        let refusal = Refusal::UpstreamError { reason: base::UpstreamFault::Broken };
        let of = |endpoint, array| {
            String::from_utf8(stream_error(endpoint, array, &refusal, "req_x").to_vec()).expect("text")
        };
        for (endpoint, start) in [
            (Endpoint::ChatCompletions, "data: {\"error\":{"),
            (Endpoint::Responses, "event: error\ndata: {\"type\":\"error\",\"code\":\"upstream_error\""),
            (Endpoint::Messages, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\""),
            (Endpoint::GenerateContent, "data: {\"error\":{\"code\":502"),
            (
                Endpoint::CohereChat,
                "event: message-end\ndata: {\"type\":\"message-end\",\"id\":\"req_x\",\"delta\":{\"finish_reason\":\"ERROR\"",
            ),
        ] {
            let event = of(endpoint, None);
            assert!(event.starts_with(start) && event.ends_with("}\n\n"), "{event}");
        }
        let line = of(Endpoint::OllamaChat, None);
        assert!(line.starts_with("\n{\"error\":\"") && line.ends_with("}\n"), "{line}");
        let whole = of(Endpoint::GenerateContent, Some(ArrayState::Empty));
        let items: serde_json::Value = serde_json::from_str(&whole).expect("an array");
        let rest = format!("[{{\"a\":1}}{}", of(Endpoint::GenerateContent, Some(ArrayState::Open)));
        let more: serde_json::Value = serde_json::from_str(&rest).expect("an array");
        assert_eq!((&items[0], items.as_array().map(Vec::len)), (&more[1], Some(1)));
    }

    #[test]
    fn models_are_listed_as_openai_does() {
        let entry = ModelEntry { id: "gpt-4.1", created_seconds: 7, owned_by: "acme", has_output: true };
        let one = r#"{"id":"gpt-4.1","object":"model","created":7,"owned_by":"acme"}"#;
        assert_eq!(&model(Dialect::Openai, &entry)[..], one.as_bytes());
        assert_eq!(models(Dialect::Openai, &[entry]), format!("{{\"object\":\"list\",\"data\":[{one}]}}"));
        assert_eq!(&models(Dialect::Openai, &[])[..], b"{\"object\":\"list\",\"data\":[]}");
    }
}

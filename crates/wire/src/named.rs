//! The ids of stored objects that a request names, and what a provider calls those objects.
//!
//! Reading a request finds them; who knows whose objects they are opens them before the request leaves.

use base::{ModelId, Refusal, UpstreamId};

use crate::call::{Call, NamedPlace};
use crate::dialect::Endpoint;

/// Longest part of an unknown id that a refusal repeats, in bytes.
const SHOWN_BYTES_MAX: usize = 128;

impl Call {
    /// Opens every id that the request names: `open` says what the provider calls it, for an object of the caller, and is
    /// told whether the request makes sense only with it.
    ///
    /// # Errors
    /// [`Refusal::ObjectNotFound`] for the first id that is needed and does not open; what `open` returns.
    pub fn open_objects(
        &mut self,
        mut open: impl FnMut(&str, bool) -> Result<Option<String>, Refusal>,
    ) -> Result<(), Refusal> {
        let Some(objects) = &mut self.objects else { return Ok(()) };
        for named in &mut objects.named {
            named.opened = open(&named.id, named.is_needed)?;
            if named.opened.is_none() && named.is_needed {
                let shown = named.id.floor_char_boundary(SHOWN_BYTES_MAX);
                return Err(Refusal::ObjectNotFound { id: named.id[..shown].to_owned() });
            }
        }
        Ok(())
    }

    /// Whether the request names any stored object.
    #[must_use]
    pub fn names_objects(&self) -> bool {
        self.objects.as_ref().is_some_and(|objects| !objects.named.is_empty())
    }

    /// The opened ids: what the client calls an object, and what the provider does.
    pub fn opened_objects(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = self.objects.iter().flat_map(|objects| &objects.named);
        named.filter_map(|named| Some((named.id.as_str(), named.opened.as_deref()?)))
    }

    /// Lets the call go to this upstream only, since the objects that it names are there.
    pub fn keep_at(&mut self, upstream: UpstreamId) {
        self.objects.get_or_insert_default().upstream = Some(upstream);
    }

    /// The only upstream that has the objects that the call names; `None` when it names none.
    #[must_use]
    pub fn kept_at(&self) -> Option<&UpstreamId> {
        self.objects.as_ref()?.upstream.as_ref()
    }

    /// The model of a call that only names an object: the one that made it.
    pub fn set_model(&mut self, model: ModelId) {
        self.model = Some(model);
    }

    /// Whether the answer is of objects that the provider keeps, so that its ids are names of something.
    #[must_use]
    pub const fn answers_with_objects(&self) -> bool {
        self.endpoint.costs_nothing()
            || self.endpoint.makes_batch()
            || self.answers_with_audio()
            || (self.endpoint.keeps_answers() && self.is_stored)
    }

    /// Whether the answer may be audio of a chat, which the provider keeps for some time for the next turn.
    const fn answers_with_audio(&self) -> bool {
        matches!(self.endpoint, Endpoint::ChatCompletions) && self.billable.audio_output
    }

    /// The path and query of a call that is about an object, or that begins a conversation.
    pub(crate) fn object_path(&self) -> String {
        let collection = match self.endpoint {
            Endpoint::ConversationCreate => "",
            endpoint if endpoint.is_of_conversation() => "/conversations/",
            endpoint if endpoint.is_of_file() => "/files/",
            endpoint if endpoint.is_of_messages() => "/messages/batches/",
            endpoint if endpoint.answers_batch() => "/batches/",
            endpoint if endpoint.is_interaction() => "/interactions/",
            _ => "/responses/",
        };
        let mut path = String::from(collection);
        let Some(objects) = &self.objects else { return path };
        let of = |place: NamedPlace| {
            let named = objects.named.iter().find(|named| named.place == place);
            named.and_then(|named| named.opened.as_deref())
        };
        for (at, part) in self.endpoint.path().split("{id}").enumerate() {
            if let Some(before) = at.checked_sub(1) {
                path.push_str(of(NamedPlace::Path(before)).unwrap_or_default());
            }
            path.push_str(part);
        }
        for (at, (name, value)) in objects.pairs.iter().enumerate() {
            path.push(if at == 0 { '?' } else { '&' });
            path.push_str(name);
            path.push('=');
            path.push_str(of(NamedPlace::Query(at)).unwrap_or(value));
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Accent, Edits, read, route};

    fn responses(body: &str) -> Result<Call, Refusal> {
        read(Endpoint::Responses, None, Bytes::copy_from_slice(body.as_bytes()))
    }

    /// The ids that a request names, those that are needed with an exclamation mark.
    fn named(body: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let mut call = responses(body).expect("a good request");
        let opened = call.open_objects(|id, is_needed| {
            ids.push(format!("{id}{}", if is_needed { "!" } else { "" }));
            Ok(Some(String::new()))
        });
        opened.expect("all open");
        ids
    }

    #[test]
    fn an_item_that_says_nothing_itself_is_what_its_id_names() {
        for (item, expected) in [
            (r#"{"type":"item_reference","id":"a"}"#, "a!"),
            (r#"{"id":"a","type":"item_reference","content":"x"}"#, "a!"),
            (r#"{"id":"a"}"#, "a!"),
            (r#"{"\u0069d":"\u0061","type":null}"#, "a!"),
            (r#"{"type":"message","id":"a","role":"user","status":"completed","content":[]}"#, "a!"),
            (r#"{"type":"reasoning","id":"a","summary":[{"text":"x"}],"encrypted_content":null}"#, "a!"),
            (r#"{"type":"image_generation_call","id":"a","result":""}"#, "a!"),
            (r#"{"type":"mcp_approval_response","approval_request_id":"a","approve":true}"#, "a!"),
            (r#"{"type":"message","id":"a","content":[{"type":"input_text","text":"x"}]}"#, "a"),
            (r#"{"type":"function_call","id":"a","call_id":"c","name":"f","arguments":"{}"}"#, "a"),
            (r#"{"type":"reasoning","id":"a","summary":[],"encrypted_content":"x"}"#, "a"),
        ] {
            let body = format!("{{\"model\":\"m\",\"input\":[{item}]}}");
            assert_eq!(named(&body), [expected], "{item}");
            assert_eq!(responses(&body).unwrap().billable().stored_input, expected.ends_with('!'), "{item}");
        }
        assert!(
            named(r#"{"model":"m","input":[{"role":"user","content":[{"id":"a"}]},{"type":"x","call_id":"a"}]}"#)
                .is_empty()
        );
        assert_eq!(named(r#"{"model":"m","input":"hi","previous_response_id":"a"}"#), ["a!"]);
        assert!(named(r#"{"model":"m","input":"hi","previous_response_id":null}"#).is_empty());
    }

    #[test]
    fn a_file_is_named_wherever_a_part_can_name_it() {
        for body in [
            r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"a"}]}]}"#,
            r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_image","\u0066ile_id":"a"}]}]}"#,
            r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_file","FILE_ID":"a"}]}]}"#,
            r#"{"model":"m","prompt":{"id":"p","variables":{"x":{"type":"input_file","file_id":"a"}}}}"#,
            r#"{"model":"m","prompt":{"id":"p","variables":{"input":{"type":"input_file","file_id":"a"}}}}"#,
            r#"{"model":"m","input":[{"role":"user","content":[{"input":{"type":"input_file","file_id":"a"}}]}]}"#,
        ] {
            assert_eq!(named(body), ["a!"], "{body}");
        }
        let arguments = r#"{"model":"m","input":[{"type":"x_call","call_id":"c","input":{"file_id":"a"}}]}"#;
        assert!(named(arguments).is_empty(), "the tenant's own words");
    }

    #[test]
    fn an_answer_in_audio_is_named_by_the_turn_that_goes_on_from_it() {
        let of = |audio: &str| {
            let body = format!(
                r#"{{"model":"m","modalities":["text","audio"],"audio":{{"voice":"v","format":"wav"}},"messages":[{{"role":"assistant","audio":{audio}}},{{"role":"user","content":"audio"}}]}}"#
            );
            let mut call = read(Endpoint::ChatCompletions, None, body.into()).expect("good");
            assert!(call.answers_with_objects());
            let mut ids = Vec::new();
            let opened = call.open_objects(|id, is_needed| {
                ids.push(format!("{id}{}", if is_needed { "!" } else { "" }));
                Ok(Some("raw".to_owned()))
            });
            opened.expect("all open");
            (ids, String::from_utf8(call.outgoing(&Edits::default()).to_bytes().to_vec()).expect("text"))
        };
        let (ids, sent) = of(r#"{"id":"a"}"#);
        assert_eq!(ids, ["a!"]);
        assert!(sent.contains(r#""audio":{"id":"raw"}"#), "{sent}");
        assert_eq!(of(r#"{"\u0069d":"a"}"#).0, ["a!"]);
        assert!(of(r#"{"id":"","data":""}"#).0.is_empty() && of("null").0.is_empty());
    }

    #[test]
    fn what_parsers_read_differently_is_refused() {
        for item in [
            r#"{"id":"a","id":"b"}"#,
            r#"{"type":"message","content":"x","type":"item_reference","id":"a"}"#,
            r#"{"ID":"a"}"#,
            r#"{"Type":"item_reference","id":"a","content":"x"}"#,
            r#"{"approval_request_id":"a","approval_request_id":"b"}"#,
            r#"{"approval_request_ID":"a"}"#,
        ] {
            let refused = responses(&format!("{{\"model\":\"m\",\"input\":[{item}]}}"));
            assert_eq!(refused.map_err(|refusal| refusal.code()).err(), Some("ambiguous_request"), "{item}");
        }
    }

    #[test]
    fn opened_ids_are_spliced_where_they_stand() {
        let body = r#"{ "previous_response_id" : "s1", "model":"m","input":[{"id":"s2","type":"item_reference"},{"id":"x","role":"user","content":"s1"}] }"#;
        let mut call = responses(body).expect("good");
        let open = |id: &str, _| Ok(id.strip_prefix('s').map(|rest| format!("raw_{rest}")));
        call.open_objects(open).expect("all that is needed opens");
        let sent = call.outgoing(&Edits { model: Some("n"), ..Edits::default() }).to_bytes();
        let expected =
            body.replace("\"s1\", \"model\":\"m\"", "\"raw_1\", \"model\":\"n\"").replace("\"s2\"", "\"raw_2\"");
        assert_eq!(sent, expected);
        assert_eq!(call.opened_objects().collect::<Vec<_>>(), [("s1", "raw_1"), ("s2", "raw_2")]);
        let refused = call.open_objects(|_, _| Ok(None)).expect_err("none opens");
        assert_eq!(refused, Refusal::ObjectNotFound { id: "s1".into() });
    }

    #[test]
    fn what_is_put_into_a_conversation_names_objects_in_path_and_body() {
        let of = |path: &'static str, body: &'static str| {
            let route = route("POST", path, "include=x&key=k", Accent::default()).expect("a route");
            let mut call = read(route, None, Bytes::from_static(body.as_bytes())).expect("a good request");
            call.open_objects(|id, _| Ok(Some(format!("raw_{id}")))).expect("all open");
            assert!(call.billable().is_free && call.answers_with_objects());
            let sent = call.outgoing(&Edits { model: Some("n"), ..Edits::default() }).to_bytes();
            (call.path("m").expect("its own"), String::from_utf8(sent.to_vec()).expect("text"))
        };
        let items = r#"{"items":[{"type":"item_reference","id":"a"},{"role":"user","content":[{"file_id":"f"}]}]}"#;
        let sent = items.replace("\"a\"", "\"raw_a\"").replace("\"f\"", "\"raw_f\"");
        assert_eq!(of("/v1/conversations", items), ("/conversations?include=x".to_owned(), sent.clone()));
        assert_eq!(of("/v1/conversations/c/items", items), ("/conversations/raw_c/items?include=x".to_owned(), sent));
        let noted = r#"{"metadata":{"id":"a"}}"#;
        assert_eq!(of("/v1/conversations/c", noted), ("/conversations/raw_c?include=x".to_owned(), noted.to_owned()));
    }

    #[test]
    fn a_call_about_an_object_says_all_in_its_path() {
        let of = |method, path: &'static str, query: &'static str| {
            let route = route(method, path, query, Accent::default()).expect("a route");
            let mut call = read(route, None, Bytes::from_static(b"ignored"))?;
            call.open_objects(|id, _| Ok(Some(format!("raw_{id}"))))?;
            assert!(call.outgoing(&Edits { model: Some("n"), include_usage: true, ..Edits::default() }).is_empty());
            Ok::<_, Refusal>((call.endpoint().method(), call.path("m").expect("its own"), call.stream()))
        };
        let query = "key=secret&include%5B%5D=a.b&stream=true&starting_after=7&api-version=1";
        let expected = ("GET", "/responses/raw_a?include[]=a.b&stream=true&starting_after=7".to_owned(), true);
        assert_eq!(of("GET", "/v1/responses/a", query), Ok(expected));
        let expected = ("GET", "/responses/raw_a/input_items?limit=5&after=raw_b".to_owned(), false);
        assert_eq!(of("GET", "/openai/responses/a/input_items", "limit=5&after=b"), Ok(expected));
        assert_eq!(of("DELETE", "/v1/responses/a", ""), Ok(("DELETE", "/responses/raw_a".to_owned(), false)));
        assert_eq!(
            of("POST", "/openai/v1/responses/a/cancel", ""),
            Ok(("POST", "/responses/raw_a/cancel".to_owned(), false))
        );
        let query = "include[]=a.b&order=asc&after=m";
        let expected = ("GET", "/conversations/raw_c/items?include[]=a.b&order=asc&after=raw_m".to_owned(), false);
        assert_eq!(of("GET", "/openai/v1/conversations/c/items", query), Ok(expected));
        assert_eq!(
            of("DELETE", "/v1/conversations/c/items/m", ""),
            Ok(("DELETE", "/conversations/raw_c/items/raw_m".to_owned(), false))
        );
        for bad in ["limit=", "limit=5%26after=x", "order=a/b", "after=a?b"] {
            assert_eq!(
                of("GET", "/v1/responses/a", bad).map_err(|refusal| refusal.code()),
                Err("invalid_request"),
                "{bad}"
            );
        }
    }
}

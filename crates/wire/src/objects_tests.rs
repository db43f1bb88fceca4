//! Ids are renamed where they are, and nowhere else, however a stream is cut.

use bytes::Bytes;

use super::{ObjectStream, Tie, rename_objects};
use crate::Endpoint;

/// What is of a model gets a star, what is of a place a cross.
fn star(id: &str, tie: Tie) -> Option<String> {
    let mark = if tie == Tie::Model { '*' } else { '+' };
    (!id.starts_with("keep")).then(|| format!("{mark}{id}"))
}

fn renamed(document: &str) -> String {
    let renamed = rename_objects(Endpoint::Responses, document.as_bytes(), &mut star);
    renamed.map_or(document.to_owned(), |bytes| String::from_utf8(bytes).expect("text"))
}

#[test]
fn ids_are_renamed_where_responses_have_them() {
    let whole = r#" {"id": "resp_1" ,"object":"response","previous_response_id":"resp_0","output":[{"id":"rs_1","type":"reasoning"},
        {"type":"message","content":[{"text":"{\"id\":\"resp_1\"}","id":"part"}],"id":"msg_1"}],"metadata":{"id":"resp_1"},
        "tools":[{"id":"t","parameters":{"properties":{"id":"resp_1"}}}],"conversation":null}"#;
    let expected = r#" {"id": "*resp_1" ,"object":"response","previous_response_id":"*resp_0","output":[{"id":"+rs_1","type":"reasoning"},
        {"type":"message","content":[{"text":"{\"id\":\"resp_1\"}","id":"part"}],"id":"+msg_1"}],"metadata":{"id":"resp_1"},
        "tools":[{"id":"t","parameters":{"properties":{"id":"resp_1"}}}],"conversation":null}"#;
    assert_eq!(renamed(whole), expected);
    let list = r#"{"object":"list","data":[{"id":"msg_1","content":[{"id":"x"}]}],"first_id":"msg_1","last_id":"msg_1","has_more":false}"#;
    let expected = r#"{"object":"list","data":[{"id":"+msg_1","content":[{"id":"x"}]}],"first_id":"+msg_1","last_id":"+msg_1","has_more":false}"#;
    assert_eq!(renamed(list), expected);
    let asked = r#"{"data":[{"id":"msg_1","content":[{"type":"input_file","file_id":"f1"},{"type":"input_text","text":"file_id"}]},
        {"type":"function_call_output","id":"o","output":[{"file_id":"f2"}],"call_id":"c"}],"prompt":{"id":"p","variables":{"a":{"file_id":"f3"}}},
        "instructions":"x","metadata":{"file_id":"m"}}"#;
    let expected = ["+msg_1", "*f1", "+o", "*f2", "*f3"]
        .iter()
        .fold(asked.to_owned(), |text, id| text.replace(&format!("\"{}\"", &id[1..]), &format!("\"{id}\"")));
    assert_eq!(renamed(asked), expected);
    let event = r#"{"type":"response.completed","response":{"id":"resp_1","output":[{"id":"msg_1"}]}}"#;
    assert_eq!(
        renamed(event),
        r#"{"type":"response.completed","response":{"id":"*resp_1","output":[{"id":"+msg_1"}]}}"#
    );
    let event =
        r#"{"item_id":"msg_1","item":{"id":"mcpr_1","approval_request_id":"mcpr_0","call_id":"call_1"},"delta":"id"}"#;
    let expected = r#"{"item_id":"+msg_1","item":{"id":"+mcpr_1","approval_request_id":"+mcpr_0","call_id":"call_1"},"delta":"id"}"#;
    assert_eq!(renamed(event), expected);
}

#[test]
fn a_conversation_and_its_items_are_of_a_place_and_responses_name_it_alike() {
    let renamed = |endpoint, document: &str| {
        let renamed = rename_objects(endpoint, document.as_bytes(), &mut star).expect("renamed");
        String::from_utf8(renamed).expect("text")
    };
    let whole = r#"{"id":"conv_1","object":"conversation","metadata":{"id":"conv_1"}}"#;
    assert_eq!(renamed(Endpoint::ConversationGet, whole), whole.replacen("conv_1", "+conv_1", 1));
    let item = r#"{"id":"o_1","type":"function_call_output","call_id":"c","output":[{"type":"input_file","file_id":"f1"}],"conversation":{"id":"x"}}"#;
    let expected = item.replace("o_1", "+o_1").replace("f1", "*f1");
    assert_eq!(renamed(Endpoint::ConversationItemGet, item), expected);
    let list = format!(r#"{{"data":[{item}],"first_id":"o_1","last_id":"o_1"}}"#);
    let expected = list.replace("o_1", "+o_1").replace("f1", "*f1");
    assert_eq!(renamed(Endpoint::ConversationItemList, &list), expected);
    let response = r#"{"id":"resp_1","conversation":{"id":"conv_1"},"output":[{"id":"msg_1"}]}"#;
    let expected = response.replace("resp_1", "*resp_1").replace("conv_1", "+conv_1").replace("msg_1", "+msg_1");
    assert_eq!(renamed(Endpoint::Responses, response), expected);
    let event = format!(r#"{{"type":"response.created","response":{response}}}"#);
    assert_eq!(renamed(Endpoint::Responses, &event), event.replace(response, &expected));
}

#[test]
fn what_has_no_ids_stays_and_what_is_broken_is_renamed_as_far_as_it_goes() {
    for same in
        ["", "[DONE]", "<html>", "[1]", r#"{"id":null,"output":"id"}"#, r#"{"id":"keep"}"#, r#"{"a":{"id":"x"}}"#]
    {
        assert_eq!(rename_objects(Endpoint::Responses, same.as_bytes(), &mut star), None, "{same}");
    }
    assert_eq!(renamed(r#"{"id":"a","output":[{"id":"b","#), r#"{"id":"*a","output":[{"id":"+b","#);
    assert_eq!(renamed(r#"{"id":"a\u0062","x":1}"#), r#"{"id":"*ab","x":1}"#);
}

#[test]
fn of_a_chat_only_its_audio_is_renamed() {
    for kind in ["message", "delta"] {
        let chat = format!(
            r#"{{"id":"chatcmpl-1","choices":[{{"id":"c","{kind}":{{"id":"m","audio":{{"id":"audio_1","data":"QUJD","transcript":"id"}},"tool_calls":[{{"id":"call_1"}}]}}}}]}}"#
        );
        let renamed = rename_objects(Endpoint::ChatCompletions, chat.as_bytes(), &mut star).expect("renamed");
        assert_eq!(String::from_utf8(renamed).expect("text"), chat.replace("audio_1", "*audio_1"));
        let none = chat.replace("audio_1", "");
        assert_eq!(rename_objects(Endpoint::ChatCompletions, none.as_bytes(), &mut star), None);
    }
    let none = r#"{"id":"chatcmpl-1","choices":[{"message":{"audio":null}}],"audio":{"id":"x"}}"#;
    assert_eq!(rename_objects(Endpoint::ChatCompletions, none.as_bytes(), &mut star), None);
}

#[test]
fn an_interaction_is_renamed_and_no_id_of_a_call_in_its_steps() {
    let whole = r#"{"id":"v1_1","previous_interaction_id":"v1_0","object":"interaction","steps":[{"type":"function_call","id":"fc_1"},{"type":"function_result","call_id":"fc_1","result":{"id":"x","interaction":{"id":"y"}}}]}"#;
    let renamed = |document: &str| {
        let renamed = rename_objects(Endpoint::Interactions, document.as_bytes(), &mut star);
        renamed.map(|renamed| String::from_utf8(renamed).expect("text"))
    };
    let expected = whole.replace("v1_", "*v1_");
    assert_eq!(renamed(whole), Some(expected));
    for event in [
        r#"{"event_type":"interaction.completed","interaction":{"id":"v1_1","previous_interaction_id":"v1_0"}}"#,
        r#"{"event_type":"interaction.status_update","interaction_id":"v1_1"}"#,
    ] {
        assert_eq!(renamed(event), Some(event.replace("v1_", "*v1_")));
    }
    for same in [
        r#"{"interaction":{"id":""},"event_type":"interaction.created"}"#,
        r#"{"event_type":"step.start","step":{"id":"fc_1","type":"function_call"},"event_id":"5"}"#,
        "{}",
    ] {
        assert_eq!(renamed(same), None, "{same}");
    }
}

/// A stream in the three line ends that there are, with what must not be touched.
fn stream(end: &str) -> (String, String) {
    let events = [
        "event: response.created|data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"output\":[]}}||",
        ": {\"id\":\"a comment\"}||",
        "event: x|id: 7|data:{\"item_id\":\"msg_1\",\"delta\":\"\\\"id\\\":\\\"resp_1\\\" caf\u{e9}\"}||",
        "data: {\"id\":\"keep\"}||data: [DONE]||",
    ];
    let text = events.concat();
    let expected = text.replace("\"id\":\"resp_1\",", "\"id\":\"*resp_1\",").replace("\"msg_1\"", "\"+msg_1\"");
    (text.replace('|', end), expected.replace('|', end))
}

#[test]
fn a_stream_cut_anywhere_is_renamed_alike() {
    for end in ["\n", "\r\n", "\r"] {
        let (text, expected) = stream(end);
        for mark in ["", "\u{feff}"] {
            let (text, expected) = (format!("{mark}{text}"), format!("{mark}{expected}"));
            for size in 1..text.len() + 1 {
                let (mut stream, mut out) = (ObjectStream::new(Endpoint::Responses), Vec::new());
                for piece in text.as_bytes().chunks(size) {
                    stream.push(&Bytes::copy_from_slice(piece), &mut star, &mut |bytes| out.extend_from_slice(&bytes));
                }
                stream.finish(&mut star, &mut |bytes| out.extend_from_slice(&bytes));
                assert_eq!(String::from_utf8_lossy(&out), expected, "pieces of {size}");
            }
        }
    }
}

#[test]
fn an_unfinished_line_goes_out_renamed_at_the_end() {
    let (mut stream, mut out) = (ObjectStream::new(Endpoint::Responses), Vec::new());
    let mut forward = |bytes: Bytes| out.extend_from_slice(&bytes);
    stream.push(&Bytes::from_static(b"data: {\"id\":\"resp_1\""), &mut star, &mut forward);
    stream.finish(&mut star, &mut forward);
    assert_eq!(out, b"data: {\"id\":\"*resp_1\"");
}

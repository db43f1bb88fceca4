//! Requests of Anthropic, Google and of OpenAI's responses: what is billed, what is refused, and what is spliced.

use base::Refusal;
use bytes::Bytes;

use super::read;
use crate::{Accent, CacheWrites, Call, Edits, Endpoint, Route, route};

fn body(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn message(more: &str) -> Result<Call, Refusal> {
    let text =
        format!("{{\"model\":\"c\",\"max_tokens\":9,\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]{more}}}");
    read(Endpoint::Messages, None, body(&text))
}

fn response(more: &str) -> Result<Call, Refusal> {
    read(Endpoint::Responses, None, body(&format!("{{\"model\":\"g\",\"input\":\"hi\"{more}}}")))
}

fn to(path: &'static str, query: &'static str) -> Route<'static> {
    route("POST", path, query, Accent::default()).expect("a route")
}

fn content(more: &str) -> Result<Call, Refusal> {
    let text = format!("{{\"contents\":[{{\"parts\":[{{\"text\":\"hi\"}}]}}]{more}}}");
    read(to("/v1beta/models/m:generateContent", ""), None, body(&text))
}

fn code(read: Result<Call, Refusal>) -> String {
    read.err()
        .map_or_else(|| "taken".to_owned(), |refusal| format!("{} {}", refusal.code(), refusal.param().unwrap_or("")))
}

#[test]
fn what_costs_beyond_its_tokens_is_refused() {
    for (more, expected) in [
        (",\"speed\":\"standard\",\"inference_geo\":\"global\",\"container\":null", "taken"),
        (",\"speed\":\"fast\"", "invalid_request speed"),
        (",\"inference_geo\":\"us\"", "invalid_request inference_geo"),
        (",\"container\":\"container_1\"", "invalid_request container"),
        (",\"tools\":[{\"type\":\"advisor_20260301\",\"name\":\"advisor\"}]", "invalid_request tools"),
        (",\"max_tokens\":0", "ambiguous_request max_tokens"),
        (",\"thread\":{\"type\":\"continue\",\"previous_message_id\":\"msg_1\"}", "invalid_request thread"),
        (",\"thread\":null,\"plugins\":null,\"fallbacks\":null", "taken"),
        (",\"plugins\":[{\"id\":\"web\"}]", "invalid_request plugins"),
        (",\"provider\":\"x\"", "invalid_request provider"),
        (",\"context_management\":[]", "invalid_request context_management"),
        (",\"context_management\":{\"edits\":[1]}", "invalid_request context_management.edits"),
        (",\"tools\":[{\"type\":\"web_search_20250305\",\"max_uses\":\"5\"}]", "invalid_request tools.max_uses"),
        (",\"Max_Tokens\":5", "ambiguous_request max_tokens"),
        (",\"maxTokens\":5", "ambiguous_request max_tokens"),
        (",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":5}", "taken"),
        (",\"something_new\":1", "taken"),
    ] {
        assert_eq!(code(message(more)), expected, "{more}");
    }
    for (more, expected) in [
        (",\"background\":false,\"previous_response_id\":null,\"store\":true", "taken"),
        (",\"background\":true", "invalid_request background"),
        (",\"previous_response_id\":\"resp_1\"", "taken"),
        (",\"previous_response_id\":1", "invalid_request previous_response_id"),
        (",\"store\":\"no\"", "invalid_request store"),
        (",\"conversation\":{\"id\":\"conv_1\"}", "taken"),
        (",\"conversation\":\"conv_1\"", "taken"),
        (",\"conversation\":null", "taken"),
        (",\"conversation\":{\"id\":null}", "invalid_request conversation.id"),
        (",\"conversation\":{\"Id\":\"conv_1\"}", "invalid_request conversation.id"),
        (",\"conversation\":{\"id\":\"a\",\"id\":\"b\"}", "ambiguous_request conversation.id"),
        (",\"conversation\":7", "invalid_request conversation"),
        (",\"tools\":[{\"type\":\"image_generation\"}]", "invalid_request tools"),
        (",\"tools\":[{\"type\":\"code_interpreter\",\"container\":{\"type\":\"auto\"}}]", "invalid_request tools"),
        (",\"tools\":[{\"type\":\"web_search\"}]", "taken"),
        (",\"MaxOutputTokens\":5", "ambiguous_request max_output_tokens"),
    ] {
        assert_eq!(code(response(more)), expected, "{more}");
    }
    for (more, expected) in [
        (
            ",\"generationConfig\":{\"maxOutputTokens\":5,\"max_output_tokens\":6}",
            "ambiguous_request generationConfig.maxOutputTokens",
        ),
        (",\"generationConfig\":{},\"generation_config\":{}", "ambiguous_request generationConfig"),
        (",\"generationConfig\":{\"MaxOutputTokens\":5}", "ambiguous_request maxOutputTokens"),
        (",\"generationConfig\":{\"maxOutputTokens\":-1}", "invalid_request generationConfig.maxOutputTokens"),
        (",\"generationConfig\":{\"maxOutputTokens\":\"9\"}", "invalid_request generationConfig.maxOutputTokens"),
        (
            ",\"generationConfig\":{\"responseModalities\":[\"TEXT\",\"IMAGE\"]}",
            "invalid_request generationConfig.responseModalities",
        ),
        (",\"GenerationConfig\":{}", "ambiguous_request generationConfig"),
        (",\"model\":\"models/other\"", "ambiguous_request model"),
        (",\"model\":\"models/m\"", "taken"),
        (",\"safety_settings\":[],\"toolConfig\":{}", "taken"),
    ] {
        assert_eq!(code(content(more)), expected, "{more}");
    }
}

#[test]
fn everything_that_raises_the_price_is_seen() {
    let call = message(",\"system\":[{\"type\":\"text\",\"text\":\"s\"}],\"tools\":[{\"name\":\"f\",\"input_schema\":{}},{\"type\":\"web_search_20250305\",\"name\":\"w\"},{\"type\":\"bash_20250124\",\"name\":\"b\"}],\"metadata\":{\"user_id\":\"u-1\"}").unwrap();
    let billable = call.billable();
    assert_eq!((billable.tools, billable.server_tools, billable.web_search), (3, 1, true));
    assert!(billable.rereads && !message(r#","tools":[{"name":"f"}]"#).unwrap().billable().rereads);
    assert_eq!((billable.output_limit, call.end_user()), (Some(9), Some("u-1")));
    assert!(billable.text_bytes > call.body().len() as u64 + 1_000, "the tool's own instructions are counted");

    let call = content(",\"generationConfig\":{\"candidate_count\":3,\"maxOutputTokens\":7,\"responseModalities\":[\"AUDIO\"]},\"tools\":[{\"googleSearch\":{}},{\"functionDeclarations\":[{\"name\":\"a\"},{\"name\":\"b\"}]}],\"cachedContent\":\"cachedContents/x\"").unwrap();
    let billable = call.billable();
    assert_eq!((billable.choices, billable.output_limit, billable.audio_output), (3, Some(7), true));
    assert_eq!((billable.tools, billable.server_tools, billable.web_search, billable.files), (2, 1, true, 1));
    assert!(!billable.unknown_parameters);
    assert!(content(",\"generationConfig\":{\"brandNew\":1}").unwrap().billable().unknown_parameters);

    let call = response(",\"instructions\":\"be kind\",\"max_output_tokens\":8,\"tools\":[{\"type\":\"function\",\"name\":\"f\"},{\"type\":\"web_search\"}]").unwrap();
    let billable = call.billable();
    assert_eq!(
        (billable.output_limit, billable.tools, billable.server_tools, billable.web_search),
        (Some(8), 2, 1, true)
    );
    for free in [Endpoint::CountMessageTokens, Endpoint::Moderations] {
        let text = "{\"model\":\"m\",\"input\":\"x\",\"messages\":[]}";
        assert!(read(free, None, body(text)).unwrap().billable().is_free);
    }
}

#[test]
fn media_of_google_are_counted_whichever_member_comes_first() {
    let payload = "QUJD".repeat(100);
    for part in [
        format!("{{\"inlineData\":{{\"mimeType\":\"audio/wav\",\"data\":\"{payload}\"}}}}"),
        format!("{{\"inline_data\":{{\"data\":\"{payload}\",\"mime_type\":\"AUDIO/wav\"}}}}"),
    ] {
        let text = format!("{{\"contents\":[{{\"parts\":[{part}]}}]}}");
        let call = read(to("/v1/models/m:generateContent", ""), None, body(&text)).unwrap();
        let billable = call.billable();
        assert_eq!((billable.audios, billable.audio_bytes, billable.images), (1, 300, 0));
        assert_eq!(billable.text_bytes, (text.len() - payload.len()) as u64);
    }
    let hidden = format!(
        "{{\"contents\":[{{\"parts\":[{{\"functionCall\":{{\"args\":{{\"inlineData\":{{\"mimeType\":\"image/png\",\"data\":\"{payload}\"}}}}}}}}]}}]}}"
    );
    let call = read(to("/v1/models/m:generateContent", ""), None, body(&hidden)).unwrap();
    assert_eq!((call.billable().images, call.billable().text_bytes), (0, hidden.len() as u64), "an argument is text");
    let video = "{\"contents\":[{\"parts\":[{\"fileData\":{\"fileUri\":\"https://youtu.be/x\"}}]}]}";
    assert_eq!(read(to("/v1/models/m:generateContent", ""), None, body(video)).unwrap().billable().videos, 1);
}

#[test]
fn the_path_says_the_model_the_stream_and_its_form() {
    let text = "{\"contents\":[]}";
    for (path, query, expected, stream, array) in [
        ("/v1beta/models/m:generateContent", "key=secret", "/models/up:generateContent", false, false),
        (
            "/v1/models/m:streamGenerateContent",
            "alt=sse&key=secret",
            "/models/up:streamGenerateContent?alt=sse",
            true,
            false,
        ),
        ("/v1/models/m:streamGenerateContent", "", "/models/up:streamGenerateContent", true, true),
        ("/v1/models/m:streamGenerateContent", "alt=json", "/models/up:streamGenerateContent?alt=json", true, true),
        ("/v1/models/m:countTokens", "prettyPrint=true", "/models/up:countTokens", false, false),
    ] {
        let call = read(to(path, query), None, body(text)).unwrap();
        assert_eq!(call.path("up").as_deref(), Some(expected), "{path}?{query}");
        assert_eq!((call.stream(), call.streams_array(), call.model().unwrap().as_str()), (stream, array, "m"));
    }
    let call = read(to("/v1/models/m:generateContent", ""), None, body(text)).unwrap();
    assert_eq!(call.path("tunedModels/x").as_deref(), Some("/tunedModels/x:generateContent"));
    assert_eq!(code(read(to("/v1/models/m:generateContent", "alt=media"), None, body(text))), "invalid_request alt");
    assert_eq!(
        code(read(to("/v1/models/m:generateContent", "alt=sse&alt=json"), None, body(text))),
        "ambiguous_request alt"
    );
    let beta = Route { query: "beta=true&x=y", ..Route::from(Endpoint::Messages) };
    let call = read(beta, None, body("{\"model\":\"c\",\"messages\":[]}")).unwrap();
    assert_eq!(call.path("up").as_deref(), Some("/messages?beta=true"));
    assert_eq!(message("").unwrap().path("up"), None);
}

#[test]
fn a_deployment_of_azure_is_a_model_in_the_path() {
    let route = to("/openai/deployments/gpt-4.1/chat/completions", "api-version=2024-10-21");
    let edits = Edits { model: Some("up"), ..Edits::default() };
    let call = read(route, None, body("{\"messages\":[]}")).unwrap();
    assert_eq!((call.model().unwrap().as_str(), call.path("up")), ("gpt-4.1", None));
    assert_eq!(&call.outgoing(&edits).to_bytes()[..], b"{\"model\":\"up\",\"messages\":[]}");
    let call = read(route, None, body("{\"model\":\"gpt-4.1\",\"messages\":[]}")).unwrap();
    assert_eq!(&call.outgoing(&edits).to_bytes()[..], b"{\"model\":\"up\",\"messages\":[]}");
    assert_eq!(code(read(route, None, body("{\"model\":\"other\",\"messages\":[]}"))), "ambiguous_request model");
}

#[test]
fn only_a_mark_writes_to_a_cache_of_anthropic() {
    for (more, writes) in [
        ("", CacheWrites::None),
        (",\"cache_control\":{\"type\":\"ephemeral\"}", CacheWrites::Short),
        (",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}", CacheWrites::Any),
        (",\"cache\\u005fcontrol\":{\"type\":\"ephemeral\"}", CacheWrites::Any),
    ] {
        assert_eq!(message(more).unwrap().billable().cache_writes, writes, "{more}");
    }
    assert_eq!(response("").unwrap().billable().cache_writes, CacheWrites::Any, "OpenAI writes unasked");
}

#[test]
fn limits_and_temperatures_are_spliced_where_each_dialect_has_them() {
    let edits = Edits { model: Some("up"), output_limit: Some(5), temperature: Some("0.5"), ..Edits::default() };
    let out = |call: Call| String::from_utf8(call.outgoing(&edits).to_bytes().to_vec()).unwrap();
    for (given, expected) in [
        ("{}", "{\"generationConfig\":{\"maxOutputTokens\":5,\"temperature\":0.5}}"),
        ("{\"contents\":[]}", "{\"generationConfig\":{\"maxOutputTokens\":5,\"temperature\":0.5},\"contents\":[]}"),
        ("{\"generationConfig\":null}", "{\"generationConfig\":{\"maxOutputTokens\":5,\"temperature\":0.5}}"),
        ("{\"generationConfig\":{}}", "{\"generationConfig\":{\"maxOutputTokens\":5,\"temperature\":0.5}}"),
        (
            "{\"generation_config\":{ \"topK\":1}}",
            "{\"generation_config\":{\"maxOutputTokens\":5,\"temperature\":0.5, \"topK\":1}}",
        ),
        (
            "{\"generationConfig\":{\"max_output_tokens\":9,\"temperature\":1}}",
            "{\"generationConfig\":{\"max_output_tokens\":5,\"temperature\":0.5}}",
        ),
        (
            "{\"model\":\"models/m\",\"generationConfig\":{\"temperature\":1}}",
            "{\"model\":\"models/up\",\"generationConfig\":{\"maxOutputTokens\":5,\"temperature\":0.5}}",
        ),
    ] {
        assert_eq!(out(read(to("/v1/models/m:generateContent", ""), None, body(given)).unwrap()), expected, "{given}");
    }
    let call = read(Endpoint::Messages, None, body("{\"model\":\"c\"}")).unwrap();
    assert_eq!(out(call), "{\"max_tokens\":5,\"temperature\":0.5,\"model\":\"up\"}");
    let call = read(Endpoint::Responses, None, body("{\"model\":\"c\",\"max_output_tokens\":9}")).unwrap();
    assert_eq!(out(call), "{\"temperature\":0.5,\"model\":\"up\",\"max_output_tokens\":5}");
    let call = read(Endpoint::Responses, None, body("{\"model\":\"gpt-5\"}")).unwrap();
    assert_eq!(out(call), "{\"max_output_tokens\":5,\"temperature\":0.5,\"model\":\"up\"}");
}

#[test]
fn a_choice_of_another_model_is_flagged_in_every_dialect() {
    for (more, parameter) in [
        (r#","fallbacks":"default""#, "fallbacks"),
        (r#","fallbacks":[{"model":"dearer"}]"#, "fallbacks"),
        (r#","models":["dearer"]"#, "models"),
        (r#","route":"fallback""#, "route"),
        (r#","preset":"x""#, "preset"),
        (r#","provider":{"order":["x"]}"#, "provider"),
        (r#","providerOptions":{"gateway":{"models":["x"]}}"#, "providerOptions"),
    ] {
        assert_eq!(message(more).expect("taken").billable().upstream_routing, Some(parameter), "messages {more}");
        assert_eq!(response(more).expect("taken").billable().upstream_routing, Some(parameter), "responses {more}");
    }
    for (more, parameter) in [
        (r#"{"routingConfig":{"manualMode":{"modelName":"x"}}}"#, "generationConfig.routingConfig"),
        (r#"{"routing_config":{"autoMode":{}}}"#, "generationConfig.routingConfig"),
        (r#"{"modelSelectionConfig":{}}"#, "generationConfig.modelSelectionConfig"),
    ] {
        let call = content(&format!(",\"generationConfig\":{more}")).expect("taken");
        assert_eq!(call.billable().upstream_routing, Some(parameter), "{more}");
    }
    let null = content(r#","generationConfig":{"routingConfig":null}"#).expect("taken");
    assert_eq!((null.billable().upstream_routing, null.billable().unknown_parameters), (None, false));
    let variant = content(r#","generationConfig":{"RoutingConfig":{}}"#);
    assert_eq!(code(variant), "ambiguous_request routingConfig");
}

#[test]
fn a_shell_runs_with_the_client_and_no_tool_names_what_nobody_owns() {
    for (tool, expected) in [
        (r#"{"type":"shell"}"#, "taken"),
        (r#"{"type":"shell","environment":null}"#, "taken"),
        (r#"{"type":"local_shell"}"#, "taken"),
        (r#"{"type":"shell","environment":{"type":"local"}}"#, "taken"),
        (
            r#"{"environment":{"skills":[{"name":"n","description":"d","path":"/p"}],"type":"local"},"type":"shell"}"#,
            "taken",
        ),
        (r#"{"type":"mcp","server_label":"s","server_url":"https://x","container_id":null}"#, "taken"),
        (r#"{"type":"function","name":"f","parameters":{"properties":{"container_id":{},"environment":{}}}}"#, "taken"),
        (r#"{"type":"shell","environment":{"type":"container_auto"}}"#, "invalid_request tools"),
        (r#"{"type":"shell","environment":{}}"#, "invalid_request tools"),
        (r#"{"type":"shell","environment":{"type":"local","type":"container_auto"}}"#, "invalid_request tools"),
        (r#"{"type":"computer_use_preview","display_width":1,"display_height":1,"environment":"browser"}"#, "taken"),
        (r#"{"type":"shell","environment":["local"]}"#, "invalid_request tools.environment"),
        (
            r#"{"type":"shell","environment":{"type":"container_reference","container_id":"c"}}"#,
            "invalid_request tools",
        ),
        (r#"{"type":"shell","environment":{"type":"local","file_ids":["f"]}}"#, "invalid_request tools"),
        (r#"{"type":"shell","environment":{"type":"local","skills":[{"skill_id":"s"}]}}"#, "invalid_request tools"),
        (r#"{"type":"new","Environment":{"type":"container_auto"}}"#, "invalid_request tools"),
        (r#"{"type":"new","container_id":"c"}"#, "invalid_request tools"),
        (r#"{"type":"mcp","tunnel_id":"t"}"#, "invalid_request tools"),
        (r#"{"type":"namespace","name":"n","tools":[{"type":"image_generation"}]}"#, "invalid_request tools"),
    ] {
        assert_eq!(code(response(&format!(",\"tools\":[{tool}]"))), expected, "{tool}");
        let item = format!("{{\"model\":\"g\",\"input\":[{{\"type\":\"additional_tools\",\"tools\":[{tool}]}}]}}");
        assert_eq!(code(read(Endpoint::Responses, None, body(&item))), expected, "{item}");
    }
    let of = |tools: &str| {
        let text = format!("{{\"model\":\"g\",\"input\":[{{\"type\":\"tool_search_output\",\"tools\":[{tools}]}}]}}");
        let billable = read(Endpoint::Responses, None, body(&text)).expect("taken").billable().clone();
        (billable.tools, billable.server_tools, billable.web_search)
    };
    assert_eq!(of(r#"{"type":"function","name":"f"},{"name":"listed","input_schema":{}}"#), (2, 0, false));
    assert_eq!(of(r#"{"type":"web_search"}"#), (1, 1, true));
}

#[test]
fn a_conversation_that_is_summed_up_is_seen() {
    for (more, expected) in [
        ("", (false, false)),
        (r#","context_management":null,"compaction":null"#, (false, false)),
        (r#","context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}"#, (false, false)),
        (r#","context_management":{"edits":[{"type":"compact_20260112"}]}"#, (true, false)),
        (r#","context_management":{"edits":[{"type":"clear_thinking_20251015"},{"type":"new_1"}]}"#, (true, false)),
        (r#","context_management":{"edits":[{}]}"#, (true, false)),
        (r#","context_management":{"edits":[{"type":"compact_1","type":"clear_1"}]}"#, (true, false)),
        (r#","context_management":{"other":1}"#, (false, true)),
        (r#","compaction":{"type":"summarize"}"#, (true, false)),
    ] {
        let call = message(more).expect("taken");
        assert_eq!((call.billable().compacts, call.billable().unknown_parameters), expected, "{more}");
    }
}

#[test]
fn searches_are_bounded_where_every_tool_says_how_often_it_may_be_used() {
    let of = |more: &str| message(more).expect("taken").billable().searches_max;
    let search = r#"{"type":"web_search_20250305","name":"w","max_uses":3}"#;
    for (tools, expected) in [
        (search.to_owned(), Some(3)),
        (format!("{search},{}", search.replace(":3", ":4")), Some(7)),
        (format!("{search},{{\"name\":\"f\",\"input_schema\":{{}}}}"), Some(3)),
        (format!("{search},{{\"type\":\"code_execution_20260120\",\"name\":\"c\"}}"), None),
        (search.replace(":3", ":null"), None),
        (search.replace(":3", ":9,\"max_uses\":3"), None),
        (search.replace("\"max_uses\":3", "\"x\":3"), None),
    ] {
        assert_eq!(of(&format!(",\"tools\":[{tools}]")), expected, "{tools}");
    }
    assert_eq!(of(&format!(r#","tools":[{search}],"mcp_servers":[{{"url":"u"}}]"#)), None);
}

#[test]
fn anthropics_cache_is_filled_with_no_output_at_all() {
    let none = "{\"model\":\"c\",\"max_tokens\":0,\"messages\":[]}";
    let call = read(Endpoint::Messages, None, body(none)).expect("taken");
    assert_eq!(call.billable().output_limit, Some(0));
    let edits = Edits { model: Some("up"), ..Edits::default() };
    assert_eq!(call.outgoing(&edits).to_bytes(), none.replace("\"c\"", "\"up\""));
    assert_eq!(code(read(Endpoint::ChatCompletions, None, body(none))), "invalid_request max_tokens");
}

#[test]
fn an_answer_that_is_made_later_is_refused() {
    let of = |deferred: &str| {
        let text = format!("{{\"model\":\"g\",\"messages\":[],\"deferred\":{deferred}}}");
        read(Endpoint::ChatCompletions, None, body(&text))
    };
    assert_eq!(code(of("true")), "invalid_request deferred");
    assert_eq!(code(of("\"yes\"")), "invalid_request deferred");
    assert!(of("false").is_ok_and(|call| !call.billable().unknown_parameters));
}

fn cohere(endpoint: Endpoint, text: &str) -> Result<Call, Refusal> {
    read(endpoint, None, body(text))
}

#[test]
fn cohere_bills_units_of_search_for_documents_and_their_length() {
    let units = |query: &str, documents: &[String]| {
        let text = serde_json::json!({ "model": "r", "query": query, "documents": documents }).to_string();
        cohere(Endpoint::CohereRerank, &text).expect("taken").billable().search_units
    };
    let short = |count: usize| vec!["x".to_owned(); count];
    assert_eq!(units("q", &[]), 1);
    assert_eq!(units("q", &short(90)), 1);
    assert_eq!(units("q", &short(101)), 2);
    // A hundred thousand bytes can be as many tokens: two hundred full chunks and one.
    assert_eq!(units("q", &["x".repeat(100_000)]), 3);
    // A query that fills a chunk leaves a token of each for the document.
    assert!(units(&"q".repeat(600), &["x".repeat(1_000)]) >= 10);
    let escaped = cohere(Endpoint::CohereRerank, r#"{"model":"r","query":"q","documents":["a"],"Documents":["b"]}"#);
    assert_eq!(code(escaped), "ambiguous_request documents");
    let chat = cohere(Endpoint::CohereChat, r#"{"model":"c","messages":[],"documents":["a"]}"#).expect("taken");
    assert_eq!(chat.billable().search_units, 0);
    assert_eq!(chat.prompt_texts().collect::<String>(), "a");
}

fn rerank(query: &str, documents: &str, more: &str) -> Result<Call, Refusal> {
    let text = format!("{{\"model\":\"r\",\"query\":{query},\"documents\":{documents}{more}}}");
    read(Endpoint::Rerank, None, body(&text))
}

#[test]
fn a_query_counts_with_each_of_the_documents_that_are_put_in_its_order() {
    let billable = |query: &str, documents: &str| rerank(query, documents, "").expect("taken").billable().clone();
    let (none, three) = (billable("\"query\"", "[]"), billable("\"query\"", r#"["a","b",{"text":"c","title":"t"}]"#));
    assert_eq!((none.prompts, three.prompts, three.images), (1, 3, 0));
    let body_bytes = r#"{"model":"r","query":"query","documents":["a","b",{"text":"c","title":"t"}]}"#.len() as u64;
    assert_eq!(three.text_bytes, body_bytes + 3 * "\"query\"".len() as u64);
    assert!(!three.unknown_parameters && !three.units_alone, "tokens or units");
    assert_eq!(billable("\"q\"", &format!("[{}]", ["\"x\""; 101].join(","))).search_units, 2);
    let images =
        billable("\"q\"", r#"[{"image":"https://x/1.png"},{"image":"data:image/png;base64,QUJD"},{"text":"x"}]"#);
    assert_eq!((images.images, images.unknown_parameters), (2, false));
    // An image in the query is read as often as there are documents.
    assert!(billable(r#"{"image":"https://x/1.png"}"#, r#"["a","b"]"#).unknown_parameters);
    assert!(!billable(r#"{"text":"q"}"#, r#"["a","b"]"#).unknown_parameters);
    let texts = rerank("\"q\"", r#"["a",{"text":"b"}]"#, "").expect("taken");
    assert_eq!(texts.prompt_texts().collect::<Vec<_>>().concat(), "qab");
}

#[test]
fn what_puts_documents_in_order_is_guarded_like_a_chat() {
    for (query, documents, more, expected) in [
        ("\"q\"", "[\"a\"]", r#","top_n":1,"top_k":1,"return_documents":true,"truncation":true,"user":"u""#, "taken"),
        ("7", "[\"a\"]", "", "invalid_request query"),
        ("\"q\"", "\"a\"", "", "invalid_request documents"),
        ("\"q\"", "[\"a\"]", r#","Documents":["b"]"#, "ambiguous_request documents"),
        ("\"q\"", "[\"a\"]", r#","documents":["b"]"#, "ambiguous_request documents"),
        ("\"q\"", "[\"a\"]", r#","api_base":"https://elsewhere""#, "invalid_request api_base"),
        ("\"q\"", "[\"a\"]", r#","extra_body":{"model":"dear"}"#, "invalid_request extra_body"),
    ] {
        assert_eq!(code(rerank(query, documents, more)), expected, "{query} {documents} {more}");
    }
    for (more, routes, is_unknown) in [
        (r#","models":["dear"]"#, Some("models"), false),
        (r#","provider":{"order":["dear"]}"#, Some("provider"), false),
        (r#","overlap_tokens":80"#, None, true),
    ] {
        let billable = rerank("\"q\"", "[\"a\"]", more).expect("taken").billable().clone();
        assert_eq!((billable.upstream_routing, billable.unknown_parameters), (routes, is_unknown), "{more}");
    }
    let call = rerank("\"q\"", "[\"a\"]", r#","user":"u""#).expect("taken");
    let sent = call.outgoing(&Edits { model: Some("up"), ..Edits::default() });
    assert_eq!(sent.to_bytes(), r#"{"model":"up","query":"q","documents":["a"],"user":"u"}"#);
}

#[test]
fn a_conversation_that_is_made_shorter_is_held_for_the_longest_answer_whatever_it_says() {
    let compact = |more: &str| read(Endpoint::ResponseCompact, None, body(&format!("{{\"model\":\"g\"{more}}}")));
    let call = compact(r#","input":[],"previous_response_id":"resp_1","instructions":"i","prompt_cache_key":"k""#)
        .expect("taken");
    let billable = call.billable();
    assert!(billable.stored_input && !billable.unknown_parameters && call.answers_with_objects());
    assert!(call.names_objects());
    assert_eq!(compact(r#","input":"x","max_output_tokens":5"#).expect("taken").billable().output_limit, None);
    for (more, expected) in [
        (r#","input":"x","stream":true"#, "invalid_request stream"),
        (r#","input":"x","stream":false"#, "taken"),
        (r#","input":"x","background":true"#, "invalid_request background"),
        (r#","input":"x","conversation":1"#, "invalid_request conversation"),
        (r#","input":"x","tools":[{"type":"code_interpreter","container":"c"}]"#, "invalid_request tools"),
        (r#","Input":"x""#, "ambiguous_request input"),
    ] {
        assert_eq!(code(compact(more)), expected, "{more}");
    }
    let call = compact(r#","input":"x""#).expect("taken");
    let sent = call.outgoing(&Edits { model: Some("up"), output_limit: None, ..Edits::default() });
    assert_eq!(sent.to_bytes(), r#"{"model":"up","input":"x"}"#);
}

fn interaction(more: &str) -> Result<Call, Refusal> {
    read(to("/v1beta/interactions", "alt=sse"), None, body(&format!("{{\"model\":\"g\"{more}}}")))
}

#[test]
fn contents_of_an_interaction_are_counted_by_their_types() {
    for (input, images, audios, audio_bytes, files, videos, text_bytes) in [
        (r#""hi""#, 0, 0, 0, 0, 0, r#""hi""#.len()),
        (r#"{"type":"text","text":"hi"}"#, 0, 0, 0, 0, 0, r#"{"type":"text","text":"hi"}"#.len()),
        (
            r#"[{"type":"image","data":"QUJD","mime_type":"image/png"}]"#,
            1,
            0,
            0,
            0,
            0,
            r#"[{"type":"image","data":"","mime_type":"image/png"}]"#.len(),
        ),
        (r#"[{"data":"QUJDQUJD","type":"audio"}]"#, 0, 1, 6, 0, 0, r#"[{"data":"","type":"audio"}]"#.len()),
        (
            r#"[{"type":"document","uri":"https://x/1.pdf"}]"#,
            0,
            0,
            0,
            1,
            0,
            r#"[{"type":"document","uri":"https://x/1.pdf"}]"#.len(),
        ),
        (
            r#"[{"type":"user_input","content":[{"type":"video","uri":"u"}]}]"#,
            0,
            0,
            0,
            1,
            1,
            r#"[{"type":"user_input","content":[{"type":"video","uri":"u"}]}]"#.len(),
        ),
        // What has no type that is known may be anything, and its bytes count as text, too.
        (
            r#"[{"type":"x","data":"QUJD"},{"uri":"u"}]"#,
            0,
            0,
            0,
            2,
            2,
            r#"[{"type":"x","data":"QUJD"},{"uri":"u"}]"#.len(),
        ),
        (
            r#"[{"type":"function_result","result":[{"type":"image","data":"QUJD"}]}]"#,
            1,
            0,
            0,
            0,
            0,
            r#"[{"type":"function_result","result":[{"type":"image","data":""}]}]"#.len(),
        ),
        (
            r#"[{"type":"function_call","arguments":{"data":"QUJD","uri":"u"}}]"#,
            0,
            0,
            0,
            0,
            0,
            r#"[{"type":"function_call","arguments":{"data":"QUJD","uri":"u"}}]"#.len(),
        ),
    ] {
        let call = interaction(&format!(",\"input\":{input}")).expect("taken");
        let found = call.billable();
        let counts = (found.images, found.audios, found.audio_bytes, found.files, found.videos);
        assert_eq!(counts, (images, audios, audio_bytes, files, videos), "{input}");
        let around = r#"{"model":"g","input":}"#.len();
        assert_eq!(found.text_bytes, (text_bytes + around) as u64, "{input}");
        assert!(!found.unknown_parameters && found.messages == 1 + u32::from(input.contains("},{")), "{input}");
    }
}

#[test]
fn settings_of_an_interaction_stand_where_googles_do() {
    let call = interaction(
        r#","input":"hi","stream":true,"system_instruction":"be kind","store":false,"generation_config":{"max_output_tokens":9,"thinking_level":"low","tool_choice":"any"},"service_tier":"flex","tools":[{"type":"function","name":"f"},{"type":"google_search"},{"type":"computer_use"}]"#,
    )
    .expect("taken");
    let billable = call.billable();
    assert_eq!((billable.output_limit, billable.tools, billable.server_tools), (Some(9), 2, 1));
    assert!(billable.web_search && call.stream() && !billable.unknown_parameters && !call.answers_with_objects());
    assert_eq!(call.path("theirs").as_deref(), Some("/interactions?alt=sse"));
    assert!(call.prompt_texts().collect::<String>().starts_with("hibe kind[{\"type\":\"function\""));
    let edits =
        Edits { model: Some("tunedModels/x"), output_limit: Some(5), temperature: Some("0.5"), ..Edits::default() };
    let sent = String::from_utf8(call.outgoing(&edits).to_bytes().to_vec()).expect("text");
    assert!(sent.starts_with(r#"{"model":"tunedModels/x","input":"hi""#), "{sent}");
    assert!(
        sent.contains(r#""generation_config":{"temperature":0.5,"max_output_tokens":5,"thinking_level""#),
        "{sent}"
    );
    let bare =
        interaction("").expect("taken").outgoing(&Edits { output_limit: Some(5), ..Edits::default() }).to_bytes();
    assert_eq!(bare, r#"{"generation_config":{"max_output_tokens":5},"model":"g"}"#);
    let kept = interaction(r#","previous_interaction_id":"v1_a","cached_content":"cachedContents/x""#).expect("taken");
    assert!(kept.billable().stored_input && kept.billable().files == 1 && kept.names_objects());
    assert!(kept.answers_with_objects());
    assert!(interaction(r#","continuation_token":"t""#).expect("taken").billable().unknown_parameters);
    assert!(interaction(r#","response_format":{"type":"audio"}"#).expect("taken").billable().audio_output);
    let schema = r#","response_format":{"type":"object","properties":{"image":{"type":"string"}}}"#;
    assert!(!interaction(schema).expect("taken").billable().unknown_parameters);
}

#[test]
fn what_an_interaction_says_twice_or_in_another_way_is_refused() {
    for (more, expected) in [
        (r#","input":7"#, "invalid_request input"),
        (r#","input":[{"type":"text","type":"video","uri":"u"}]"#, "ambiguous_request input.type"),
        (r#","input":[{"type":"image","data":"QUJD","data":"QUJD"}]"#, "ambiguous_request input.data"),
        (r#","tools":{"type":"function"}"#, "invalid_request tools"),
        (r#","tools":[{"type":"function","type":"google_search"}]"#, "ambiguous_request tools.type"),
        (r#","response_format":[{"type":"text","type":"video"}]"#, "ambiguous_request response_format.type"),
        (r#","response_format":{"type":"video"}"#, "invalid_request response_format"),
        (r#","previousInteractionId":"a""#, "ambiguous_request previous_interaction_id"),
        (r#","generationConfig":{"maxOutputTokens":5}"#, "ambiguous_request generation_config"),
        (
            r#","generation_config":{"max_output_tokens":5,"maxOutputTokens":9}"#,
            "ambiguous_request generationConfig.maxOutputTokens",
        ),
        (r#","agent":"deep-research""#, "invalid_request agent"),
    ] {
        assert_eq!(code(interaction(more)), expected, "{more}");
    }
}

#[test]
fn what_cohere_bills_apart_is_refused_and_the_rest_is_read() {
    for (endpoint, text, expected) in [
        (Endpoint::CohereEmbed, r#"{"model":"e","texts":["a","b"],"max_tokens":null}"#, "taken"),
        (Endpoint::CohereEmbed, r#"{"model":"e","images":["data:image/png;base64,AAAA"]}"#, "invalid_request images"),
        (
            Endpoint::CohereEmbed,
            r#"{"model":"e","inputs":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}"#,
            "invalid_request inputs",
        ),
        (Endpoint::CohereEmbed, r#"{"model":"e","inputs":[{"content":[{"type":"text","text":"a"}]}]}"#, "taken"),
        (Endpoint::CohereChat, r#"{"model":"c","messages":[],"max_tokens":0}"#, "invalid_request max_tokens"),
        (Endpoint::CohereChat, r#"{"model":"c","messages":[],"maxTokens":5}"#, "ambiguous_request max_tokens"),
        (Endpoint::CohereRerank, r#"{"model":"r","query":7,"documents":[]}"#, "invalid_request query"),
    ] {
        assert_eq!(code(cohere(endpoint, text)), expected, "{text}");
    }
    let call = cohere(Endpoint::CohereEmbed, r#"{"model":"e","texts":["a","b"]}"#).expect("taken");
    assert_eq!((call.billable().prompts, call.billable().unknown_parameters), (2, false));
    let limited = cohere(Endpoint::CohereChat, r#"{"model":"c","messages":[]}"#).expect("taken");
    let sent = limited.outgoing(&Edits { model: Some("x"), output_limit: Some(9), ..Edits::default() });
    assert_eq!(&sent.to_bytes()[..], br#"{"max_tokens":9,"model":"x","messages":[]}"#);
}

fn converse(more: &str) -> Result<Call, Refusal> {
    let text = format!("{{\"messages\":[{{\"role\":\"user\",\"content\":[{{\"text\":\"hi\"}}]}}]{more}}}");
    read(to("/model/m/converse", ""), None, body(&text))
}

#[test]
fn what_bedrock_bills_apart_or_keeps_for_its_account_is_refused() {
    for (more, expected) in [
        (r#","guardrailConfig":{"guardrailIdentifier":"g"}"#, "invalid_request guardrailConfig"),
        (r#","promptVariables":{"a":{"text":"b"}}"#, "invalid_request promptVariables"),
        (r#","performanceConfig":{"latency":"optimized"}"#, "invalid_request performanceConfig"),
        (r#","performanceConfig":{"latency":"standard"}"#, "taken"),
        (r#","performanceConfig":{"Latency":"optimized"}"#, "invalid_request performanceConfig"),
        (r#","inferenceConfig":{"maxTokens":0}"#, "invalid_request inferenceConfig.maxTokens"),
        (r#","inferenceConfig":{"MaxTokens":5}"#, "ambiguous_request maxTokens"),
        (r#","inferenceConfig":{"maxTokens":5,"maxTokens":6}"#, "ambiguous_request inferenceConfig.maxTokens"),
        (r#","InferenceConfig":{}"#, "ambiguous_request inferenceConfig"),
        (r#","system":[{"video":{"source":{"s3Location":{"uri":"s3://b/k"}}}}]"#, "invalid_request messages"),
    ] {
        assert_eq!(code(converse(more)), expected, "{more}");
    }
}

#[test]
fn a_converse_is_read_for_what_it_can_cost() {
    let of = |more: &str| converse(more).expect("taken").billable().clone();
    let plain = of("");
    assert_eq!((plain.messages, plain.cache_writes, plain.unknown_parameters), (1, CacheWrites::None, false));
    assert_eq!(of(r#","system":[{"cachePoint":{"type":"default"}}]"#).cache_writes, CacheWrites::Short);
    assert_eq!(of(r#","system":[{"cachePoint":{"type":"default","ttl":"1h"}}]"#).cache_writes, CacheWrites::Any);
    assert_eq!(of(r#","inferenceConfig":{"maxTokens":7}"#).output_limit, Some(7));
    assert!(!of(r#","additionalModelRequestFields":{"thinking":{"type":"enabled"}}"#).unknown_parameters);
    assert!(of(r#","additionalModelRequestFields":{"max_tokens":9}"#).unknown_parameters);
    let tools = of(r#","toolConfig":{"tools":[{"toolSpec":{"name":"image"}},{"systemTool":{"name":"g"}}]}"#);
    assert_eq!((tools.tools, tools.server_tools, tools.web_search), (1, 1, true));
    let media = of(
        r#","system":[{"image":{"source":{"bytes":"QUJD"}}},{"audio":{"source":{"bytes":"QUJD"}}},{"document":{"source":{"bytes":"QUJDREVG"}}},{"video":{"source":{"bytes":"QUJD"}}},{"toolUse":{"input":{"image":{"bytes":"QUJD"}}}}]"#,
    );
    assert_eq!((media.images, media.audios, media.files, media.videos), (1, 1, 2, 1));
    assert_eq!((media.audio_bytes, media.file_bytes), (3, 9));
    let call = converse(r#","inferenceConfig":{"maxTokens":7}"#).expect("taken");
    let sent = call.outgoing(&Edits { model: Some("x"), output_limit: Some(3), ..Edits::default() }).to_bytes();
    assert!(sent.ends_with(b"\"inferenceConfig\":{\"maxTokens\":3}}"), "{sent:?}");
    let sent = converse("").expect("taken").outgoing(&Edits { output_limit: Some(3), ..Edits::default() }).to_bytes();
    assert!(sent.starts_with(b"{\"inferenceConfig\":{\"maxTokens\":3},\"messages\""), "{sent:?}");
}

fn predict(text: &str) -> Result<Call, Refusal> {
    read(to("/v1/projects/p/locations/l/publishers/google/models/m:predict", ""), None, body(text))
}

#[test]
fn what_vertex_may_bill_apart_is_refused_by_its_name() {
    for (text, expected) in [
        (
            r#"{"instances":[{"content":"a","task_type":"RETRIEVAL_QUERY","title":"t","mimeType":"text/plain"}]}"#,
            "taken",
        ),
        (r#"{"instances":[{"content":"a"}],"parameters":{"autoTruncate":true,"outputDimensionality":64}}"#, "taken"),
        (r#"{"instances":[{"content":"a","title":null}],"parameters":null,"labels":{"team":"a"}}"#, "taken"),
        (r#"{"instances":[{"text":"a","image":{"bytesBase64Encoded":"QUJD","mimeType":"image/png"}}]}"#, "taken"),
        (r#"{"instances":[{"text":"a"}],"parameters":{"dimension":128}}"#, "taken"),
        (r#"{"instances":[{"video":{"gcsUri":"gs://b/o"}}]}"#, "invalid_request instances.video"),
        (r#"{"instances":[{"image":{"gcsUri":"gs://b/o"}}]}"#, "invalid_request instances.image.gcsUri"),
        (r#"{"instances":[{"image":{"bytesBase64Encoded":7}}]}"#, "invalid_request instances.image.bytesBase64Encoded"),
        (r#"{"instances":[{"image":"QUJD"}]}"#, "invalid_request instances.image"),
        (r#"{"instances":[{"content":["a"]}]}"#, "invalid_request instances.content"),
        (r#"{"instances":[{"Content":"a"}]}"#, "invalid_request instances.Content"),
        (r#"{"instances":[{"content":"a","content":"b"}]}"#, "ambiguous_request instances.content"),
        (r#"{"instances":[{"content":"a","\u0063ontent":"b"}]}"#, "ambiguous_request instances.content"),
        (r#"{"instances":["a"]}"#, "invalid_request instances"),
        (r#"{"instances":{"content":"a"}}"#, "invalid_request instances"),
        (r#"{"instances":[],"instances":[{"content":"a"}]}"#, "ambiguous_request instances"),
        (r#"{"Instances":[{"content":"a"}]}"#, "ambiguous_request instances"),
        (r#"{"instances":[{"content":"a"}],"parameters":{"sampleCount":2}}"#, "invalid_request parameters.sampleCount"),
        (r#"{"instances":[{"content":"a"}],"parameters":[]}"#, "invalid_request parameters"),
        (r#"{"instances":[{"prompt":"a"}],"parameters":{"sampleCount":2,"aspectRatio":"1:1","seed":1}}"#, "taken"),
        (r#"{"instances":[{"prompt":"a"}],"parameters":{"sampleCount":0}}"#, "invalid_request parameters.sampleCount"),
        (
            r#"{"instances":[{"prompt":"a"}],"parameters":{"sampleCount":"2"}}"#,
            "invalid_request parameters.sampleCount",
        ),
        (
            r#"{"instances":[{"prompt":"a"}],"parameters":{"sample_count":2}}"#,
            "invalid_request parameters.sample_count",
        ),
        (
            r#"{"instances":[{"prompt":"a"}],"parameters":{"sampleCount":1,"sampleCount":9}}"#,
            "ambiguous_request parameters.sampleCount",
        ),
        (r#"{"instances":[{"prompt":"a"}],"parameters":{"mode":"upscale"}}"#, "invalid_request parameters.mode"),
        (
            r#"{"instances":[{"prompt":"a"}],"parameters":{"storageUri":"gs://b"}}"#,
            "invalid_request parameters.storageUri",
        ),
        // Music, questions about images, and edits of them are asked for alike, and cost something else.
        (r#"{"instances":[{"prompt":"a","sample_count":2}]}"#, "invalid_request instances.sample_count"),
        (r#"{"instances":[{"prompt":"a","image":{"bytesBase64Encoded":"QUJD"}}]}"#, "invalid_request instances.image"),
        (r#"{"instances":[{"content":"a"},{"prompt":"a"}]}"#, "invalid_request instances.content"),
        (
            r#"{"instances":[{"prompt":"a"}],"parameters":{"maxOutputTokens":9}}"#,
            "invalid_request parameters.maxOutputTokens",
        ),
    ] {
        assert_eq!(code(predict(text)), expected, "{text}");
    }
}

#[test]
fn a_prediction_is_read_for_what_it_can_cost() {
    let text =
        r#"{"instances":[{"content":"a\u00fc","title":"t"},{"text":"b","image":{"bytesBase64Encoded":"QUJDREVG"}}]}"#;
    let call = predict(text).expect("taken");
    let billable = call.billable();
    assert_eq!((call.endpoint(), billable.prompts, billable.images), (Endpoint::Predict, 2, 1));
    assert_eq!((billable.choices, billable.unknown_parameters), (1, false));
    // An image is no text, and a character has a byte at least.
    assert_eq!((billable.text_bytes, billable.characters), (text.len() as u64 - 8, text.len() as u64 - 8));
    assert_eq!(call.prompt_texts().collect::<Vec<_>>(), ["a\u{fc}", "t", "b"]);
    assert!(predict(r#"{"instances":[],"endpoint":"x"}"#).expect("taken").billable().unknown_parameters);
    let images = |parameters: &str| {
        let text = format!(r#"{{"instances":[{{"prompt":"a"}},{{"prompt":"b"}}]{parameters}}}"#);
        let billable = predict(&text).expect("taken").billable().clone();
        (billable.prompts, billable.choices, billable.characters)
    };
    // Google makes four of each prompt where nothing is said.
    assert_eq!(images(""), (2, 4, 0));
    assert_eq!(images(r#","parameters":{"sampleCount":null}"#), (2, 4, 0));
    assert_eq!(images(r#","parameters":{"sampleCount":1}"#), (2, 1, 0));
    assert_eq!(images(r#","parameters":{"sampleCount":8}"#), (2, 8, 0));
}

#[test]
fn ollamas_texts_that_become_vectors_are_read() {
    let embed = |endpoint, text: &str| read(endpoint, None, body(text));
    for (endpoint, text, expected) in [
        (
            Endpoint::OllamaEmbed,
            r#"{"model":"e","input":["a","b"],"truncate":false,"dimensions":8,"options":{"num_ctx":9},"keep_alive":"5m"}"#,
            "taken",
        ),
        (Endpoint::OllamaEmbed, r#"{"model":"e","input":7}"#, "invalid_request input"),
        (Endpoint::OllamaEmbed, r#"{"model":"e","input":"a","Input":"b"}"#, "ambiguous_request input"),
        (Endpoint::OllamaEmbed, r#"{"model":"e","input":"a","input":"b"}"#, "ambiguous_request input"),
        (Endpoint::OllamaEmbeddings, r#"{"model":"e","prompt":"a","options":{},"keep_alive":null}"#, "taken"),
        (Endpoint::OllamaEmbeddings, r#"{"model":"e","prompt":"a","Prompt":"b"}"#, "ambiguous_request prompt"),
    ] {
        let read = embed(endpoint, text);
        assert!(read.as_ref().is_ok_and(|call| !call.billable().unknown_parameters) == (expected == "taken"), "{text}");
        assert_eq!(code(read), expected, "{text}");
    }
    let many = embed(Endpoint::OllamaEmbed, r#"{"model":"e","input":["a","b"]}"#).expect("taken");
    assert_eq!((many.billable().prompts, many.billable().unknown_parameters, many.stream()), (2, false, false));
    assert_eq!(many.prompt_texts().collect::<Vec<_>>(), ["a", "b"]);
    let one = embed(Endpoint::OllamaEmbeddings, r#"{"model":"e","prompt":"a"}"#).expect("taken");
    assert_eq!((one.billable().prompts, one.stream()), (1, false));
    assert!(
        embed(Endpoint::OllamaEmbeddings, r#"{"model":"e","input":"a"}"#).expect("taken").billable().unknown_parameters
    );
    assert_eq!(one.prompt_texts().collect::<Vec<_>>(), ["a"]);
}

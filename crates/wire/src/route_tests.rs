//! Every route is found, and what resembles one is not.

use super::*;

fn plain<'a>(method: &str, path: &'a str) -> Result<Route<'a>, Refusal> {
    route(method, path, "", Accent::default())
}

const ANTHROPIC: Accent = Accent { anthropic_version: true, google_key: false, cohere_sdk: false };

#[test]
fn a_shared_path_is_answered_in_the_words_of_the_client() {
    let google = Accent { google_key: true, ..Accent::default() };
    let cohere = Accent { cohere_sdk: true, ..Accent::default() };
    for (accent, dialect) in [
        (Accent::default(), Dialect::Openai),
        (ANTHROPIC, Dialect::Anthropic),
        (google, Dialect::Gemini),
        (cohere, Dialect::Cohere),
    ] {
        assert_eq!(route("GET", "/v1/models", "", accent).unwrap().dialect, dialect);
        assert_eq!(route("GET", "/v1/models/m", "", accent).unwrap().dialect, dialect);
        assert_eq!(route("GET", "/v1beta/models", "", accent).unwrap().dialect, Dialect::Gemini);
        assert_eq!(route("POST", "/v1/messages", "", accent).unwrap().dialect, Dialect::Anthropic);
        assert_eq!(route("POST", "/v1/responses", "", accent).unwrap().dialect, Dialect::Openai);
        assert_eq!(dialect_of("/v1/nothing", accent), dialect);
        assert_eq!(dialect_of("/v1/messages", accent), Dialect::Anthropic);
    }
}

#[test]
fn the_model_of_a_gemini_path_is_what_stands_before_the_action() {
    for version in ["v1", "v1beta"] {
        for (action, stream) in [("generateContent", false), ("streamGenerateContent", true)] {
            let path = format!("/{version}/models/google/gemini-2.5-flash:{action}");
            let found = plain("POST", &path).expect("a route");
            assert_eq!((found.tail, found.stream), (Some("google/gemini-2.5-flash"), stream));
            assert_eq!(found.endpoint, Endpoint::GenerateContent);
        }
    }
}

#[test]
fn the_model_of_a_bedrock_path_is_what_stands_before_the_action() {
    for (path, stream) in [("converse", false), ("converse-stream", true)] {
        for name in ["us.amazon.nova-2-lite-v1%3A0", "us.amazon.nova-2-lite-v1:0"] {
            let path = format!("/model/{name}/{path}");
            let found = plain("POST", &path).expect("a route");
            assert_eq!((found.tail, found.stream, found.endpoint), (Some(name), stream, Endpoint::Converse));
            let call = crate::read(found, None, bytes::Bytes::from_static(b"{\"messages\":[]}")).expect("a call");
            assert_eq!(call.model().map(base::ModelId::as_str), Some("us.amazon.nova-2-lite-v1:0"));
            let sent = call.path("arn:aws:bedrock:x/y").expect("a path of its own");
            assert!(sent.starts_with("/model/arn%3Aaws%3Abedrock%3Ax%2Fy/converse"), "{sent}");
        }
    }
}

#[test]
fn the_model_of_a_publishers_path_is_what_stands_before_the_action() {
    let below = "/v1/projects/my-project/locations/us-central1/publishers";
    let path = format!("{below}/google/models/gemini-2.5-flash:streamGenerateContent");
    let found = plain("POST", &path).expect("a route");
    assert_eq!((found.tail, found.stream, found.hosting), (Some("gemini-2.5-flash"), true, Hosting::Inventor));
    assert_eq!((found.endpoint, found.dialect), (Endpoint::GenerateContent, Dialect::Gemini));
    let path = format!("{below}/anthropic/models/claude-sonnet-4-5@20250929:rawPredict");
    let found = plain("POST", &path).expect("a route");
    assert_eq!((found.tail, found.stream, found.hosting), (Some("claude-sonnet-4-5@20250929"), false, Hosting::Vertex));
    assert_eq!((found.endpoint, found.dialect), (Endpoint::Messages, Dialect::Anthropic));
    let path = format!("{below}/anthropic/models/count-tokens:rawPredict");
    let found = plain("POST", &path).expect("a route");
    assert_eq!((found.tail, found.endpoint, found.hosting), (None, Endpoint::CountMessageTokens, Hosting::Vertex));
}

#[test]
fn one_path_of_predictions_makes_vectors_or_images_as_its_body_says() {
    for below in [
        "/v1/projects/my-project/locations/us-central1/publishers/google",
        "/v1beta1/projects/my-project/locations/us-central1/publishers/google",
        "/v1/publishers/google",
        "/v1beta1/publishers/google",
        "/v1",
        "/v1beta",
    ] {
        let path = format!("{below}/models/some-model-001:predict");
        let found = plain("POST", &path).expect("a route");
        assert_eq!((found.tail, found.stream, found.hosting), (Some("some-model-001"), false, Hosting::Inventor));
        assert_eq!((found.endpoint, found.dialect), (Endpoint::Predict, Dialect::Gemini));
        for (body, endpoint) in [
            (r#"{"instances":[{"content":"a"}]}"#, Endpoint::Predict),
            (r#"{"instances":[]}"#, Endpoint::Predict),
            (r#"{"instances":[{"prompt":"a"}]}"#, Endpoint::PredictImages),
            (r#"{"parameters":{"sampleCount":1},"\u0069nstances":[{"\u0070rompt":"a"}]}"#, Endpoint::PredictImages),
        ] {
            let call = crate::read(found, None, bytes::Bytes::from_static(body.as_bytes())).expect(body);
            assert_eq!(call.endpoint(), endpoint, "{body}");
            assert_eq!(call.path("theirs").as_deref(), Some("/models/theirs:predict"));
        }
    }
}

#[test]
fn every_listed_route_is_found_and_takes_one_method() {
    for spec in ROUTES {
        let path =
            spec.pattern.replace('*', "mine-1").replace("{model}", "openai/gpt-4.1:free").replace("{id}", "resp_1-a");
        let found = plain(spec.method, &path).expect("listed");
        assert_eq!(found.endpoint, spec.endpoint);
        assert_eq!(found.dialect, spec.dialect.unwrap_or(Dialect::Openai));
        assert_eq!(found.stream, spec.stream);
        let tail = match spec.pattern.matches("{id}").count() {
            0 => "openai/gpt-4.1:free",
            1 => "resp_1-a",
            _ => "resp_1-a/items/resp_1-a",
        };
        assert_eq!(found.tail, spec.pattern.contains('{').then_some(tail));
        for other in ["GET", "POST", "PUT", "DELETE", "HEAD", "get", ""] {
            // A model may be named like an action of another route, and an id has several methods.
            let is_listed = ROUTES.iter().any(|one| one.method == other && matches(one.pattern, &path).is_some());
            let is_action = found.endpoint == Endpoint::ModelGet && other == "POST";
            if !is_listed && !is_action {
                assert!(matches!(plain(other, &path), Err(Refusal::MethodNotAllowed { .. })), "{other} {path}");
            }
        }
    }
}

#[test]
fn a_path_says_all_methods_that_it_takes() {
    let allowed = |method, path| plain(method, path).err();
    let both = Refusal::MethodNotAllowed { allowed: "GET, DELETE" };
    assert_eq!(allowed("PUT", "/v1/responses/resp_1"), Some(both));
    let three = Refusal::MethodNotAllowed { allowed: "POST, GET, DELETE" };
    assert_eq!(allowed("PUT", "/v1/conversations/conv_1"), Some(three));
    for path in ["/v1/conversations/a/items/", "/v1/conversations//items/b", "/v1/conversations/a/items/b/c"] {
        assert!(matches!(allowed("GET", path), Some(Refusal::RouteNotFound { .. })), "{path}");
    }
    let post = Refusal::MethodNotAllowed { allowed: "POST" };
    assert_eq!(allowed("GET", "/v1/responses/resp_1/cancel"), Some(post));
}

#[test]
fn a_path_that_two_servers_could_read_differently_is_not_found() {
    for path in [
        "",
        "/",
        "v1/models",
        "*",
        "//v1/models",
        "/v1//models",
        "/v1/models/",
        "/v1/./models",
        "/v1/../v1/models",
        "/v1/models/..",
        "/v1/models/.",
        "/v1/models/a/../b",
        "/v1/models/a/./b",
        "/v1/models/%2e%2e",
        "/v1/mod%65ls",
        "/v1%2fmodels",
        "/v1\\models",
        "/v1/models\\",
        "/V1/models",
        "/v1/Models",
        "/v1/models.",
        "/v1./models",
        "/v1/chat/completions/",
        "/v1/chat/completions.",
        "/v1/chat/completions ",
        "/v1/chat/completions\0",
        "/v1/chat/completions;x",
        "/v1/chat/completions?x",
        "/v1/chat/completions#x",
        "/v1/models/a b",
        "/v1/models/ä",
        "/v1/models/...",
        "/v1/models/a.",
        "/v1/models//a",
        "/chat/completions",
        "/v1/batches/a/b/cancel",
        "/v1/files/a/b/content",
        "/v1/files/",
        "/v1/responses/resp_1/x",
        "/v1/responses/a/b/cancel",
        "/v1/responses/",
        "/v1/messages/batches/a/b",
        "/v1beta/models/",
        "/v1beta/chat/completions",
        "/v1alpha/models/m:generateContent",
        "/v1beta/models/../x:generateContent",
        "http://host/v1/models",
        "/v1/models/\u{202e}",
        "/v1/models/a%2fb",
        "/v1/models/a%3ab",
        "/v1/models/..%2Fb",
        "/v1/models/..%2fb",
        "/v1/models/a%2F..%2Fb",
        "/v1/models/a%2F",
        "/v1/models/a%252Fb",
        "/v1/models%2Fb",
        "/v1/models/%2e%2e%2Fusage",
        "/v1/files/a%2Fb",
        "/openai/deployments/..%2F..%2Fv1/completions",
        "/openai/deployments/a%2Fb%2Fcompletions",
        "/v1beta/models/a:batchGenerateContent%2Fb/",
        "/v1/chat%2Fcompletions",
        "/model/a%3ab/converse",
        "/model/a%253Ab/converse",
        "/model/%2e%2e/converse",
        "/model/..%2Fa/converse",
        "/model/%2F/converse",
        "/model/a%2F%2Fb/converse",
        "/model/a/converse%2Fb",
        "/v1/chat",
        "/v1/projects/locations/l/publishers/google/models/m:generateContent",
        "/v1/projects/p/q/locations/l/publishers/google/models/m:generateContent",
        "/v1/projects/p/locations/l/publishers/anthropic/models/m:generateContent",
        "/v1/projects/p/locations/l/publishers/google/models/m:rawPredict",
        "/v1/projects/p/locations/l/publishers/anthropic/models/m:predict",
        "/v1/projects/p/locations/l/publishers/google/models/m:predictLongRunning",
        "/v1/predict",
        "/v1/api/embed",
        "/api/embed/",
        "/v1/projects/p/locations/../publishers/google/models/m:generateContent",
        "/v1/projects/p/locations/l/publishers/google/models/:generateContent",
    ] {
        assert_eq!(plain("GET", path).err().map(|r| r.status()), Some(404), "{path:?}");
        assert_eq!(plain("POST", path).err().map(|r| r.status()), Some(404), "{path:?}");
    }
}

#[test]
fn the_name_of_a_model_may_have_its_slash_escaped() {
    for (method, path, model) in [
        ("GET", "/v1/models/qwen%2Fqwen3-32b", "qwen/qwen3-32b"),
        ("GET", "/openai/v1/models/qwen%2Fqwen3%3A32b", "qwen/qwen3:32b"),
        ("GET", "/v1beta/models/google%2Fgemini", "google/gemini"),
        ("POST", "/v1beta/models/google%2Fgemini:generateContent", "google/gemini"),
        ("POST", "/openai/deployments/qwen%2Fqwen3-32b/chat/completions", "qwen/qwen3-32b"),
    ] {
        let found = plain(method, path).expect(path);
        assert_eq!(found.model().as_deref(), Some(model), "{path}");
    }
    // Nothing else is there for it: no escape becomes a part of the path.
    assert_eq!(plain("GET", "/v1/models/a%2F%3AgenerateContent").unwrap().endpoint, Endpoint::ModelGet);
    assert_eq!(plain("POST", "/v1/models/a%3AgenerateContent").err().map(|refusal| refusal.status()), Some(405));
}

#[test]
fn actions_of_googles_that_are_not_relayed_are_not_found() {
    for path in [
        "/v1beta/models/m:batchGenerateContent",
        "/v1beta/models/m:predictLongRunning",
        "/v1/models/m:asyncBatchEmbedContent",
    ] {
        assert_eq!(plain("POST", path).err().map(|refusal| refusal.status()), Some(404), "{path}");
    }
    assert_eq!(plain("POST", "/v1/models/m").err(), Some(Refusal::MethodNotAllowed { allowed: "GET" }));
}

#[test]
fn files_of_anthropics_clients_are_not_found_in_their_words() {
    for (method, path) in
        [("POST", "/v1/files"), ("GET", "/v1/files"), ("GET", "/v1/files/a"), ("DELETE", "/v1/files/a")]
    {
        assert!(plain(method, path).is_ok());
        assert_eq!(route(method, path, "", ANTHROPIC).err().map(|refusal| refusal.status()), Some(404), "{path}");
        assert_eq!(dialect_of(path, ANTHROPIC), Dialect::Anthropic);
    }
}

#[test]
fn a_path_that_is_not_found_says_what_the_base_url_has_to_be() {
    for (path, expected) in [
        ("/v1/v1/messages", BaseUrl::HasVersion),
        ("/v1/v1beta/models/m:generateContent", BaseUrl::HasVersion),
        ("/v1beta/v1beta/models/m:generateContent", BaseUrl::HasVersion),
        ("/v1/v2/chat", BaseUrl::HasVersion),
        ("/v1/api/embed", BaseUrl::HasVersion),
        ("/chat/completions", BaseUrl::EndsBeforeV1),
        ("/models", BaseUrl::EndsBeforeV1),
        ("/v1/nothing", BaseUrl::Unknown),
        ("/v1/../v1/messages", BaseUrl::Unknown),
    ] {
        assert_eq!(plain("POST", path).err(), Some(Refusal::RouteNotFound { base_url: expected }), "{path}");
    }
}

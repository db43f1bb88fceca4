//! Files that a provider keeps for several tenants on one account: each has its own, and sees no other.

use base::Money;
use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use testkit::{Options, SimulatedProvider};
use wire::Endpoint;

use crate::app::{TestApp, chat_model, opened, tenant, two_tenants, upstream};
use crate::client::{Reply, chat, get, post};

const BOUNDARY: &str = "a-boundary-of-files";

fn upload(tenant: &str, content: &[u8], purpose: &str) -> Request<Full<Bytes>> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"notes.txt\"\r\nContent-Type: text/plain\r\n\r\n"
    );
    let body = [head.as_bytes(), content, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
    let mut request = post("/v1/files", tenant, body);
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    request.headers_mut().insert("content-type", HeaderValue::from_str(&kind).expect("a type"));
    request
}

/// A new file of a tenant: its id.
async fn filed(app: &TestApp, tenant: &str, content: &[u8], purpose: &str) -> String {
    let reply = app.call(upload(tenant, content, purpose)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["id"].as_str().expect("an id").to_owned()
}

async fn with_method(app: &TestApp, method: Method, path: &str, tenant: &str) -> Reply {
    let mut request = get(path, tenant);
    *request.method_mut() = method;
    app.call(request).await
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().expect("a list").iter().map(|file| file["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn its_owner_does_with_a_file_what_its_provider_lets_it_do() {
    let app = two_tenants().await;
    // Bytes that are no text, with what looks like an id in them.
    let content = [b"{\"id\":\"file-abc\"}\xff\x00".as_slice(), &[7; 100_000]].concat();
    let id = filed(&app, "anna", &content, "user_data").await;
    let raw = opened(&app, "anna", &id);
    assert!(id.starts_with("file-") && raw.starts_with("file-") && id != raw);
    let sent = app.provider.take_requests().pop().expect("asked");
    assert_eq!(sent.path, "/v1/files");
    let asked = http_body_util::BodyExt::collect(upload("anna", &content, "user_data").into_body()).await;
    assert!(sent.body == asked.expect("whole").to_bytes(), "the form passes byte for byte");
    for prefix in ["/v1", "/openai/v1"] {
        let known = app.call(get(&format!("{prefix}/files/{id}"), "anna")).await;
        assert_eq!((known.status.as_u16(), known.json()["id"].as_str()), (200, Some(id.as_str())));
        let read = app.call(get(&format!("{prefix}/files/{id}/content"), "anna")).await;
        assert_eq!((read.status.as_u16(), read.header("content-type")), (200, "application/octet-stream"));
        assert!(read.body == content, "the content passes byte for byte");
    }
    let deleted = with_method(&app, Method::DELETE, &format!("/v1/files/{id}"), "anna").await;
    assert_eq!((&deleted.json()["id"], &deleted.json()["deleted"]), (&json!(id), &json!(true)));
    assert!(ids(&app.call(get("/v1/files", "anna")).await.json()).is_empty());
    for path in [format!("/v1/files/{id}"), format!("/v1/files/{id}/content")] {
        let gone = app.call(get(&path, "anna")).await;
        assert_eq!((gone.status.as_u16(), gone.code().as_str()), (404, "file_not_found"), "the provider's own refusal");
        assert!(gone.text().contains(&id) && !gone.text().contains(&raw), "{}", gone.text());
    }
    let records = app.records("anna").await;
    assert!(records.iter().all(|record| record.charged == Money::ZERO && record.endpoint.is_of_file()));
    assert!(records.iter().any(|record| record.endpoint == Endpoint::FileContent));
}

#[tokio::test]
async fn a_list_shows_a_tenant_its_own_files_page_by_page() {
    let app = two_tenants().await;
    let mut anna = Vec::new();
    for number in 0..5 {
        let purpose = if number == 3 { "batch" } else { "user_data" };
        anna.push(filed(&app, "anna", format!("file {number}").as_bytes(), purpose).await);
        filed(&app, "berta", b"of another", "user_data").await;
    }
    app.provider.take_requests();
    let list = app.call(get("/v1/files", "anna")).await.json();
    let newest_first: Vec<&str> = anna.iter().rev().map(String::as_str).collect();
    assert_eq!((ids(&list), &list["has_more"]), (newest_first, &json!(false)));
    assert_eq!((&list["first_id"], &list["last_id"]), (&json!(anna[4]), &json!(anna[0])));
    assert_eq!((&list["data"][1]["purpose"], &list["data"][1]["bytes"]), (&json!("batch"), &json!(6)));
    let mut paged = Vec::new();
    let mut path = "/v1/files?limit=2&order=asc".to_owned();
    loop {
        let page = app.call(get(&path, "anna")).await.json();
        paged.extend(ids(&page).into_iter().map(str::to_owned));
        if page["has_more"] != true {
            break;
        }
        path = format!("/v1/files?limit=2&order=asc&after={}", page["last_id"].as_str().expect("an id"));
    }
    assert_eq!(paged, anna);
    let of_purpose = app.call(get("/v1/files?purpose=batch", "anna")).await.json();
    assert_eq!(ids(&of_purpose), [anna[3].as_str()]);
    let foreign = app.call(get(&format!("/v1/files?after={}", anna[0]), "berta")).await;
    assert_eq!((foreign.status.as_u16(), foreign.code().as_str()), (404, "object_not_found"));
    assert_eq!(app.call(get("/v1/files?limit=0", "anna")).await.status, 400);
    assert!(app.provider.take_requests().is_empty(), "a provider lists what all tenants have");
    let app = app.restarted().await;
    assert_eq!(ids(&app.call(get("/v1/files", "anna")).await.json()).len(), 5, "a restart forgets none");
}

/// Every way to name a file in a call.
fn naming(id: &str) -> Vec<(&'static str, Value)> {
    let content = json!([{ "type": "text", "text": "What is in it?" }, { "type": "file", "file": { "file_id": id } }]);
    let hidden = json!([{ "type": "file", "file": { "filename": "x", "file_id": id } }]);
    let input = json!([{ "role": "user", "content": [{ "type": "input_file", "file_id": id }] }]);
    let image = json!([{ "role": "user", "content": [{ "type": "input_image", "file_id": id }] }]);
    vec![
        ("/v1/chat/completions", json!({ "model": "chat", "messages": [{ "role": "user", "content": content }] })),
        ("/v1/chat/completions", json!({ "model": "chat", "messages": [{ "role": "user", "content": hidden }] })),
        ("/v1/responses", json!({ "model": "chat", "input": input, "store": false })),
        ("/v1/responses", json!({ "model": "chat", "input": image })),
        ("/v1/responses/input_tokens", json!({ "model": "chat", "input": image })),
    ]
}

#[tokio::test]
async fn a_call_reads_its_tenants_files_alone() {
    let app = two_tenants().await;
    let id = filed(&app, "anna", b"a secret", "user_data").await;
    let raw = opened(&app, "anna", &id);
    for (path, body) in naming(&id) {
        app.provider.take_requests();
        let reply = app.call(post(path, "anna", body.to_string())).await;
        assert_eq!(reply.status, 200, "{path} {}", reply.text());
        let sent = app.provider.take_requests().pop().expect("asked").body;
        let sent = String::from_utf8_lossy(&sent).into_owned();
        assert!(sent.contains(&format!("\"file_id\":\"{raw}\"")) && !sent.contains(&id), "{sent}");
    }
    for (who, id) in [("berta", &id), ("berta", &raw), ("anna", &raw)] {
        for (path, body) in naming(id) {
            let body = body.to_string();
            for body in [body.clone(), body.replace("file_id", "file\\u005fid")] {
                let reply = app.call(post(path, who, body)).await;
                assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "object_not_found"), "{who} {path}");
            }
        }
    }
    assert!(app.provider.take_requests().is_empty());
}

#[tokio::test]
async fn what_was_asked_is_repeated_with_the_tenants_own_names_of_its_files() {
    let app = two_tenants().await;
    let id = filed(&app, "anna", b"a secret", "user_data").await;
    let raw = opened(&app, "anna", &id);
    let (path, body) = naming(&id).swap_remove(3);
    let response = app.call(post(path, "anna", body.to_string())).await.json();
    let response = response["id"].as_str().expect("a response");
    let listed = app.call(get(&format!("/v1/responses/{response}/input_items"), "anna")).await;
    let named = listed.json()["data"][0]["content"][0]["file_id"].as_str().expect("the file").to_owned();
    assert!(!listed.text().contains(&raw), "{}", listed.text());
    assert_eq!(opened(&app, "anna", &named), raw);
    let (path, body) = naming(&named).swap_remove(3);
    assert_eq!(app.call(post(path, "anna", body.to_string())).await.status, 200, "the name is good for the next call");
}

#[tokio::test]
async fn a_file_lies_where_the_model_is_that_is_to_read_it() {
    let first = SimulatedProvider::start(Options::default()).await.expect("starts");
    let second = SimulatedProvider::start(Options::default()).await.expect("starts");
    let mut other = upstream(&second.base_url());
    other["id"] = json!("other");
    let mut model = chat_model("elsewhere", "gpt-4.1");
    model["route"] = json!([{ "upstream": "other", "model": "gpt-4.1" }]);
    let (both, one) = (tenant("anna", json!({})), tenant("berta", json!({ "models": ["elsewhere"] })));
    let resources = json!({
        "upstream": [upstream(&first.base_url()), other], "model": [chat_model("chat", "gpt-4.1"), model],
        "tenant": [both, one],
    });
    let app = TestApp::over(first, Default::default(), resources).await;
    let unsaid = app.call(upload("anna", b"x", "user_data")).await;
    assert_eq!((unsaid.status.as_u16(), &unsaid.json()["error"]["param"]), (400, &json!("Mandant-Model")));
    let for_model = |tenant: &str, model: &'static str| {
        let mut request = upload(tenant, b"x", "user_data");
        request.headers_mut().insert("mandant-model", HeaderValue::from_static(model));
        request
    };
    for (model, at) in [("chat", "sim"), ("elsewhere", "other")] {
        let reply = app.call(for_model("anna", model)).await;
        let (seal, anna) = (app.store.object_seal(), base::TenantId::new("anna").expect("a name"));
        let id = reply.json()["id"].as_str().expect("an id").to_owned();
        let origin = seal.open(&anna, &id).expect("ours").origin;
        assert_eq!((origin.upstream.as_str(), origin.model.as_ref().map(base::ModelId::as_str)), (at, Some(model)));
        assert_eq!(app.call(get(&format!("/v1/files/{id}"), "anna")).await.status, 200);
    }
    // Who may use what one upstream serves need not say so, and may not name what it may not use.
    assert_eq!(app.call(upload("berta", b"x", "user_data")).await.status, 200);
    let refused = app.call(for_model("berta", "chat")).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (404, "model_not_found"));
    let plain = app.chat("anna", "chat", json!({})).await;
    assert_eq!(plain.status, 200);
    assert!(!chat("chat", json!({})).is_empty() && !second.requests().is_empty());
}

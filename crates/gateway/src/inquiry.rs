//! What a key may ask about itself, without cost: its models, its limits, its usage, and what a call would meet.

use base::Refusal;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use wire::render::ModelEntry;
use wire::{Endpoint, Route};

use crate::answer::AnswerBody;
use crate::authenticate::{self, Caller, query_value};
use crate::client_body::ClientBody;
use crate::heads::RequestHead;
use crate::relay::Relay;
use crate::reply::Reply;
use crate::{batches, explain, files, intake, status};

/// The path that is explained where none is named.
const CHAT: &str = "/v1/chat/completions";

/// Answers a request that costs nothing.
pub(crate) async fn answer(
    relay: &Relay,
    caller: &Caller,
    route: &Route<'_>,
    head: &RequestHead,
    body: ClientBody,
) -> Result<Reply, Refusal> {
    let now = relay.clock.now();
    let document = match route.endpoint {
        Endpoint::ModelList => models(relay, caller, route),
        Endpoint::ModelGet => model(relay, caller, route)?,
        Endpoint::Limits => encode(&status::of_caller(relay, caller, now)),
        Endpoint::BatchList | Endpoint::MessageBatchList => batches::list(relay, caller, route).await?,
        Endpoint::FileList => files::list(relay, caller, route).await?,
        Endpoint::Usage => usage(relay, caller).await?,
        Endpoint::Explain => {
            let body = intake::body(relay, caller, head, body).await?;
            let endpoint = query_value(head, "endpoint").unwrap_or(CHAT);
            // Paths have no escapes, but who builds a query may have escaped what is in them.
            let endpoint = endpoint.replace("%2F", "/").replace("%2f", "/").replace("%3A", ":").replace("%3a", ":");
            let route = wire::route("POST", &endpoint, "", authenticate::accent(head))?;
            encode(&explain::call(relay, caller, &endpoint, &route, body, now)?)
        }
        // Whatever goes to an upstream has gone another way.
        _ => return Err(Refusal::Internal),
    };
    let mut reply = Reply::new(StatusCode::OK, AnswerBody::whole(document));
    reply.fields.put_text(&CONTENT_TYPE, b"application/json");
    Ok(reply)
}

fn encode(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).expect("our own documents have only texts as keys").into()
}

fn entry(model: &catalog::Model) -> ModelEntry<'_> {
    ModelEntry {
        id: model.id.as_str(),
        created_seconds: model.created.seconds(),
        owned_by: &model.owned_by,
        has_output: model.kind.has_output(),
    }
}

fn models(relay: &Relay, caller: &Caller, route: &Route<'_>) -> Bytes {
    let catalog = relay.directory.catalog();
    let entries: Vec<ModelEntry<'_>> = caller.models(&catalog).map(|model| entry(model)).collect();
    wire::render::models(route.dialect, &entries)
}

/// One model. One that the caller may not use is as unknown as one that does not exist.
fn model(relay: &Relay, caller: &Caller, route: &Route<'_>) -> Result<Bytes, Refusal> {
    let catalog = relay.directory.catalog();
    let name = route.model().unwrap_or_default();
    let found = catalog.model(&name).filter(|model| caller.may_use(&model.id));
    let model = found.ok_or_else(|| Refusal::ModelNotFound { model: name.chars().take(128).collect() })?;
    Ok(wire::render::model(route.dialect, &entry(model)))
}

/// What the calling key's tenant has used this month.
async fn usage(relay: &Relay, caller: &Caller) -> Result<Bytes, Refusal> {
    let store = relay.store.clone();
    let tenant = caller.tenant().id().clone();
    let since = status::month_start(relay, caller, relay.clock.now());
    // SQLite blocks; a slow disk must not hold a worker of the relay.
    let report = tokio::task::spawn_blocking(move || store.usage_since(&tenant, since)).await;
    match report {
        Ok(Ok(report)) => Ok(encode(&report)),
        Ok(Err(error)) => {
            tracing::error!(%error, "usage cannot be read");
            Err(Refusal::Internal)
        }
        Err(_) => Err(Refusal::Internal),
    }
}

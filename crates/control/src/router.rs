//! The paths of the control interface. What is not listed here does not exist.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{MethodRouter, get, post};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::Store;

use crate::Live;
use crate::error::Failure;
use crate::place::{Kind, Place};
use crate::request::{answer, body, query};
use crate::resources::Control;

/// Largest request: a resource file with some hundred thousand tenants.
const BODY_BYTES_MAX: usize = 256 << 20;

type Shared = State<Arc<Control>>;

/// The interface for commands. `live` is the relay of this process, where it serves.
pub fn router(store: Arc<Store>, live: Option<Arc<dyn Live>>) -> Router {
    let control = Arc::new(Control { store, live, changing: std::sync::Mutex::new(()) });
    let mut router = Router::new()
        .route("/v1/health", get(health))
        .route("/v1/apply", post(apply))
        .route("/v1/export", get(export))
        .route("/v1/explain", post(explain))
        .route("/v1/tenants/{place}/suspend", post(suspend))
        .route("/v1/tenants/{place}/resume", post(resume))
        .route("/v1/tenants/{place}/status", get(status))
        .route("/v1/tenants/{place}/usage", get(usage))
        .route("/v1/tenants/{place}/calls", get(calls))
        .route("/v1/tenants/{place}/wallet", get(wallet))
        .route("/v1/tenants/{place}/credits", get(credits).post(credit))
        .route("/v1/holds", get(holds))
        .route("/v1/holds/{attempt}/resolve", post(resolve))
        .route("/v1/keys/{place}/rotate", post(rotate))
        .route("/v1/keys/{place}/revoke", post(revoke));
    for kind in Kind::ALL {
        router = router
            .route(&format!("/v1/{}", kind.collection()), list(kind))
            .route(&format!("/v1/{}/{{place}}", kind.collection()), item(kind));
    }
    router
        .fallback(|| async { Failure::not_found("such path").into_response() })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(control)
}

/// The interface of the TCP port: whether the process lives, whether it serves, and its figures.
pub fn health_router(live: Arc<dyn Live>) -> Router {
    let figures = live.clone();
    let metrics = move || {
        let live = figures.clone();
        // It takes every shard's lock in turn and reads files: not on a thread that serves calls.
        async move {
            match tokio::task::spawn_blocking(move || live.metrics()).await {
                Ok(Some(page)) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response(),
                _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
            }
        }
    };
    let ready = move || {
        let live = live.clone();
        async move {
            match live.ready() {
                true => (StatusCode::OK, "ready\n"),
                false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            }
        }
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// The query of lists.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    tenant: Option<String>,
}

async fn health(State(control): Shared) -> Response {
    let serving = control.live.as_ref().is_some_and(|live| live.ready());
    Json(json!({"version": env!("CARGO_PKG_VERSION"), "process": std::process::id(), "serving": serving}))
        .into_response()
}

async fn apply(State(control): Shared, bytes: Bytes) -> Response {
    answer(move || control.apply(body(&bytes)?)).await
}

async fn export(State(control): Shared) -> Response {
    answer(move || control.export()).await
}

async fn explain(State(control): Shared, headers: HeaderMap, bytes: Bytes) -> Response {
    let named = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (Some(key), Some(endpoint)) = (named("mandant-key"), named("mandant-endpoint")) else {
        return Failure::malformed("The headers mandant-key and mandant-endpoint must say what to explain.")
            .into_response();
    };
    answer(move || control.explain(&key, &endpoint, bytes)).await
}

async fn suspend(State(control): Shared, Path(tenant): Path<String>) -> Response {
    answer(move || control.set_status(&place(Kind::Tenant, &tenant)?, "suspended")).await
}

async fn resume(State(control): Shared, Path(tenant): Path<String>) -> Response {
    answer(move || control.set_status(&place(Kind::Tenant, &tenant)?, "active")).await
}

async fn status(State(control): Shared, Path(tenant): Path<String>) -> Response {
    answer(move || control.status(&tenant)).await
}

async fn usage(State(control): Shared, Path(tenant): Path<String>, uri: Uri) -> Response {
    answer(move || control.usage(&tenant, &query(&uri)?)).await
}

async fn calls(State(control): Shared, Path(tenant): Path<String>, uri: Uri) -> Response {
    answer(move || control.calls(&tenant, &query(&uri)?)).await
}

async fn wallet(State(control): Shared, Path(tenant): Path<String>) -> Response {
    answer(move || control.wallet(&tenant)).await
}

async fn credits(State(control): Shared, Path(tenant): Path<String>) -> Response {
    answer(move || control.credits(&tenant)).await
}

async fn credit(State(control): Shared, Path(tenant): Path<String>, bytes: Bytes) -> Response {
    answer(move || control.credit(&tenant, body(&bytes)?)).await
}

async fn holds(State(control): Shared, uri: Uri) -> Response {
    answer(move || {
        let parameters: ListParameters = query(&uri)?;
        control.holds(parameters.tenant.as_deref())
    })
    .await
}

async fn resolve(State(control): Shared, Path(attempt): Path<String>, bytes: Bytes) -> Response {
    answer(move || control.resolve(&attempt, body(&bytes)?)).await
}

async fn rotate(State(control): Shared, Path(key): Path<String>) -> Response {
    answer(move || control.rotate(&place(Kind::Key, &key)?)).await
}

async fn revoke(State(control): Shared, Path(key): Path<String>) -> Response {
    answer(move || control.revoke(&place(Kind::Key, &key)?)).await
}

fn list(kind: Kind) -> MethodRouter<Arc<Control>> {
    get(move |State(control): Shared, uri: Uri| {
        answer(move || {
            let parameters: ListParameters = query(&uri)?;
            control.list(kind, parameters.tenant.as_deref())
        })
    })
}

fn item(kind: Kind) -> MethodRouter<Arc<Control>> {
    let show =
        move |State(control): Shared, Path(name): Path<String>| answer(move || control.show(&place(kind, &name)?));
    let create = move |State(control): Shared, Path(name): Path<String>, bytes: Bytes| {
        answer(move || control.create(&place(kind, &name)?, body::<Map<String, Value>>(&bytes)?))
    };
    let update = move |State(control): Shared, Path(name): Path<String>, bytes: Bytes| {
        answer(move || control.update(&place(kind, &name)?, body::<Map<String, Value>>(&bytes)?))
    };
    let delete =
        move |State(control): Shared, Path(name): Path<String>| answer(move || control.delete(&place(kind, &name)?));
    get(show).post(create).patch(update).delete(delete)
}

fn place(kind: Kind, text: &str) -> Result<Place, Failure> {
    Place::parse(kind, text).ok_or_else(|| {
        let shape = if kind == Kind::Key { "TENANT/PROJECT/NAME" } else { "TENANT/PROJECT" };
        Failure::malformed(format!("{text:?} is not the place of a {}: write {shape}.", kind.name()))
    })
}

//! Files that providers keep: where a new one goes, and which of them a tenant has. A new conversation goes its way.
//!
//! A file is for no model, and a provider has many. So it goes where the models of its tenant are served; where these are
//! several places, its tenant says for which model it is (`Mandant-Model`). Providers list what all tenants have, so that
//! a list is answered here, from what was noted before the answer to an upload went out.

use std::collections::BTreeMap;

use base::{ModelId, Refusal, Timestamp, UpstreamId};
use bytes::Bytes;
use http::{HeaderName, StatusCode};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use store::{KeptObject, ObjectKind, ObjectPage, Store, StoreError};
use wire::{Call, Dialect, Endpoint, Route};

use crate::authenticate::Caller;
use crate::heads::RequestHead;
use crate::http1;
use crate::relay::Relay;

const FOR_MODEL: HeaderName = HeaderName::from_static("mandant-model");
/// Most files of a tenant.
const FILES_MAX: u64 = 100_000;
/// Most of them in one page.
const PAGE_MAX: usize = 1_000;

/// Chooses the upstream of a new file or conversation; and, of what is done with a conversation, the model that stands for it:
/// any that is served where it lies.
///
/// # Errors
/// 400 when no model of the caller is served in this dialect, or when models are served at several upstreams and none is
/// named; 400 also when its tenant has as many files as it may.
pub(crate) async fn choose_place(
    relay: &Relay,
    caller: &Caller,
    head: &RequestHead,
    call: &mut Call,
) -> Result<(), Refusal> {
    let endpoint = call.endpoint();
    if endpoint == Endpoint::FileUpload {
        let (tenant, now) = (caller.tenant().id().clone(), relay.clock.now());
        let count = blocking(relay, move |store| store.count_objects(&tenant, ObjectKind::File, now)).await?;
        if count >= FILES_MAX {
            return Err(Refusal::invalid(None, format!("The tenant has {FILES_MAX} files. Delete some.")));
        }
    } else if !endpoint.is_of_conversation() {
        return Ok(());
    }
    let kept = call.kept_at().cloned();
    let wanted = head.headers.get(&FOR_MODEL).filter(|_| kept.is_none());
    let wanted = wanted.map(|value| http1::text(value).unwrap_or_default());
    let catalog = relay.directory.catalog();
    let mut places: BTreeMap<&UpstreamId, &ModelId> = BTreeMap::new();
    let models = caller.models(&catalog).filter(|model| model.kind.serves(endpoint));
    for model in models.filter(|model| wanted.is_none_or(|wanted| model.id.as_str() == wanted)) {
        let speaks = |id: &UpstreamId| catalog.upstream(id.as_str()).is_some_and(|one| one.dialect == Dialect::Openai);
        let targets = model.route.iter().filter(|target| match &kept {
            // What lies there stays there, whether new calls go there or not.
            Some(kept) => target.upstream == *kept,
            // Where only chats are served, nothing of responses is known.
            None if endpoint.is_of_conversation() && target.endpoint.is_some_and(|one| !one.asks_response()) => false,
            None => target.weight > 0 && speaks(&target.upstream),
        });
        // Who names a model says that the first of its places will do.
        let first = targets.clone().min_by_key(|target| target.tier).filter(|_| wanted.is_some());
        for target in targets.filter(|target| first.is_none_or(|first| first.upstream == target.upstream)) {
            places.entry(&target.upstream).or_insert(&model.id);
        }
    }
    let mut places = places.into_iter();
    match (places.next(), places.next()) {
        (Some((upstream, model)), None) => {
            call.set_model(model.clone());
            call.keep_at(upstream.clone());
            Ok(())
        }
        (Some(_), Some(_)) => {
            let sentence =
                "Several providers could keep it. Name a model that is to read it in the header 'Mandant-Model'.";
            Err(Refusal::invalid(Some("Mandant-Model"), sentence))
        }
        (None, _) => match wanted {
            Some(model) => Err(Refusal::ModelNotFound { model: model.chars().take(128).collect() }),
            None => Err(Refusal::invalid(None, "No model of this key is served where this is kept.")),
        },
    }
}

/// Notes what an answer says of files, before it goes out.
///
/// # Errors
/// 500 when that cannot be written: nobody would find the file again.
pub(crate) async fn note(
    relay: &Relay,
    caller: &Caller,
    call: &Call,
    status: StatusCode,
    body: &Bytes,
) -> Result<(), Refusal> {
    if !call.endpoint().is_of_file() || !status.is_success() {
        return Ok(());
    }
    let tenant = caller.tenant().id().clone();
    match call.endpoint() {
        Endpoint::FileUpload => match file_of(body) {
            Some(file) => blocking(relay, move |store| store.keep_object(&tenant, &file)).await,
            None => {
                tracing::error!("a provider took a file and did not say which");
                Ok(())
            }
        },
        Endpoint::FileDelete => {
            let Some(id) = call.opened_objects().next().map(|(id, _)| id.to_owned()) else { return Ok(()) };
            blocking(relay, move |store| store.forget_object(&tenant, ObjectKind::File, &id)).await
        }
        _ => Ok(()),
    }
}

/// What an answer says of a new file.
fn file_of(body: &Bytes) -> Option<KeptObject> {
    let said: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
    let expires = said.get("expires_at").and_then(Value::as_i64).map(Timestamp::from_seconds);
    Some(KeptObject {
        kind: ObjectKind::File,
        id: text("id")?,
        purpose: text("purpose").unwrap_or_default(),
        expires,
        document: body.to_vec(),
    })
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<&'a RawValue>,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
    has_more: bool,
}

/// The files of a caller's tenant.
///
/// # Errors
/// 400 for a query that says nothing; 404 for a file to begin behind that is not the tenant's.
pub(crate) async fn list(relay: &Relay, caller: &Caller, route: &Route<'_>) -> Result<Bytes, Refusal> {
    list_of(relay, caller, route, ObjectKind::File, PAGE_MAX).await
}

/// The objects of one kind that a caller's tenant has, so many a page where nobody says how many.
///
/// # Errors
/// As for [`list`].
pub(crate) async fn list_of(
    relay: &Relay,
    caller: &Caller,
    route: &Route<'_>,
    kind: ObjectKind,
    page_rows: usize,
) -> Result<Bytes, Refusal> {
    let asked = Query::read(route.query, page_rows)?;
    let (tenant, now, rows_max) = (caller.tenant().id().clone(), relay.clock.now(), asked.rows_max);
    let after = asked.after.clone();
    let listed = blocking(relay, move |store| {
        let page = ObjectPage {
            after: asked.after.as_deref(),
            purpose: asked.purpose.as_deref(),
            is_ascending: asked.is_ascending,
            rows_max: rows_max + 1,
        };
        store.list_objects(&tenant, kind, page, now)
    });
    let Some(mut files) = listed.await? else {
        return Err(Refusal::ObjectNotFound { id: after.unwrap_or_default().chars().take(128).collect() });
    };
    let has_more = files.len() > rows_max;
    files.truncate(rows_max);
    let data = files.iter().map(|file| serde_json::from_slice(&file.document)).collect::<Result<Vec<&RawValue>, _>>();
    let data = data.map_err(|_| Refusal::Internal)?;
    let (first_id, last_id) = (files.first().map(|file| file.id.as_str()), files.last().map(|file| file.id.as_str()));
    let list = List { object: "list", data, first_id, last_id, has_more };
    serde_json::to_vec(&list).map(Bytes::from).map_err(|_| Refusal::Internal)
}

/// What a query asks of a list.
struct Query {
    after: Option<String>,
    purpose: Option<String>,
    is_ascending: bool,
    rows_max: usize,
}

impl Query {
    fn read(query: &str, page_rows: usize) -> Result<Query, Refusal> {
        let mut asked = Query { after: None, purpose: None, is_ascending: false, rows_max: page_rows };
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let refuse = |what: &str| Err(Refusal::invalid(Some(name), format!("'{name}' must be {what}.")));
            match name {
                "after" | "after_id" => asked.after = Some(value.to_owned()),
                "before_id" => return refuse("left out: lists go forward with 'after_id'"),
                "purpose" => asked.purpose = Some(value.to_owned()),
                "order" if value == "asc" || value == "desc" => asked.is_ascending = value == "asc",
                "order" => return refuse("'asc' or 'desc'"),
                "limit" => match value.parse::<usize>() {
                    Ok(limit) if limit > 0 => asked.rows_max = limit.min(PAGE_MAX),
                    _ => return refuse("a whole number above zero"),
                },
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// SQLite blocks; a slow disk must not hold a worker of the relay.
pub(crate) async fn blocking<T: Send + 'static>(
    relay: &Relay,
    work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refusal> {
    let store = relay.store.clone();
    match tokio::task::spawn_blocking(move || work(&store)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => {
            tracing::error!(%error, "what is known of kept objects cannot be read or written");
            Err(Refusal::Internal)
        }
        Err(_) => Err(Refusal::Internal),
    }
}

//! From the forms of upstreams and models to what the catalogue plans with.

use base::{ModelId, Timestamp};
use catalog::{
    AUDIO_SECONDS_DEFAULT, CatalogueEntry, HIDDEN_PROMPT_TOKENS_DEFAULT, Http2Mode, IMAGE_TOKENS_DEFAULT, KeySource,
    Model, ModelKind, PriceVersion, Target, Upstream,
};

use crate::StoreError;
use crate::resource::{ApiKey, ModelResource, UpstreamResource};
use crate::secret::{MasterKey, from_hex};

/// What a sealed credential of an upstream is bound to, so that it opens for that upstream alone.
pub(crate) fn seal_context(upstream: &str) -> String {
    format!("upstream:{upstream}")
}

/// The catalogue's form of an upstream, its credentials unsealed.
pub(crate) fn upstream(form: &UpstreamResource, master: &MasterKey) -> Result<Upstream, StoreError> {
    let context = seal_context(form.id.as_str());
    let keys: Result<Vec<KeySource>, StoreError> =
        form.api_keys.iter().map(|key| key_source(key, &context, master)).collect();
    let mut upstream = Upstream::new(form.id.clone(), form.dialect, &form.base_url, keys?);
    upstream.auth = form.auth.unwrap_or(upstream.auth);
    upstream.region.clone_from(&form.region);
    upstream.token = form.token.clone().unwrap_or_default();
    upstream.hosting = form.hosting.unwrap_or_default();
    upstream.headers.clone_from(&form.headers);
    upstream.asks_stream_usage = form.asks_stream_usage.unwrap_or(true);
    upstream.concurrency = form.concurrency;
    upstream.connections = form.connections;
    upstream.timeouts = form.timeouts.unwrap_or_default().resolve();
    upstream.allow_plain_http = form.allow_plain_http;
    upstream.http2 = form.http_version.map_or(Http2Mode::Auto, Http2Mode::from);
    Ok(upstream)
}

fn key_source(key: &ApiKey, context: &str, master: &MasterKey) -> Result<KeySource, StoreError> {
    Ok(match key {
        ApiKey::Env(name) => KeySource::Env(name.clone()),
        ApiKey::File(path) => KeySource::File(path.clone()),
        ApiKey::Inline(secret) => KeySource::Inline(secret.clone()),
        ApiKey::Sealed(hex) => KeySource::Inline(unseal(hex, context, master).ok_or_else(|| {
            StoreError::MasterKey(format!("a sealed credential of {context} does not open under this master key"))
        })?),
    })
}

/// The credential in its sealed form; `None` when it is not this store's.
pub(crate) fn unseal(hex: &str, context: &str, master: &MasterKey) -> Option<base::Secret<String>> {
    let plain = master.open(context, &from_hex(hex)?)?;
    String::from_utf8(plain.expose().clone()).ok().map(base::Secret::new)
}

/// What the default catalogue knows of a model, looked up only when the form leaves something out.
pub(crate) fn known(form: &ModelResource) -> Option<&'static CatalogueEntry> {
    let whole = form.kind.is_some()
        && form.context_window.is_some()
        && form.max_output_tokens.is_some()
        && form.image_tokens_max.is_some()
        && form.hidden_prompt_tokens.is_some()
        && form.hidden_output_tokens.is_some()
        && form.tokenizer.is_some()
        && form.price.is_some()
        && form.list_price.is_some()
        && form.owned_by.is_some();
    if whole { None } else { catalog::default_entry(form.id.as_str()) }
}

/// The kind that a model has.
pub(crate) fn kind(form: &ModelResource, known: Option<&CatalogueEntry>) -> ModelKind {
    form.kind.or_else(|| known.map(|known| known.kind)).unwrap_or_default()
}

/// The catalogue's form of a model.
pub(crate) fn model(form: &ModelResource, prices: Vec<PriceVersion>) -> Result<Model, StoreError> {
    let known = known(form);
    let missing = |what: &str| StoreError::corrupt("model", format!("{} has no {what}", form.id));
    let kind = kind(form, known);
    let context_window = form.context_window.or_else(|| known.map(|known| known.context_window));
    let max_output_tokens = match form.max_output_tokens.or_else(|| known.map(|known| known.max_output_tokens)) {
        Some(tokens) => tokens,
        None if kind.has_output() => return Err(missing("max_output_tokens")),
        None => 0,
    };
    let known_or = |own: Option<u64>, of: fn(&CatalogueEntry) -> u64, default: u64| {
        own.or_else(|| known.map(of)).unwrap_or(default)
    };
    let target = |route: &crate::resource::RouteResource| Target {
        upstream: route.upstream.clone(),
        model: route.model.clone().unwrap_or_else(|| ModelId::clone(&form.id)),
        weight: route.weight.unwrap_or(1),
        tier: route.tier.unwrap_or(1),
        endpoint: route.endpoint,
    };
    let owned_by = form.owned_by.clone().or_else(|| known.map(|known| known.owned_by.clone()));
    let base =
        Model::new(form.id.clone(), kind, context_window.ok_or_else(|| missing("context_window"))?, max_output_tokens);
    Ok(Model {
        route: form.route.iter().map(target).collect(),
        image_tokens_max: known_or(form.image_tokens_max, |known| known.image_tokens_max, IMAGE_TOKENS_DEFAULT),
        hidden_prompt_tokens: known_or(
            form.hidden_prompt_tokens,
            |known| known.hidden_prompt_tokens,
            HIDDEN_PROMPT_TOKENS_DEFAULT,
        ),
        hidden_output_tokens: known_or(form.hidden_output_tokens, |known| known.hidden_output_tokens, 0),
        audio_seconds_max: form.audio_seconds_max.unwrap_or(AUDIO_SECONDS_DEFAULT),
        upstream_routing: form.upstream_routing.unwrap_or(false),
        tokenizer: form.tokenizer.or_else(|| known.and_then(|known| known.tokenizer)),
        prices,
        list_price: form.list_price.clone().or_else(|| known.map(|known| known.list_rates().clone())),
        fallbacks: form.fallbacks.clone(),
        created: form.created.unwrap_or(Timestamp::EPOCH),
        owned_by: owned_by.unwrap_or(base.owned_by.clone()),
        ..base
    })
}

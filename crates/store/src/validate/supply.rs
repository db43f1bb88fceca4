//! Checks of upstreams and models.

use std::collections::HashSet;

use catalog::{AuthStyle, ModelKind, PriceVersion};
use wire::{Dialect, Endpoint, Hosting};

use super::{Checker, base_url};
use crate::resource::{ApiKey, ModelResource, UpstreamResource};
use crate::{StoreError, rows, supply};

impl Checker<'_> {
    pub(super) fn upstreams(&mut self, upstreams: &[UpstreamResource]) -> Result<(), StoreError> {
        let mut seen = HashSet::new();
        for upstream in upstreams {
            let path = format!("upstream[{}]", upstream.id);
            self.unique(&mut seen, &upstream.id, &path);
            if let Some(fault) = base_url::fault(&upstream.base_url, upstream.allow_plain_http) {
                self.problem(format!("{path}.base_url"), fault);
            }
            self.credentials(upstream, &path);
            self.auth(upstream, &path);
            if upstream.concurrency == Some(0) {
                self.problem(format!("{path}.concurrency"), "0 would block it; leave it out, or give at least 1");
            }
            if upstream.connections == Some(0) {
                self.problem(format!("{path}.connections"), "0 would block it; leave it out, or give at least 1");
            }
            let timeouts = upstream.timeouts.unwrap_or_default().resolve();
            let spans = [timeouts.connect, timeouts.first_byte, timeouts.idle, timeouts.total];
            if spans.iter().any(core::time::Duration::is_zero) {
                self.problem(
                    format!("{path}.timeouts"),
                    "a time-out of 0 would end every attempt; leave it out instead",
                );
            }
        }
        Ok(())
    }

    fn credentials(&mut self, upstream: &UpstreamResource, path: &str) {
        let path = format!("{path}.api_keys");
        match (upstream.api_keys.is_empty(), upstream.no_auth) {
            (true, false) => {
                self.problem(
                    &path,
                    "there is no credential; give one such as \"env:OPENAI_API_KEY\", or set no_auth = true",
                );
            }
            (false, true) => {
                self.problem(&path, "no_auth = true contradicts the credentials given; remove one of both")
            }
            _ => {}
        }
        for (place, key) in upstream.api_keys.iter().enumerate() {
            let path = format!("{path}[{place}]");
            match key {
                ApiKey::Env(name) if name.is_empty() || name.contains(['=', '\0']) => {
                    self.problem(path, "write the name of an environment variable after env:");
                }
                ApiKey::File(file) if file.is_empty() => self.problem(path, "write the path of a file after file:"),
                ApiKey::Sealed(hex) => {
                    let context = supply::seal_context(upstream.id.as_str());
                    if supply::unseal(hex, &context, self.world.master).is_none() {
                        self.problem(
                            path,
                            "this was sealed for another upstream or under another master key; give the credential itself again",
                        );
                    }
                }
                // A key of Google's is a whole file.
                ApiKey::Inline(_) if upstream.auth == Some(AuthStyle::GoogleServiceAccount) => {}
                ApiKey::Inline(secret) if !is_header_text(secret.expose()) => {
                    self.problem(
                        path,
                        "a credential is visible ASCII text without spaces; check for a stray line break",
                    );
                }
                ApiKey::Env(_) | ApiKey::File(_) | ApiKey::Inline(_) => {}
            }
        }
    }

    /// What the credential needs beside itself, and the habits of the provider.
    fn auth(&mut self, upstream: &UpstreamResource, path: &str) {
        let auth = upstream.auth.unwrap_or(AuthStyle::of(upstream.dialect));
        let token = upstream.token.clone().unwrap_or_default();
        if upstream.region.as_ref().is_some_and(|region| !is_region(region)) {
            self.problem(format!("{path}.region"), "write the region as in its address, such as us-east-1");
        }
        if auth == AuthStyle::Sigv4 && upstream.region.is_none() && !upstream.base_url.contains(".amazonaws.com") {
            self.problem(format!("{path}.region"), "name the region to sign for; the address does not name one");
        }
        if upstream.token.is_some() && !auth.takes_tokens() {
            let message = format!("auth = \"{}\" gets no tokens; remove it, or correct auth", auth.name());
            self.problem(format!("{path}.token"), message);
        }
        if auth == AuthStyle::AzureEntra && token.url.is_none() {
            let message = "name the token endpoint, https://login.microsoftonline.com/TENANT/oauth2/v2.0/token";
            self.problem(format!("{path}.token.url"), message);
        }
        if auth == AuthStyle::AzureEntra && token.client_id.is_none() {
            self.problem(format!("{path}.token.client_id"), "name the application whose secret api_keys has");
        }
        if let Some(fault) = token.url.as_deref().and_then(|url| base_url::fault(url, false)) {
            self.problem(format!("{path}.token.url"), fault);
        }
        if upstream.hosting == Some(Hosting::Vertex) && upstream.dialect != Dialect::Anthropic {
            let message = "only models of Anthropic's dialect have a form of their own there; leave it out";
            self.problem(format!("{path}.hosting"), message);
        }
        for (place, header) in upstream.headers.iter().enumerate() {
            if let Some(fault) = header_fault(header) {
                self.problem(format!("{path}.headers[{place}]"), fault);
            }
        }
    }

    pub(super) fn models(&mut self, models: &[ModelResource]) -> Result<(), StoreError> {
        let mut seen = HashSet::new();
        for model in models {
            let path = format!("model[{}]", model.id);
            self.unique(&mut seen, &model.id, &path);
            self.route(model, &path)?;
            self.bounds(model, &path);
            self.price(model, &path)?;
            self.fallbacks(model, &path)?;
        }
        Ok(())
    }

    fn route(&mut self, model: &ModelResource, path: &str) -> Result<(), StoreError> {
        let path = format!("{path}.route");
        if model.route.is_empty() {
            self.problem(&path, "the route is empty; name at least one upstream");
        } else if model.route.iter().all(|target| target.weight == Some(0)) {
            self.problem(
                &path,
                "every weight is 0, so that no target would ever be used; give one a weight of at least 1",
            );
        }
        for (place, target) in model.route.iter().enumerate() {
            if !self.upstream_exists(target.upstream.as_str())? {
                let message =
                    format!("there is no upstream {}; add it under [[upstream]], or correct the name", target.upstream);
                self.problem(format!("{path}[{place}].upstream"), message);
            }
            if !matches!(target.endpoint, None | Some(Endpoint::ChatCompletions | Endpoint::Responses)) {
                self.problem(format!("{path}[{place}].endpoint"), "it is 'chat_completions' or 'responses'");
            }
        }
        Ok(())
    }

    fn bounds(&mut self, model: &ModelResource, path: &str) {
        let known = supply::known(model);
        if known.is_none() && model.context_window.is_none() {
            self.problem(
                format!("{path}.context_window"),
                "it is missing, and the default catalogue does not know this model; without it no call can be bounded",
            );
        }
        if model.context_window == Some(0) {
            self.problem(format!("{path}.context_window"), "0 leaves no room for any call");
        }
        let has_output = supply::kind(model, known).has_output();
        let output = model.max_output_tokens.or_else(|| known.map(|known| known.max_output_tokens));
        match output {
            None if has_output => self.problem(
                format!("{path}.max_output_tokens"),
                "it is missing, and the default catalogue does not know this model; without it no call can be bounded",
            ),
            Some(0) if has_output => {
                self.problem(format!("{path}.max_output_tokens"), "0 leaves no room for any answer")
            }
            _ => {}
        }
    }

    fn price(&mut self, model: &ModelResource, path: &str) -> Result<(), StoreError> {
        let known = supply::known(model);
        let has_output = supply::kind(model, known).has_output();
        let rates = model.price.as_ref().or_else(|| known.map(|known| &known.price.rates));
        match rates {
            None => self.problem(
                format!("{path}.price"),
                "there is no price, and the default catalogue has none; a free model must say input = \"0\", output = \"0\"",
            ),
            Some(rates) => self.rates(rates, has_output, &format!("{path}.price")),
        }
        let what = match (supply::kind(model, known), rates) {
            (ModelKind::Image, Some(rates)) if rates.image.or(rates.output).is_none() => {
                Some("images; give image in USD each, or output in USD per 1M tokens")
            }
            (ModelKind::Transcription, Some(rates))
                if rates.second.is_none() && (rates.output.is_none() || rates.audio_input.is_none()) =>
            {
                Some(
                    "audio that is heard; give second in USD per second, or audio_input and output in USD per 1M tokens",
                )
            }
            (ModelKind::Speech, Some(rates)) if rates.character.is_none() => {
                Some("speech; give character in USD per 1M characters")
            }
            (ModelKind::Realtime, Some(rates)) if rates.audio_input.is_none() || rates.audio_output.is_none() => {
                Some("audio; give audio_input and audio_output in USD per 1M tokens")
            }
            _ => None,
        };
        if let Some(what) = what {
            self.problem(format!("{path}.price"), format!("there is no price for {what}"));
        }
        if let Some(rates) = &model.list_price {
            self.rates(rates, has_output, &format!("{path}.list_price"));
        }
        let (Some(from), Some(rates)) = (model.effective_from, rates) else { return Ok(()) };
        let number: Option<i64> = self.row("SELECT number FROM model WHERE id = ?1", [model.id.as_str()])?;
        let Some(number) = number else { return Ok(()) };
        let versions = rows::prices(self.world.connection, number)?;
        let same = |version: &PriceVersion| version.effective_from == from && version.rates == *rates;
        let later = |version: &PriceVersion| version.effective_from <= self.world.now && version.effective_from >= from;
        if !versions.iter().any(same) && versions.iter().any(later) {
            self.problem(
                format!("{path}.effective_from"),
                "another price came into force at that time or later, and calls were charged by it; name a later time, or leave it out for now",
            );
        }
        Ok(())
    }

    fn fallbacks(&mut self, model: &ModelResource, path: &str) -> Result<(), StoreError> {
        let mut seen = HashSet::new();
        for (place, fallback) in model.fallbacks.iter().enumerate() {
            let path = format!("{path}.fallbacks[{place}]");
            if *fallback == model.id {
                self.problem(path, "a model cannot stand in for itself; remove it");
            } else if !seen.insert(fallback) {
                self.problem(path, format!("{fallback} is listed twice; remove one"));
            } else if !self.model_exists(fallback)? {
                self.problem(
                    path,
                    format!("there is no model {fallback}; add it under [[model]], or correct the name"),
                );
            }
        }
        Ok(())
    }
}

/// Headers of a request that are not the operator's to set.
const OWN_HEADERS: [&str; 14] = [
    "accept-encoding",
    "api-key",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-amz-date",
    "x-amz-security-token",
    "x-api-key",
    "x-goog-api-key",
];

/// What is wrong with a header that every request is to have.
fn header_fault(header: &str) -> Option<&'static str> {
    let Some((name, value)) = header.split_once(": ").filter(|(name, _)| is_region(name)) else {
        return Some("write it as \"name: value\", the name in small letters, digits and hyphens");
    };
    if value.trim() != value || value.is_empty() || !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Some("its value is plain ASCII text, without spaces around it");
    }
    OWN_HEADERS.contains(&name).then_some("this relay sets that header itself; credentials go under api_keys")
}

/// Whether it is written like a region: small letters, digits and hyphens.
fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_header_text(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

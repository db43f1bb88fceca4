//! Where calls go: an address with credentials, limits and quirks. An upstream is data, a dialect is code.

use core::time::Duration;

use base::{Secret, UpstreamId};
use serde::{Deserialize, Serialize};
use wire::{Dialect, Hosting};

/// One address with credentials.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its name.
    pub id: UpstreamId,
    /// The wire format that it speaks.
    pub dialect: Dialect,
    /// Where its endpoints begin, without a slash at the end: `https://api.openai.com/v1`.
    pub base_url: String,
    /// Its credentials; several are pooled.
    pub api_keys: Vec<KeySource>,
    /// How it wants to see them.
    pub auth: AuthStyle,
    /// The region that requests are signed for; `None` where its address names it.
    pub region: Option<String>,
    /// Where and how access tokens are got, as far as it is not the usual place.
    pub token: TokenTerms,
    /// Who runs the models of its dialect, where that is not the dialect's inventor.
    pub hosting: Hosting,
    /// Headers that every request to it has, as `name: value`.
    pub headers: Vec<String>,
    /// Whether usage in a stream has to be asked for; a provider that tells it unasked may refuse to be asked.
    pub asks_stream_usage: bool,
    /// Attempts under way at once; `None` leaves it to the gateway.
    pub concurrency: Option<u32>,
    /// How long each stage of an attempt may take.
    pub timeouts: Timeouts,
    /// Whether plain `http://` is allowed although the host is not loopback.
    pub allow_plain_http: bool,
    /// Which version of HTTP to speak.
    pub http2: Http2Mode,
    /// HTTP/2 connections held open to it; `None` leaves it to the gateway.
    pub connections: Option<u32>,
}

impl Upstream {
    /// An upstream with one credential source and otherwise the defaults.
    #[must_use]
    pub fn new(id: UpstreamId, dialect: Dialect, base_url: &str, api_keys: Vec<KeySource>) -> Upstream {
        Upstream {
            id,
            dialect,
            base_url: base_url.trim_end_matches('/').to_owned(),
            api_keys,
            auth: AuthStyle::of(dialect),
            region: None,
            token: TokenTerms::default(),
            hosting: Hosting::Inventor,
            headers: Vec::new(),
            asks_stream_usage: true,
            concurrency: None,
            timeouts: Timeouts::default(),
            allow_plain_http: false,
            http2: Http2Mode::default(),
            connections: None,
        }
    }
}

/// How a request to an upstream shows who pays there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthStyle {
    /// `Authorization: Bearer`.
    Bearer,
    /// `x-api-key`, as Anthropic wants it.
    XApiKey,
    /// `api-key`, as Azure wants it.
    ApiKey,
    /// `x-goog-api-key`, as Google wants it.
    XGoogApiKey,
    /// `key` in the query, as older services of Google's want it.
    QueryKey,
    /// A signature of the whole request, version 4, as Amazon wants it.
    Sigv4,
    /// An access token for a service account of Google's.
    GoogleServiceAccount,
    /// An access token for an application that Microsoft's Entra knows.
    AzureEntra,
}

impl AuthStyle {
    /// Every way.
    pub const ALL: [AuthStyle; 8] = [
        AuthStyle::Bearer,
        AuthStyle::XApiKey,
        AuthStyle::ApiKey,
        AuthStyle::XGoogApiKey,
        AuthStyle::QueryKey,
        AuthStyle::Sigv4,
        AuthStyle::GoogleServiceAccount,
        AuthStyle::AzureEntra,
    ];

    /// What the inventor of a dialect wants.
    #[must_use]
    pub const fn of(dialect: Dialect) -> AuthStyle {
        match dialect {
            Dialect::Openai | Dialect::Cohere | Dialect::Bedrock | Dialect::Ollama => AuthStyle::Bearer,
            Dialect::Anthropic => AuthStyle::XApiKey,
            Dialect::Gemini => AuthStyle::XGoogApiKey,
        }
    }

    /// The name in configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            AuthStyle::Bearer => "bearer",
            AuthStyle::XApiKey => "x-api-key",
            AuthStyle::ApiKey => "api-key",
            AuthStyle::XGoogApiKey => "x-goog-api-key",
            AuthStyle::QueryKey => "query-key",
            AuthStyle::Sigv4 => "sigv4",
            AuthStyle::GoogleServiceAccount => "google-service-account",
            AuthStyle::AzureEntra => "azure-entra",
        }
    }

    /// The header that carries the credential itself, in lower case; `None` where something made from it is sent.
    #[must_use]
    pub const fn header(self) -> Option<&'static str> {
        match self {
            AuthStyle::Bearer => Some("authorization"),
            AuthStyle::XApiKey => Some("x-api-key"),
            AuthStyle::ApiKey => Some("api-key"),
            AuthStyle::XGoogApiKey => Some("x-goog-api-key"),
            AuthStyle::QueryKey | AuthStyle::Sigv4 | AuthStyle::GoogleServiceAccount | AuthStyle::AzureEntra => None,
        }
    }

    /// Whether the credential buys access tokens, which end and are renewed.
    #[must_use]
    pub const fn takes_tokens(self) -> bool {
        matches!(self, AuthStyle::GoogleServiceAccount | AuthStyle::AzureEntra)
    }
}

/// Where and how access tokens are got. What is left out is the usual of the kind of credential.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenTerms {
    /// The address of the token endpoint; that of a service account's key is in the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The application; a service account names itself in its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// What the token is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// Where a credential is found. The gateway resolves it; this crate never sees a file or the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In this environment variable.
    Env(String),
    /// In this file, without trailing whitespace.
    File(String),
    /// Given as it is (unsealed by the store).
    Inline(Secret<String>),
}

/// How long each stage of an attempt may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included.
    pub connect: Duration,
    /// From sending the request to the first byte of the answer.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
    /// The whole attempt.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
        }
    }
}

/// Which version of HTTP an upstream is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Http2Mode {
    /// What the TLS handshake agrees on; HTTP/1.1 without TLS.
    #[default]
    Auto,
    /// HTTP/2, also without TLS (prior knowledge).
    Always,
    /// HTTP/1.1.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_ends_without_a_slash_and_debug_hides_the_key() {
        let keys = vec![KeySource::Inline(Secret::new("sk-canary".into()))];
        let upstream = Upstream::new(UpstreamId::new("a").unwrap(), Dialect::Openai, "https://host/v1/", keys);
        assert_eq!(upstream.base_url, "https://host/v1");
        assert!(!format!("{upstream:?}").contains("canary"));
    }

    #[test]
    fn ways_are_written_by_their_names() {
        for auth in AuthStyle::ALL {
            assert_eq!(serde_json::to_value(auth).unwrap(), auth.name());
        }
    }
}

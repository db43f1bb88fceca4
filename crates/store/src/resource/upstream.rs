//! Upstreams as an operator writes them.

use core::fmt;
use core::time::Duration;

use base::{Secret, UpstreamId};
use catalog::{AuthStyle, Http2Mode, Timeouts, TokenTerms};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wire::{Dialect, Hosting};

/// An address with credentials and quirks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamResource {
    /// The name in routes and records; never changes.
    pub id: UpstreamId,
    /// The wire format that it speaks.
    pub dialect: Dialect,
    /// Where its endpoints begin, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// Its credentials; several are pooled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_keys: Vec<ApiKey>,
    /// How requests show them, where that is not the usual way of the dialect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthStyle>,
    /// The region that requests are signed for, where the address does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where and how access tokens are got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenTerms>,
    /// Who runs the models, where that is not the dialect's inventor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosting: Option<Hosting>,
    /// Headers that every request to it has, as `name: value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Said of a provider that tells usage in streams unasked, and may refuse to be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks_stream_usage: Option<bool>,
    /// Said explicitly for an upstream that takes calls without credentials.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_auth: bool,
    /// `http://` is allowed although the host is not loopback.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_plain_http: bool,
    /// Attempts under way at once; adaptive when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// HTTP/2 connections held open to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Which version of HTTP to speak; negotiated when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_version: Option<HttpVersion>,
    /// How long each stage of an attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsResource>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands references
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Timeouts; those left out keep their default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutsResource {
    /// Until a connection stands, TLS included.
    #[serde(with = "super::text::span", skip_serializing_if = "Option::is_none")]
    pub connect: Option<Duration>,
    /// From sending the request to the first byte of the answer.
    #[serde(with = "super::text::span", skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<Duration>,
    /// Between two pieces of the answer.
    #[serde(with = "super::text::span", skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
    /// The whole attempt.
    #[serde(with = "super::text::span", skip_serializing_if = "Option::is_none")]
    pub total: Option<Duration>,
}

impl TimeoutsResource {
    /// The timeouts that apply.
    #[must_use]
    pub fn resolve(&self) -> Timeouts {
        let default = Timeouts::default();
        Timeouts {
            connect: self.connect.unwrap_or(default.connect),
            first_byte: self.first_byte.unwrap_or(default.first_byte),
            idle: self.idle.unwrap_or(default.idle),
            total: self.total.unwrap_or(default.total),
        }
    }
}

/// Which version of HTTP to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpVersion {
    /// What the TLS handshake agrees on.
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1.
    #[serde(rename = "1")]
    One,
    /// HTTP/2, also without TLS.
    #[serde(rename = "2")]
    Two,
}

impl From<HttpVersion> for Http2Mode {
    fn from(version: HttpVersion) -> Http2Mode {
        match version {
            HttpVersion::Auto => Http2Mode::Auto,
            HttpVersion::One => Http2Mode::Never,
            HttpVersion::Two => Http2Mode::Always,
        }
    }
}

/// Where the credential of an upstream is found: `env:NAME`, `file:PATH`, `sealed:HEX`, or the credential itself.
#[derive(Clone, PartialEq)]
pub enum ApiKey {
    /// In this environment variable.
    Env(String),
    /// In this file.
    File(String),
    /// In the store, encrypted under its master key; the hexadecimal form of that.
    Sealed(String),
    /// Given as it is; `apply` seals it, and `export` never writes it.
    Inline(Secret<String>),
}

impl ApiKey {
    /// Tells the four forms apart.
    #[must_use]
    pub fn parse(text: &str) -> ApiKey {
        match text.split_once(':') {
            Some(("env", name)) => ApiKey::Env(name.to_owned()),
            Some(("file", path)) => ApiKey::File(path.to_owned()),
            Some(("sealed", hex)) => ApiKey::Sealed(hex.to_owned()),
            _ => ApiKey::Inline(Secret::new(text.to_owned())),
        }
    }
}

/// Names the place, never the credential.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiKey::Env(name) => write!(f, "env:{name}"),
            ApiKey::File(path) => write!(f, "file:{path}"),
            ApiKey::Sealed(_) => f.write_str("sealed:..."),
            ApiKey::Inline(_) => f.write_str("[secret]"),
        }
    }
}

impl Serialize for ApiKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ApiKey::Env(name) => serializer.collect_str(&format_args!("env:{name}")),
            ApiKey::File(path) => serializer.collect_str(&format_args!("file:{path}")),
            ApiKey::Sealed(hex) => serializer.collect_str(&format_args!("sealed:{hex}")),
            ApiKey::Inline(_) => {
                Err(serde::ser::Error::custom("an inline credential is never written; apply seals it"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for ApiKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ApiKey, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Ok(ApiKey::parse(&text))
    }
}

//! The wire formats that clients and upstreams speak, and the endpoints that each has.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A wire format. Closed: a dialect is code, an upstream is data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI's chat completions, completions, embeddings and models, and whoever copies them.
    Openai,
}

impl Dialect {
    /// The name used in configuration and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Dialect::Openai => "openai",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no dialect; the known ones are in the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("unknown dialect; known: openai")]
pub struct UnknownDialect;

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Dialect, UnknownDialect> {
        match text {
            "openai" => Ok(Dialect::Openai),
            _ => Err(UnknownDialect),
        }
    }
}

/// What a call asks for, whatever the dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// A conversation is continued.
    ChatCompletions,
    /// A text is continued.
    Completions,
    /// Texts become vectors.
    Embeddings,
    /// The models of the calling key.
    ModelList,
    /// One model of the calling key.
    ModelGet,
    /// Mandant's own: what the calling key's accounts have used.
    Usage,
    /// Mandant's own: the limits of the calling key's accounts and what is left of them.
    Limits,
    /// Mandant's own: a dry run of a call.
    Explain,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Endpoint; 8] = [
        Endpoint::ChatCompletions,
        Endpoint::Completions,
        Endpoint::Embeddings,
        Endpoint::ModelList,
        Endpoint::ModelGet,
        Endpoint::Usage,
        Endpoint::Limits,
        Endpoint::Explain,
    ];

    /// Whether a call to it goes to an upstream and costs money; the others are answered here.
    #[must_use]
    pub const fn is_billed(self) -> bool {
        match self {
            Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Embeddings => true,
            Endpoint::ModelList | Endpoint::ModelGet | Endpoint::Usage | Endpoint::Limits | Endpoint::Explain => false,
        }
    }

    /// The path below an upstream's `base_url`, such as "/chat/completions".
    ///
    /// [`Endpoint::ModelGet`] is the prefix before "/{model}".
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Endpoint::ChatCompletions => "/chat/completions",
            Endpoint::Completions => "/completions",
            Endpoint::Embeddings => "/embeddings",
            Endpoint::ModelList | Endpoint::ModelGet => "/models",
            Endpoint::Usage => "/usage",
            Endpoint::Limits => "/limits",
            Endpoint::Explain => "/explain",
        }
    }

    /// The name in records and metrics, such as "chat/completions".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Endpoint::ChatCompletions => "chat/completions",
            Endpoint::Completions => "completions",
            Endpoint::Embeddings => "embeddings",
            Endpoint::ModelList => "models",
            Endpoint::ModelGet => "models/get",
            Endpoint::Usage => "usage",
            Endpoint::Limits => "limits",
            Endpoint::Explain => "explain",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is not the name of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("unknown endpoint")]
pub struct UnknownEndpoint;

/// The inverse of [`Endpoint::name`].
impl FromStr for Endpoint {
    type Err = UnknownEndpoint;

    fn from_str(text: &str) -> Result<Endpoint, UnknownEndpoint> {
        Endpoint::ALL.into_iter().find(|endpoint| endpoint.name() == text).ok_or(UnknownEndpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for endpoint in Endpoint::ALL {
            assert_eq!(endpoint.name().parse(), Ok(endpoint));
        }
        assert_eq!(Dialect::Openai.to_string().parse(), Ok(Dialect::Openai));
        assert_eq!("OpenAI".parse::<Dialect>(), Err(UnknownDialect));
        assert_eq!(serde_json::to_string(&Dialect::Openai).expect("plain"), "\"openai\"");
    }
}

//! How a request shows its upstream who pays: a credential in a header or in the query, a signature of all of it, or an
//! access token that the credential bought.
//!
//! Invariant: no secret is printed. What is sent is marked as sensitive, and what an upstream echoes is hidden.

mod grant;
mod post;
mod sigv4;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::Secret;
use catalog::{AuthStyle, KeySource, Upstream};
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Uri};

use self::grant::Grant;
use self::sigv4::{AwsKey, Scope};
use self::token::TokenSource;
use super::connect::Origin;
use super::{ConnectError, Tls, credential};
use crate::clock::Clock;
use crate::heads::Outgoing;

/// What one upstream wants to see; of several credentials each is used in turn.
pub(super) struct Auth {
    way: Way,
    next: AtomicUsize,
}

enum Way {
    /// The values of one header; none for an upstream that wants no credential.
    Header(HeaderName, Vec<HeaderValue>),
    /// The values of `key` in the query.
    Query(Vec<Secret<String>>),
    Signed(Scope, Vec<AwsKey>),
    Tokens(Vec<Arc<TokenSource>>),
}

impl Auth {
    /// Reads the credentials of `upstream`, which is at `origin`.
    ///
    /// # Errors
    /// When a credential cannot be read, or is not of the kind that is wanted.
    pub(super) fn of(upstream: &Upstream, origin: &Origin, tls: &Arc<Tls>) -> Result<Auth, ConnectError> {
        let read = |source: &KeySource| credential::read(source).map_err(ConnectError::Credential);
        let secrets = upstream.api_keys.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let way = match (upstream.auth, upstream.auth.header()) {
            (auth, Some(header)) => {
                let scheme = if auth == AuthStyle::Bearer { "Bearer " } else { "" };
                let values = secrets.iter().map(|secret| credential::header_value(scheme, secret));
                Way::Header(HeaderName::from_static(header), values.collect::<Result<_, _>>()?)
            }
            (AuthStyle::Sigv4, _) => {
                let scope = Scope::of(upstream.region.as_deref(), &origin.host).map_err(ConnectError::Credential)?;
                let keys = secrets.iter().map(|secret| AwsKey::parse(secret).map_err(ConnectError::Credential));
                Way::Signed(scope, keys.collect::<Result<_, _>>()?)
            }
            (AuthStyle::GoogleServiceAccount | AuthStyle::AzureEntra, _) => {
                let of_google = upstream.auth == AuthStyle::GoogleServiceAccount;
                let source = |secret: &Secret<String>| {
                    let grant = if of_google {
                        Grant::of_service_account(secret, &upstream.token)
                    } else {
                        Grant::of_application(secret, &upstream.token)
                    };
                    let grant = grant.map_err(ConnectError::Credential)?;
                    TokenSource::new(grant, upstream.id.as_str(), tls.clone()).map(Arc::new)
                };
                Way::Tokens(secrets.iter().map(source).collect::<Result<_, _>>()?)
            }
            _ => Way::Query(secrets),
        };
        Ok(Auth { way, next: AtomicUsize::new(0) })
    }

    /// The next of these, in turn.
    fn next<'a, T>(&self, several: &'a [T]) -> Option<&'a T> {
        match several {
            [] => None,
            [only] => Some(only),
            several => several.get(self.next.fetch_add(1, Ordering::Relaxed) % several.len()),
        }
    }

    /// Waits until there is something to show, which nearly always there is.
    ///
    /// # Errors
    /// When no token can be got.
    pub(super) async fn ready(&self) -> Result<(), ConnectError> {
        let Way::Tokens(sources) = &self.way else { return Ok(()) };
        let mut failure = None;
        for source in sources {
            match source.ready().await {
                Ok(()) => return Ok(()),
                Err(reason) => failure = Some(reason),
            }
        }
        failure.map_or(Ok(()), |reason| Err(ConnectError::Credential(reason)))
    }

    /// Renews what is near its end, without anybody waiting.
    pub(super) fn renew(&self) {
        if let Way::Tokens(sources) = &self.way {
            sources.iter().for_each(TokenSource::renew_ahead);
        }
    }

    /// The access token that a request shows, where it shows one.
    pub(super) fn token_of(&self, request: &Outgoing) -> Option<HeaderValue> {
        match &self.way {
            Way::Tokens(_) => request.secrets.first().map(|(_, token)| token.clone()),
            _ => None,
        }
    }

    /// An upstream does not take a token that should still hold: it is renewed early, for the calls that follow.
    pub(super) fn token_is_refused(&self, token: &HeaderValue) {
        if let Way::Tokens(sources) = &self.way {
            sources.iter().for_each(|source| source.is_refused(token));
        }
    }

    /// Puts into a whole request what its upstream wants to see. `authority` is the `Host` that it is for.
    pub(super) fn authorize(&self, request: &mut Outgoing, authority: &HeaderValue) {
        match &self.way {
            Way::Header(name, values) => {
                if let Some(value) = self.next(values) {
                    request.secrets.push((name.clone(), value.clone()));
                }
            }
            Way::Query(keys) => {
                if let Some(key) = self.next(keys) {
                    request.uri = with_key(&request.uri, key);
                }
            }
            Way::Signed(scope, keys) => {
                if let Some(key) = self.next(keys) {
                    sigv4::sign(request, authority, key, scope, Clock::wall());
                }
            }
            Way::Tokens(sources) => {
                // One that has a token now; the first call after a failure may find one that has none.
                let first = self.next(sources).and_then(|source| source.current());
                if let Some(value) = first.or_else(|| sources.iter().find_map(|source| source.current())) {
                    request.secrets.push((AUTHORIZATION, value));
                }
            }
        }
    }

    /// `text` without what is secret here; `None` when nothing of it occurs.
    pub(super) fn redact(&self, text: &[u8]) -> Option<Vec<u8>> {
        match &self.way {
            Way::Header(_, values) => credential::redact(text, values.iter().map(HeaderValue::as_bytes)),
            Way::Query(keys) => {
                // Also as it stands in the address.
                let escaped: Vec<String> = keys.iter().map(|key| grant::escaped(key.expose())).collect();
                let plain = keys.iter().map(|key| key.expose().as_bytes());
                credential::redact(text, plain.chain(escaped.iter().map(String::as_bytes)))
            }
            Way::Signed(_, keys) => credential::redact(text, keys.iter().flat_map(AwsKey::secrets)),
            Way::Tokens(sources) => {
                let values: Vec<HeaderValue> = sources.iter().flat_map(|source| source.shown()).collect();
                let secrets = sources.iter().flat_map(|source| source.secret());
                credential::redact(text, values.iter().map(HeaderValue::as_bytes).chain(secrets))
            }
        }
    }
}

/// An address with a key in its query.
fn with_key(uri: &Uri, key: &Secret<String>) -> Uri {
    let separator = if uri.query().is_some() { '&' } else { '?' };
    let text = format!("{uri}{separator}key={}", grant::escaped(key.expose()));
    // Escapes are ASCII: an address stays one.
    Uri::try_from(text).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_query_is_escaped_and_stands_behind_what_was_there() {
        let key = Secret::new("a&b c".to_owned());
        let with = |uri: &str| with_key(&uri.parse().unwrap(), &key).to_string();
        assert_eq!(with("/v1/x?alt=sse"), "/v1/x?alt=sse&key=a%26b%20c");
        assert_eq!(with("https://host/v1/x"), "https://host/v1/x?key=a%26b%20c");
    }
}

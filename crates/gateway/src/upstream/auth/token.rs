//! Access tokens: got with a grant, shown until their end, and renewed ahead of it by a task of their own.
//!
//! A call waits for a token only when there is none that holds: at the very start, after renewals that failed until the
//! end of the last one, and after an upstream did not take the last one (when no other comes, that one is shown again).
//! One renewal is under way at a time, however many calls wait, and after a failure nobody asks again before a pause.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use base::Secret;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;

use super::grant::Grant;
use super::post::{Address, post};
use crate::clock::Clock;
use crate::upstream::{ConnectError, Tls, credential};

/// A token is not shown in the last moments of its time: the request takes a while to arrive.
const MARGIN: Duration = Duration::from_secs(10);
/// A token is renewed so long before its end, or in the last quarter of a short time.
const AHEAD: Duration = Duration::from_secs(300);
/// A token that replaced a refused one is not replaced early in this time: what is refused then is no matter of tokens.
const EARLY_PAUSE: Duration = Duration::from_secs(60);
/// The longest time that a token is believed to hold.
const HOLDS_MAX: Duration = Duration::from_secs(86_400);
/// The pause after a first failure; it doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(32);

/// The tokens of one credential.
pub(super) struct TokenSource {
    grant: Grant,
    address: Address,
    /// Whose tokens they are, for the log.
    upstream: String,
    tls: Arc<Tls>,
    state: Mutex<State>,
    /// Held by whoever renews.
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// The one before it: an answer to a request that showed it may still come.
    previous: Option<HeaderValue>,
    failure: Option<Failure>,
}

struct Token {
    value: HeaderValue,
    /// When it is renewed, and until when it is shown.
    renew: Instant,
    end: Instant,
    /// An upstream did not take it.
    is_refused: bool,
    /// Until when it is not renewed because it is refused.
    trusted_until: Instant,
}

struct Failure {
    reason: String,
    pause: Duration,
    /// Before this nobody asks again.
    until: Instant,
}

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Seconds,
}

/// Some write the number as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

/// What it answers when it does not.
#[derive(Deserialize)]
struct Denied {
    error: String,
}

impl TokenSource {
    /// Of `grant`, for `upstream`.
    ///
    /// # Errors
    /// When its address is none.
    pub(super) fn new(grant: Grant, upstream: &str, tls: Arc<Tls>) -> Result<TokenSource, ConnectError> {
        Ok(TokenSource {
            address: Address::of(&grant.url)?,
            grant,
            upstream: upstream.to_owned(),
            tls,
            state: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
        })
    }

    /// What is shown now; `None` when there is no token that holds.
    pub(super) fn current(&self) -> Option<HeaderValue> {
        let state = self.state.lock().expect("no panic while the state is locked");
        state.token.as_ref().filter(|token| Instant::now() < token.end).map(|token| token.value.clone())
    }

    /// What answers may repeat: the token that is shown now, and the one before it.
    pub(super) fn shown(&self) -> Vec<HeaderValue> {
        let state = self.state.lock().expect("no panic while the state is locked");
        state.token.iter().map(|token| token.value.clone()).chain(state.previous.clone()).collect()
    }

    /// An upstream does not take `token`. Where it is the one that is shown it is renewed at once, and calls wait for that.
    pub(super) fn is_refused(self: &Arc<TokenSource>, token: &HeaderValue) {
        {
            let (now, mut state) = (Instant::now(), self.state.lock().expect("no panic while the state is locked"));
            let shown = state.token.as_mut().filter(|shown| shown.value == *token && shown.trusted_until <= now);
            let Some(shown) = shown else { return };
            shown.is_refused = true;
            shown.renew = now;
        }
        self.renew_ahead();
    }

    /// Whether there is a token that nobody refused.
    fn holds(&self) -> bool {
        let state = self.state.lock().expect("no panic while the state is locked");
        state.token.as_ref().is_some_and(|token| Instant::now() < token.end && !token.is_refused)
    }

    /// What no client may see of the credential itself.
    pub(super) fn secret(&self) -> Option<&[u8]> {
        self.grant.secret()
    }

    /// Waits until there is a token.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn ready(self: &Arc<TokenSource>) -> Result<(), String> {
        if self.holds() {
            return Ok(());
        }
        // In a task of its own: a client that hangs up does not end what others wait for.
        let source = self.clone();
        let renewed = tokio::spawn(async move {
            let _renewing = source.renewing.lock().await;
            source.renew().await;
        });
        let ended = renewed.await;
        if self.current().is_some() {
            return Ok(());
        }
        let state = self.state.lock().expect("no panic while the state is locked");
        let reason = state.failure.as_ref().map(|failure| failure.reason.clone());
        Err(reason.filter(|_| ended.is_ok()).unwrap_or_else(|| "there is no access token".into()))
    }

    /// Renews in a task of its own, where it is time to and nobody does already.
    pub(super) fn renew_ahead(self: &Arc<TokenSource>) {
        if !self.is_due() {
            return;
        }
        let source = self.clone();
        tokio::spawn(async move {
            if let Ok(_renewing) = source.renewing.try_lock() {
                source.renew().await;
            }
        });
    }

    /// Whether it is time to ask for a token.
    fn is_due(&self) -> bool {
        let (now, state) = (Instant::now(), self.state.lock().expect("no panic while the state is locked"));
        let is_paused = state.failure.as_ref().is_some_and(|failure| now < failure.until);
        !is_paused && state.token.as_ref().is_none_or(|token| token.renew <= now)
    }

    /// Asks for a token, unless somebody got one meanwhile, or failed a moment ago. For whoever holds `renewing`.
    async fn renew(&self) {
        if !self.is_due() {
            return;
        }
        let asked = Instant::now();
        let got = self.ask().await;
        let mut state = self.state.lock().expect("no panic while the state is locked");
        match got {
            Ok((value, holds)) => {
                let end = asked + holds.saturating_sub(MARGIN.min(holds / 10));
                let renew = asked + holds.saturating_sub(AHEAD.min(holds / 4));
                let before = state.token.take();
                let is_early = before.as_ref().is_some_and(|before| before.is_refused);
                let trusted_until = if is_early { Instant::now() + EARLY_PAUSE } else { asked };
                state.previous = before.map(|before| before.value);
                (state.token, state.failure) =
                    (Some(Token { value, renew, end, is_refused: false, trusted_until }), None);
            }
            Err(reason) => {
                tracing::warn!(upstream = %self.upstream, %reason, "no access token");
                let pause = state.failure.as_ref().map_or(PAUSE_MIN, |last| (2 * last.pause).min(PAUSE_MAX));
                state.failure = Some(Failure { reason, pause, until: Instant::now() + pause });
            }
        }
    }

    /// A new token, and how long it holds.
    async fn ask(&self) -> Result<(HeaderValue, Duration), String> {
        let form = self.grant.form(Clock::wall())?;
        let (status, body) = post(&self.address, &self.tls, form.expose()).await?;
        if status != StatusCode::OK {
            return Err(format!("the token endpoint answered {}: {}", status.as_u16(), word_of(&body)));
        }
        let granted: Granted = serde_json::from_slice(&body)
            .map_err(|_| "the token endpoint's answer has no access_token and expires_in")?;
        let seconds = match granted.expires_in {
            Seconds::Number(seconds) => Some(seconds),
            Seconds::Text(text) => text.parse().ok(),
        };
        let holds = seconds.map(Duration::from_secs).filter(|holds| !holds.is_zero());
        let holds = holds.ok_or("the token that came does not hold")?.min(HOLDS_MAX);
        let value = credential::header_value("Bearer ", &Secret::new(granted.access_token));
        Ok((value.map_err(|_| "the token has characters that no header can carry")?, holds))
    }
}

/// Of what a stranger answers, only a plain word is told.
fn word_of(body: &[u8]) -> String {
    let is_word =
        |word: &String| word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    serde_json::from_slice::<Denied>(body).ok().map(|denied| denied.error).filter(is_word).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_refusal_only_a_word_is_told() {
        assert_eq!(word_of(br#"{"error":"invalid_grant","error_description":"canary"}"#), "invalid_grant");
        for body in [r#"{"error":"not canary~secret"}"#, "<html>canary</html>", r#"{"error":{"message":"canary"}}"#] {
            assert_eq!(word_of(body.as_bytes()), "", "{body}");
        }
    }
}

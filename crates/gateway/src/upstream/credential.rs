//! The credentials of upstreams: read where they are kept, sent as headers, and kept out of what clients see.

use base::Secret;
use catalog::KeySource;
use http::HeaderValue;

use super::ConnectError;

/// Shortest run of characters of a credential that is worth hiding when an upstream echoes it.
const ECHO_BYTES_MIN: usize = 8;
/// What stands in the place of a hidden credential.
const REDACTED: &[u8] = b"[redacted]";

/// Reads a credential from where it is kept.
///
/// # Errors
/// A sentence that names the place but never the value.
pub fn read(source: &KeySource) -> Result<Secret<String>, String> {
    match source {
        KeySource::Env(name) => {
            std::env::var(name).map(Secret::new).map_err(|_| format!("the environment variable {name} is not set"))
        }
        KeySource::File(path) => std::fs::read_to_string(path)
            .map(|text| Secret::new(text.trim().to_owned()))
            .map_err(|error| format!("the file {path}: {error}")),
        KeySource::Inline(secret) => Ok(secret.clone()),
    }
}

/// The value of the header that carries a credential, or something else that is as secret.
pub(super) fn header_value(scheme: &str, secret: &Secret<String>) -> Result<HeaderValue, ConnectError> {
    let mut value = HeaderValue::from_str(&format!("{scheme}{}", secret.expose()))
        .map_err(|_| ConnectError::Credential("it has characters that no header can carry".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// `text` without any of `credentials`; `None` when none occurs.
///
/// Providers echo keys whole, or cut in the middle by stars (`sk-abcd****wxyz`): such a token is hidden as a whole when
/// it starts like a credential.
pub(super) fn redact<'a>(text: &[u8], credentials: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut clean: Option<Vec<u8>> = None;
    for credential in credentials {
        let secret = credential.strip_prefix(b"Bearer ").unwrap_or(credential);
        let marker = &secret[..secret.len().min(ECHO_BYTES_MIN)];
        if marker.len() < ECHO_BYTES_MIN {
            continue;
        }
        let current = clean.as_deref().unwrap_or(text);
        if memchr::memmem::find(current, marker).is_some() {
            clean = Some(hide_tokens(current, marker, secret));
        }
    }
    clean
}

/// Replaces every token that begins with `marker`: all of `secret` where it is that, and on to a character that no key has.
fn hide_tokens(text: &[u8], marker: &[u8], secret: &[u8]) -> Vec<u8> {
    let is_key_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_*.+/=~".contains(byte);
    let mut clean = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, marker) {
        clean.extend_from_slice(&rest[..at]);
        clean.extend_from_slice(REDACTED);
        let token = &rest[at..];
        let after = &token[if token.starts_with(secret) { secret.len() } else { marker.len() }..];
        let end = after.iter().position(|byte| !is_key_byte(byte)).unwrap_or(after.len());
        rest = &after[end..];
    }
    clean.extend_from_slice(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echoed_credential_never_reaches_the_client() {
        let keys: [&[u8]; 1] = [b"Bearer sk-canary-0123456789"];
        let echoes: [&[u8]; 3] = [
            b"Incorrect API key provided: sk-canary-0123456789. You can",
            b"Incorrect API key provided: sk-canar*********6789.",
            b"{\"a\":\"sk-canary-0123456789\",\"b\":\"sk-canary-0123456789\"}",
        ];
        for echo in echoes {
            let clean = redact(echo, keys).expect("found");
            assert!(!String::from_utf8_lossy(&clean).contains("canar"), "{}", String::from_utf8_lossy(&clean));
            assert!(!String::from_utf8_lossy(&clean).contains("6789"));
        }
        assert_eq!(redact(b"nothing here", keys), None);
    }

    #[test]
    fn characters_that_few_keys_have_end_no_echo() {
        for key in ["s8Q~canary.0123456789", "s8Q~ab&cd$canary 0123456789"] {
            let clean = redact(format!("({key}), ({key})").as_bytes(), [key.as_bytes()]).expect("found");
            assert_eq!(String::from_utf8_lossy(&clean), "([redacted]), ([redacted])");
        }
        let clean = redact(b"wrong: s8Q~abcd~****6789!", [&b"s8Q~abcd~canary~456789"[..]]).expect("found");
        assert_eq!(String::from_utf8_lossy(&clean), "wrong: [redacted]!");
    }

    #[test]
    fn a_credential_is_not_printed() {
        let value = header_value("Bearer ", &Secret::new("sk-canary-0123456789".into())).expect("a header");
        assert_eq!(format!("{value:?}"), "Sensitive");
    }
}

//! Whether the address of an upstream is one that calls may be sent to.

use core::net::{IpAddr, Ipv6Addr};

/// What is wrong with a base URL, as a sentence; `None` when it is good.
pub(super) fn fault(url: &str, allow_plain_http: bool) -> Option<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Some("write a whole URL, such as https://api.openai.com/v1".into());
    };
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Some(
            "the URL has spaces or characters that no URL has; write international names in their xn-- form".into(),
        );
    }
    if rest.contains(['?', '#']) {
        return Some("the URL must end with its path: remove the query or fragment".into());
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Some("the URL must not carry a user name or password; put the credential under api_keys".into());
    }
    let Some(host) = host(authority) else {
        return Some("the URL has no valid host and port".into());
    };
    match scheme {
        "https" => None,
        "http" if allow_plain_http || is_loopback(host) => None,
        "http" => Some(
            "http:// would send the credential in the clear; use https://, or set allow_plain_http = true if the network is yours".into(),
        ),
        _ => Some("the URL must begin with https:// (or http:// for this machine)".into()),
    }
}

/// The host of an authority whose port, if any, is a number.
fn host(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port)
        }
        None => match authority.find(':') {
            Some(colon) => authority.split_at(colon),
            None => (authority, ""),
        },
    };
    let good_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let good_host = host.contains(':')
        || host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' || byte == b'_');
    (good_port && good_host && !host.is_empty()).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses_pass() {
        for url in [
            "https://api.openai.com/v1",
            "https://example.org:8443",
            "http://127.0.0.1:9000/v1",
            "http://localhost/v1",
            "http://[::1]:8080/v1",
            "https://[2001:db8::1]/v1",
        ] {
            assert_eq!(fault(url, false), None, "{url}");
        }
        assert_eq!(fault("http://vllm.internal:8000/v1", true), None);
    }

    #[test]
    fn bad_addresses_are_refused() {
        for url in [
            "",
            "api.openai.com/v1",
            "ftp://example.org",
            "http://example.org/v1",
            "http://127.0.0.1.example.org/v1",
            "https://",
            "https:///v1",
            "https://user:pass@example.org/v1",
            "https://example.org/v1?key=1",
            "https://example.org/v1#x",
            "https://example.org:0/v1",
            "https://example.org:port/v1",
            "https://exa mple.org/",
            "https://example.org\\@evil.org/",
            "https://[::1/",
            "https://bücher.example/",
        ] {
            assert!(fault(url, false).is_some(), "{url}");
        }
    }
}

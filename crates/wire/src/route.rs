//! The registry of client-facing routes: what is not listed does not exist.

use base::Refusal;

use crate::dialect::{Dialect, Endpoint};

/// One client-facing route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteSpec {
    /// The one HTTP method it takes.
    pub method: &'static str,
    /// The path; `{model}` at its end stands for the rest of the path, which may contain slashes.
    pub pattern: &'static str,
    /// The dialect of its requests, answers and refusals.
    pub dialect: Dialect,
    /// What it does.
    pub endpoint: Endpoint,
}

const fn openai(method: &'static str, pattern: &'static str, endpoint: Endpoint) -> RouteSpec {
    RouteSpec { method, pattern, dialect: Dialect::Openai, endpoint }
}

/// Every route of the relay port.
pub const ROUTES: &[RouteSpec] = &[
    openai("POST", "/v1/chat/completions", Endpoint::ChatCompletions),
    openai("POST", "/v1/completions", Endpoint::Completions),
    openai("POST", "/v1/embeddings", Endpoint::Embeddings),
    openai("GET", "/v1/models", Endpoint::ModelList),
    openai("GET", "/v1/models/{model}", Endpoint::ModelGet),
    openai("GET", "/v1/usage", Endpoint::Usage),
    openai("GET", "/v1/limits", Endpoint::Limits),
    openai("POST", "/v1/explain", Endpoint::Explain),
];

/// A route that a request matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    /// The dialect of the answer and of refusals.
    pub dialect: Dialect,
    /// What is asked for.
    pub endpoint: Endpoint,
    /// The `{model}` part of the path, not decoded; it may contain `/`.
    pub tail: Option<&'a str>,
}

/// Finds the route of a method and a path (without query), exactly as written.
///
/// # Errors
/// [`Refusal::RouteNotFound`], also for every path that another server could read as a different one (empty, `.` or `..`
/// segments, percent escapes, backslashes, anything beyond printable ASCII); [`Refusal::MethodNotAllowed`].
pub fn route<'a>(method: &str, path: &'a str) -> Result<Route<'a>, Refusal> {
    if !is_canonical(path) {
        return Err(Refusal::RouteNotFound);
    }
    let (spec, tail) =
        ROUTES.iter().find_map(|spec| Some((spec, matches(spec.pattern, path)?))).ok_or(Refusal::RouteNotFound)?;
    if spec.method != method {
        return Err(Refusal::MethodNotAllowed { allowed: spec.method });
    }
    Ok(Route { dialect: spec.dialect, endpoint: spec.endpoint, tail })
}

/// `Some(tail)` when `path` is what `pattern` describes; a trailing slash is a different path.
fn matches<'a>(pattern: &str, path: &'a str) -> Option<Option<&'a str>> {
    match pattern.strip_suffix("{model}") {
        None => (pattern == path).then_some(None),
        Some(prefix) => path.strip_prefix(prefix).filter(|tail| !tail.is_empty()).map(Some),
    }
}

/// Whether every server reads this path alike: no empty or dot segments, no escapes, only the characters of names.
fn is_canonical(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@+".contains(&byte);
    rest.bytes().all(plain) && rest.split('/').all(|segment| !segment.is_empty() && !segment.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_route_is_found_and_takes_one_method() {
        for spec in ROUTES {
            let path = spec.pattern.replace("{model}", "openai/gpt-4.1:free");
            let found = route(spec.method, &path).expect("listed");
            assert_eq!((found.endpoint, found.dialect), (spec.endpoint, spec.dialect));
            assert_eq!(found.tail, spec.pattern.contains('{').then_some("openai/gpt-4.1:free"));
            for other in ["GET", "POST", "PUT", "DELETE", "HEAD", "get", ""] {
                if other != spec.method {
                    assert_eq!(route(other, &path), Err(Refusal::MethodNotAllowed { allowed: spec.method }));
                }
            }
        }
    }

    #[test]
    fn a_path_that_two_servers_could_read_differently_is_not_found() {
        for path in [
            "",
            "/",
            "v1/models",
            "*",
            "//v1/models",
            "/v1//models",
            "/v1/models/",
            "/v1/./models",
            "/v1/../v1/models",
            "/v1/models/..",
            "/v1/models/.",
            "/v1/models/a/../b",
            "/v1/models/a/./b",
            "/v1/models/%2e%2e",
            "/v1/mod%65ls",
            "/v1%2fmodels",
            "/v1\\models",
            "/v1/models\\",
            "/V1/models",
            "/v1/Models",
            "/v1/models.",
            "/v1./models",
            "/v1/chat/completions/",
            "/v1/chat/completions.",
            "/v1/chat/completions ",
            "/v1/chat/completions\0",
            "/v1/chat/completions;x",
            "/v1/chat/completions?x",
            "/v1/chat/completions#x",
            "/v1/models/a b",
            "/v1/models/ä",
            "/v1/models/...",
            "/v1/models/a.",
            "/v1/models//a",
            "/chat/completions",
            "/v1/files",
            "/v1/responses",
            "http://host/v1/models",
            "/v1/models/\u{202e}",
        ] {
            assert_eq!(route("GET", path).err().map(|r| r.status()), Some(404), "{path:?}");
            assert_eq!(route("POST", path).err().map(|r| r.status()), Some(404), "{path:?}");
        }
    }
}

//! Error answers in OpenAI's shape.

use serde_json::{Value, json};

/// An error answer: nothing is billed for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ErrorAnswer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) content_type: &'static str,
    pub(crate) retry_after_seconds: Option<u32>,
}

impl ErrorAnswer {
    fn json(status: u16, message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> ErrorAnswer {
        let body = object(message, kind, param, code).to_string();
        ErrorAnswer { status, body, content_type: "application/json", retry_after_seconds: None }
    }

    pub(crate) fn invalid(message: &str, param: Option<&str>) -> ErrorAnswer {
        ErrorAnswer::json(400, message, "invalid_request_error", param, None)
    }

    pub(crate) fn not_json() -> ErrorAnswer {
        let message = "We could not parse the JSON body of your request. The API expects a JSON payload, but what was \
            sent was not valid JSON.";
        ErrorAnswer::invalid(message, None)
    }

    pub(crate) fn missing_key() -> ErrorAnswer {
        let message = "You didn't provide an API key. You need to provide your API key in an Authorization header using \
            Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";
        ErrorAnswer::json(401, message, "invalid_request_error", None, None)
    }

    /// Like real ones, the message echoes the ends of the key: a relay must not pass that on.
    pub(crate) fn wrong_key(key: &str) -> ErrorAnswer {
        let head: String = key.chars().take(6).collect();
        let tail: String = key.chars().skip(key.chars().count().saturating_sub(4)).collect();
        let message = format!("Incorrect API key provided: {head}**********{tail}.");
        ErrorAnswer::json(401, &message, "invalid_request_error", None, Some("invalid_api_key"))
    }

    pub(crate) fn unknown_model(model: &str) -> ErrorAnswer {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        ErrorAnswer::json(404, &message, "invalid_request_error", None, Some("model_not_found"))
    }

    pub(crate) fn not_kept(status: u16, message: &str, code: &str) -> ErrorAnswer {
        ErrorAnswer::json(status, message, "invalid_request_error", None, Some(code))
    }

    pub(crate) fn unknown_url(method: &str, path: &str) -> ErrorAnswer {
        let message = format!("Invalid URL ({method} {path})");
        ErrorAnswer::json(404, &message, "invalid_request_error", None, None)
    }

    pub(crate) fn too_large() -> ErrorAnswer {
        ErrorAnswer::json(413, "Maximum content size limit exceeded", "invalid_request_error", None, None)
    }

    pub(crate) fn html() -> ErrorAnswer {
        let body = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1>\
            </center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n";
        ErrorAnswer { status: 502, body: body.to_owned(), content_type: "text/html", retry_after_seconds: None }
    }

    /// What a provider says with this status.
    pub(crate) fn of_status(status: u16, retry_after_seconds: Option<u32>) -> ErrorAnswer {
        let (message, kind, code) = match status {
            401 => ("Incorrect API key provided.", "invalid_request_error", Some("invalid_api_key")),
            403 => ("You do not have permission to do this.", "permission_error", None),
            404 => ("The requested resource was not found.", "invalid_request_error", None),
            408 => ("The request timed out.", "timeout", None),
            429 => ("Rate limit reached for requests per minute.", "requests", Some("rate_limit_exceeded")),
            503 | 529 => ("The engine is currently overloaded, please try again later.", "server_error", None),
            400..=499 => ("The request is invalid.", "invalid_request_error", None),
            _ => ("The server had an error while processing your request. Sorry about that!", "server_error", None),
        };
        ErrorAnswer { retry_after_seconds, ..ErrorAnswer::json(status, message, kind, None, code) }
    }

    pub(crate) fn too_many_at_once() -> ErrorAnswer {
        ErrorAnswer::of_status(429, Some(1))
    }
}

/// The event that breaks a stream after 200.
pub(crate) fn stream_event() -> String {
    let message = "The server had an error while processing your request. Sorry about that!";
    format!("data: {}\n\n", object(message, "server_error", None, None))
}

fn object(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
}

//! Errors of providers, from dialect to dialect: status and sentence stay, the words around them change.

use super::build::Build;
use super::node::Node;
use super::said::Problem;

/// Longest text that is taken for an error's sentence when the answer is none of a dialect's, such as a proxy's page.
const PAGE_BYTES_MAX: usize = 500;

/// OpenAI's error object, or what its imitators write: a text, or an object with a code that is a number.
pub(super) fn openai(error: Node<'_>, status: u16) -> Problem {
    let text_of = |name: &str| error.text_of(name).map(std::borrow::Cow::into_owned);
    let message = error.text().map(std::borrow::Cow::into_owned).or_else(|| text_of("message")).unwrap_or_default();
    let code = error.get("code");
    let number = code.and_then(Node::count).and_then(|code| u16::try_from(code).ok());
    let kind = text_of("type");
    let told = number.filter(|code| (400..600).contains(code));
    let told = told.or_else(|| kind.as_deref().map(status_of));
    Problem {
        status: if status == 0 { told.unwrap_or(500) } else { status },
        message,
        code: code.and_then(Node::text).map(std::borrow::Cow::into_owned),
        param: text_of("param"),
    }
}

/// Anthropic's error object.
pub(super) fn anthropic(error: Node<'_>, status: u16) -> Problem {
    let kind = error.text_of("type").unwrap_or_default();
    Problem {
        status: if status == 0 { status_of(&kind) } else { status },
        message: error.text_of("message").unwrap_or_default().into_owned(),
        code: Some(kind.into_owned()).filter(|kind| !kind.is_empty()),
        param: None,
    }
}

/// Google's error object.
pub(super) fn google(error: Node<'_>, status: u16) -> Problem {
    let told = error.get("code").and_then(Node::count).and_then(|code| u16::try_from(code).ok());
    Problem {
        status: if status == 0 { told.unwrap_or(500) } else { status },
        message: error.text_of("message").unwrap_or_default().into_owned(),
        code: error.text_of("status").map(std::borrow::Cow::into_owned),
        param: None,
    }
}

/// The end of an answer that went wrong, by the provider's own word for it.
pub(super) fn unclean(word: &str) -> Problem {
    let message = format!("The provider broke its answer off: {word}.");
    Problem { status: 502, message, code: Some(word.to_owned()), param: None }
}

/// An answer with an error status, of any dialect or of none.
pub(super) fn of_body(body: &[u8], status: u16) -> Problem {
    let document = Node::parse(body);
    // Google's streams put it into an array.
    let first = document.and_then(|node| node.items()).and_then(|items| items.first().copied());
    let document = first.or(document);
    let error = document.and_then(|document| document.get("error").or(Some(document)));
    let problem = match error {
        Some(error) if error.get("status").is_some() => google(error, status),
        Some(error) if document.is_some_and(|document| document.text_of("type").as_deref() == Some("error")) => {
            anthropic(error, status)
        }
        Some(error) => openai(error, status),
        None => Problem { status, message: String::new(), code: None, param: None },
    };
    if problem.message.is_empty() { Problem { message: page(body, status), ..problem } } else { problem }
}

/// A sentence for an answer that has none.
fn page(body: &[u8], status: u16) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(PAGE_BYTES_MAX)]);
    match text.trim() {
        "" => format!("The provider answered with the status {status}."),
        text => format!("The provider answered with the status {status}: {text}"),
    }
}

/// What HTTP would say to Anthropic's and OpenAI's kinds of errors.
fn status_of(kind: &str) -> u16 {
    match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    }
}

pub(super) fn write_openai(problem: &Problem, json: &mut Build) {
    let kind = match problem.status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    json.begin_object().key("error").begin_object().texted("message", &problem.message).texted("type", kind);
    for (name, value) in [("param", &problem.param), ("code", &problem.code)] {
        match value {
            Some(value) => json.texted(name, value).done(),
            None => json.key(name).raw("null").done(),
        }
    }
    json.end_object().end_object();
}

pub(super) fn write_anthropic(problem: &Problem, json: &mut Build) {
    let kind = match problem.status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json.begin_object().texted("type", "error").key("error").begin_object().texted("type", kind);
    json.texted("message", &problem.message).end_object().end_object();
}

pub(super) fn write_google(problem: &Problem, json: &mut Build) {
    let status = match problem.status {
        401 => "UNAUTHENTICATED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        500 => "INTERNAL",
        504 => "DEADLINE_EXCEEDED",
        501.. => "UNAVAILABLE",
        _ => "INVALID_ARGUMENT",
    };
    json.begin_object().key("error").begin_object().counted("code", u64::from(problem.status));
    json.texted("message", &problem.message).texted("status", status).end_object().end_object();
}

/// Cohere's; `id` is the call's own.
pub(super) fn write_cohere(problem: &Problem, id: &str, json: &mut Build) {
    json.begin_object().texted("id", id).texted("message", &problem.message).end_object();
}

/// Amazon's, as a whole answer and at the end of a stream.
pub(super) fn write_bedrock(problem: &Problem, json: &mut Build) {
    let kind = match problem.status {
        401 => "UnrecognizedClientException",
        402 => "ServiceQuotaExceededException",
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        409 => "ConflictException",
        429 => "ThrottlingException",
        500 => "InternalServerException",
        504 => "ModelTimeoutException",
        501.. => "ServiceUnavailableException",
        _ => "ValidationException",
    };
    json.begin_object().texted("__type", kind).texted("message", &problem.message).end_object();
}

/// What an error within a stream of Amazon's is called.
pub(super) const fn bedrock_exception(problem: &Problem) -> &'static str {
    match problem.status {
        402 | 429 => "throttlingException",
        502 => "modelStreamErrorException",
        500 => "internalServerException",
        501.. => "serviceUnavailableException",
        _ => "validationException",
    }
}

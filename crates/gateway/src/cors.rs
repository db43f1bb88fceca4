//! Which pages of browsers may read answers (CORS, in the Fetch standard). Nothing is said unless the operator names
//! origins. Keys come in headers, and a browser sends those of no other page: cookies are never asked for.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{Method, StatusCode};

use crate::answer::AnswerBody;
use crate::heads::RequestHead;
use crate::http1::Fields;
use crate::reply::Reply;

/// What stands for every origin.
const ANY: &str = "*";

/// What the browser behind a request is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cors<'a> {
    /// Nothing: the operator names no origin.
    Off,
    /// Only that answers differ by origin: this one may not read them.
    Foreign,
    /// That every page may read the answer.
    Any,
    /// That pages of this origin may read the answer.
    Of(&'a [u8]),
}

impl<'a> Cors<'a> {
    pub(crate) fn of(origins: &[String], head: &'a RequestHead) -> Cors<'a> {
        if origins.is_empty() {
            return Cors::Off;
        }
        if origins.iter().any(|origin| origin == ANY) {
            return Cors::Any;
        }
        let origin = head.headers.get(&ORIGIN);
        let named = origin.filter(|origin| origins.iter().any(|named| named.as_bytes() == *origin));
        named.map_or(Cors::Foreign, Cors::Of)
    }

    /// The answer to a browser that asks whether a page may send a request. It has no key yet, and says nothing of paths.
    pub(crate) fn preflight(self, head: &RequestHead) -> Option<Reply> {
        let is_preflight = head.method == Method::OPTIONS
            && head.headers.contains(&ORIGIN)
            && head.headers.contains(&ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight || matches!(self, Cors::Off | Cors::Foreign) {
            return None;
        }
        let mut reply = Reply::new(StatusCode::NO_CONTENT, AnswerBody::Whole(None));
        self.allow(&mut reply.fields);
        reply.fields.put_text(&ACCESS_CONTROL_ALLOW_METHODS, b"GET, POST, DELETE");
        // SDKs send a dozen of their own; what is not read here does no harm. A star would leave the key out.
        if let Some(headers) = head.headers.get(&ACCESS_CONTROL_REQUEST_HEADERS) {
            reply.fields.put_text(&ACCESS_CONTROL_ALLOW_HEADERS, headers);
        }
        // The longest that browsers remember it.
        reply.fields.put_number(&ACCESS_CONTROL_MAX_AGE, 7_200_u32);
        Some(reply)
    }

    /// Says so in the headers of an answer.
    pub(crate) fn allow(self, fields: &mut Fields) {
        let origin = match self {
            Cors::Off => return,
            Cors::Foreign => None,
            Cors::Any => Some(ANY.as_bytes()),
            Cors::Of(origin) => Some(origin),
        };
        if let Some(origin) = origin {
            fields.put_text(&ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            fields.put_text(&ACCESS_CONTROL_EXPOSE_HEADERS, ANY.as_bytes());
        }
        if self != Cors::Any {
            fields.put_text(&VARY, b"origin");
        }
    }
}

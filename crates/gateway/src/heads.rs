//! The heads of messages: of a client's request, of an upstream's answer, and of the request that goes there.

use http::header::CONTENT_ENCODING;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};
use smallvec::SmallVec;

use crate::body::OutgoingBody;
use crate::http1::{Fields, Lines};
use crate::upload::Rest;

/// What a client asks.
#[derive(Debug, Clone)]
pub struct RequestHead {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: Lines,
}

impl From<http::request::Parts> for RequestHead {
    fn from(parts: http::request::Parts) -> RequestHead {
        RequestHead { method: parts.method, uri: parts.uri, version: parts.version, headers: parts.headers.into() }
    }
}

/// How an upstream answers.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) headers: Lines,
}

impl ResponseHead {
    /// Whether the body is compressed, or otherwise not what it says: nothing of it can be read.
    pub(crate) fn is_encoded(&self) -> bool {
        let mut codings = self.headers.words(&CONTENT_ENCODING);
        codings.any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
    }
}

impl From<http::response::Parts> for ResponseHead {
    fn from(parts: http::response::Parts) -> ResponseHead {
        ResponseHead { status: parts.status, headers: parts.headers.into() }
    }
}

/// A request for an upstream.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    /// The path for HTTP/1.1, the whole for HTTP/2.
    pub(crate) uri: Uri,
    /// What may be printed, each name once.
    pub(crate) fields: Fields,
    /// What may not; no name of [`Outgoing::fields`].
    pub(crate) secrets: SmallVec<[(HeaderName, HeaderValue); 1]>,
    pub(crate) body: OutgoingBody,
}

impl Outgoing {
    pub(crate) fn new(method: Method, uri: Uri, body: OutgoingBody) -> Outgoing {
        Outgoing { method, uri, fields: Fields::with_room(), secrets: SmallVec::new(), body }
    }

    /// With the rest of a form behind its body.
    pub(crate) fn then(self, rest: Option<Rest>) -> Outgoing {
        Outgoing { body: self.body.then(rest), ..self }
    }

    /// The same for HTTP/2.
    pub(crate) fn into_http2(self) -> Request<OutgoingBody> {
        let mut request = Request::new(self.body.joined());
        (*request.method_mut(), *request.uri_mut()) = (self.method, self.uri);
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = self.fields.to_map();
        request.headers_mut().extend(self.secrets);
        request
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::header::{ACCEPT, AUTHORIZATION};

    use super::*;

    #[test]
    fn over_http2_a_small_body_is_in_one_piece() {
        let body = OutgoingBody::new([Bytes::from_static(b"a"), Bytes::from_static(b"b")]);
        let request = Outgoing::new(Method::POST, Uri::from_static("https://a/b"), body).into_http2();
        assert_eq!(request.body().pieces().collect::<Vec<_>>(), ["ab"]);
    }

    #[test]
    fn over_http2_a_secret_is_one_too() {
        let mut request = Outgoing::new(Method::POST, Uri::from_static("https://a/b"), OutgoingBody::default());
        request.fields.put_text(&ACCEPT, b"c");
        let mut secret = HeaderValue::from_static("canary");
        secret.set_sensitive(true);
        request.secrets.push((AUTHORIZATION, secret));
        let request = request.into_http2();
        assert_eq!((&request.headers()[ACCEPT], request.headers().len()), (&HeaderValue::from_static("c"), 2));
        assert_eq!(request.headers()[AUTHORIZATION], "canary");
        assert!(!format!("{request:?}").contains("canary"), "and is neither printed nor kept by compression");
    }
}

//! What the relay answers a client, whichever HTTP carries it.

use http::{Response, StatusCode};
use tokio::sync::oneshot;

use crate::answer::AnswerBody;
use crate::http1::Fields;
use crate::server::ClientStream;

/// An answer: its status, its headers but for those that say how it is carried, and its body.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) fields: Fields,
    pub(crate) body: AnswerBody,
    /// Whether the connection can carry nothing after it.
    pub(crate) closes: bool,
    /// Who gets the connection when the reply has been written, for one that changes its protocol.
    pub(crate) successor: Option<oneshot::Sender<ClientStream>>,
}

impl Reply {
    /// Without a header yet.
    pub(crate) fn new(status: StatusCode, body: AnswerBody) -> Reply {
        Reply { status, fields: Fields::with_room(), body, closes: false, successor: None }
    }

    /// As hyper takes it.
    pub(crate) fn into_response(self) -> Response<AnswerBody> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.fields.to_map();
        response
    }
}

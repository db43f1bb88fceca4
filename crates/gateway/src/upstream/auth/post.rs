//! One request to a token endpoint, on a connection of its own.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use catalog::Http2Mode;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, StatusCode, Uri};

use crate::body::OutgoingBody;
use crate::heads::Outgoing;
use crate::upstream::connect::{Dialled, Origin, dial};
use crate::upstream::http1::Http1;
use crate::upstream::pool::authority_of;
use crate::upstream::{ConnectError, Tls};

/// How long the whole may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where forms are posted to.
pub(super) struct Address {
    origin: Origin,
    path: Uri,
    authority: HeaderValue,
}

impl Address {
    /// Of a URL.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn of(url: &str) -> Result<Address, ConnectError> {
        let unusable = |_| ConnectError::Address("its token endpoint is not a URL");
        let uri: Uri = url.parse().map_err(unusable)?;
        // Every token endpoint speaks HTTP/1.1, and an hour's one request needs no more.
        let origin = Origin::of(&uri, Http2Mode::Never)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).parse().map_err(unusable)?;
        Ok(Address { authority: authority_of(&uri)?, origin, path })
    }
}

/// Posts a form.
///
/// # Errors
/// A sentence, without anything of the form.
pub(super) async fn post(address: &Address, tls: &Tls, form: &str) -> Result<(StatusCode, Bytes), String> {
    match tokio::time::timeout(PATIENCE, exchange(address, tls, form)).await {
        Ok(answered) => answered,
        Err(_) => Err("the token endpoint did not answer in time".into()),
    }
}

async fn exchange(address: &Address, tls: &Tls, form: &str) -> Result<(StatusCode, Bytes), String> {
    let failed = |reason: &dyn core::fmt::Display| format!("the token endpoint failed: {reason}");
    let dialled = dial(&address.origin, tls, PATIENCE).await.map_err(|error| failed(&error))?;
    let Dialled::Http1(mut connection) = dialled else { return Err("the token endpoint speaks no HTTP/1.1".into()) };
    let body = OutgoingBody::new([Bytes::copy_from_slice(form.as_bytes())]);
    let mut request = Outgoing::new(Method::POST, address.path.clone(), body);
    request.fields.put(&HOST, &address.authority);
    request.fields.put_text(&CONTENT_TYPE, b"application/x-www-form-urlencoded");
    request.fields.put_text(&ACCEPT, b"application/json");
    connection.send(request);
    read(&mut connection).await.map_err(|reason| failed(&reason))
}

async fn read(connection: &mut Http1) -> Result<(StatusCode, Bytes), String> {
    let head = core::future::poll_fn(|cx| connection.poll_head(cx)).await.map_err(|fault| fault.to_string())?;
    let mut body = BytesMut::new();
    while let Some(data) = core::future::poll_fn(|cx| connection.poll_data(cx)).await {
        body.extend_from_slice(&data.map_err(|fault| fault.to_string())?);
        if body.len() > ANSWER_BYTES_MAX {
            return Err("its answer is too long".into());
        }
    }
    Ok((head.status, body.freeze()))
}

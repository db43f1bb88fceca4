//! Looks at what an upstream keeps: how far a batch is, and the files that batches are made of and make.
//!
//! A look is a GET without a body, which no provider bills. It is the one thing that is asked of an upstream without a hold
//! for it: nobody may be there to pay, and nothing is to be paid.

use core::future::poll_fn;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::ACCEPT_ENCODING;
use http::{Method, StatusCode};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use wire::{Dialect, Endpoint};

use super::{ConnectError, Connection, Fault, Pool};
use crate::body::OutgoingBody;
use crate::forward::ANTHROPIC_VERSION;

/// Why there is nothing to see.
#[derive(Debug, Error)]
pub(crate) enum LookError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection broke: {0}")]
    Broken(Fault),
    #[error("no answer in time")]
    Timeout,
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("the answer is encoded, although it was asked not to be")]
    Encoded,
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// An answer that is being read.
pub(crate) struct Look {
    connection: Option<Connection>,
    idle: core::time::Duration,
}

impl Pool {
    /// Asks for what is at `path`, below the upstream's address.
    ///
    /// # Errors
    /// When it cannot be asked, does not answer in time, or answers with anything but success.
    pub(crate) async fn look(self: &Arc<Pool>, path: &str) -> Result<Look, LookError> {
        // A connection that the upstream had closed meanwhile: once more, on a new one.
        match Box::pin(self.look_once(path, false)).await {
            Err(LookError::Broken(_)) => Box::pin(self.look_once(path, true)).await,
            looked => looked,
        }
    }

    async fn look_once(self: &Arc<Pool>, path: &str, fresh: bool) -> Result<Look, LookError> {
        let timeouts = self.upstream().timeouts;
        let mut connection = self.checkout(fresh).await?;
        // Of the endpoint only the path matters, and that is given.
        let below = (Endpoint::BatchGet, Some(path));
        let mut request = self.request(Method::GET, below, connection.is_http2(), OutgoingBody::default());
        self.put(&mut request, &ACCEPT_ENCODING, b"identity");
        if self.upstream().dialect == Dialect::Anthropic {
            self.put(&mut request, &ANTHROPIC_VERSION, b"2023-06-01");
        }
        self.authorize(&mut request);
        connection.send(request);
        let deadline = Instant::now() + timeouts.first_byte;
        let head = timeout_at(deadline, poll_fn(|cx| connection.poll_head(cx))).await;
        let head = head.map_err(|_| LookError::Timeout)?.map_err(|error| LookError::Broken(error.source))?;
        if head.status != StatusCode::OK {
            return Err(LookError::Status(head.status));
        }
        if head.is_encoded() {
            return Err(LookError::Encoded);
        }
        Ok(Look { connection: Some(connection), idle: timeouts.idle })
    }
}

impl Look {
    /// The next bytes; `None` at the end of a whole answer.
    pub(crate) async fn data(&mut self) -> Result<Option<Bytes>, LookError> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let data = timeout_at(Instant::now() + self.idle, poll_fn(|cx| connection.poll_data(cx))).await;
        match data.map_err(|_| LookError::Timeout)? {
            Some(Ok(data)) => Ok(Some(data)),
            Some(Err(fault)) => Err(LookError::Broken(fault)),
            None => {
                if let Some(connection) = self.connection.take() {
                    connection.release();
                }
                Ok(None)
            }
        }
    }

    /// All of a small answer.
    pub(crate) async fn whole(mut self, bytes_max: usize) -> Result<Bytes, LookError> {
        let mut whole = BytesMut::new();
        while let Some(data) = self.data().await? {
            if whole.len() + data.len() > bytes_max {
                return Err(LookError::TooLarge(bytes_max));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }
}

//! Bodies with files in them: read as far as it takes to know what is asked, then passed on while they come.
//!
//! A form is held until its model is known and a file begins; from there on each piece is read, and goes upstream at once.
//! So a file of any size takes the memory of one piece. A form whose file stands before its model, that does not say its
//! length, or that has an `Idempotency-Key`, is held whole, within the limit of any other body.
//!
//! What is passed on can be sent once: such a call is not tried elsewhere. A form that breaks off, or turns out to be
//! another than it seemed, is never sent to its end, so that its provider has no request that it could bill.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::{Arc, Mutex};

use base::Refusal;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use thiserror::Error;
use tokio::time::Instant;
use wire::{Call, Form, Route};

use crate::answer::IdleDeadline;
use crate::authenticate::Caller;
use crate::bodies::Share;
use crate::client_body::ClientBody;
use crate::clock::within;
use crate::heads::RequestHead;
use crate::relay::Relay;
use crate::{idempotency, intake};

/// A body, as far as it had to come.
pub(crate) struct Arrived {
    /// What was read of it.
    body: Bytes,
    /// Its reader, where it is a form that was read whole.
    form: Option<Box<Form>>,
    /// Bytes of the whole body.
    bytes: u64,
    /// What is still to come.
    rest: Option<Rest>,
}

/// The rest of a form on its way to an upstream: there is one, so that it can be taken once.
pub struct Upload {
    rest: Mutex<Option<Rest>>,
}

/// The part of a form that comes while it is passed on.
pub(crate) struct Rest {
    body: ClientBody,
    form: Box<Form>,
    /// Bytes to come.
    left: u64,
    deadline: IdleDeadline,
    fate: Arc<Fate>,
}

/// What became of an upload, for those who have the rest no more.
pub(crate) struct Fate {
    /// How long it may take.
    patience: Duration,
    /// Why it was given up before its end.
    problem: Mutex<Option<Refusal>>,
}

/// The upload was given up; [`Fate`] says why.
#[derive(Debug, Error)]
#[error("the client's upload did not come whole")]
pub(crate) struct GivenUp;

/// Reads a body as far as it must come before the call can be planned.
///
/// # Errors
/// As for [`intake::body`], and those of [`Form`].
pub(crate) async fn arrive(
    relay: &Relay,
    caller: &Caller,
    route: &Route<'_>,
    head: &RequestHead,
    body: ClientBody,
) -> Result<Arrived, Refusal> {
    let content_type = head.headers.get(&CONTENT_TYPE);
    let is_json = content_type.is_some_and(|kind| kind.starts_with(b"application/json"));
    if !route.endpoint.is_form() || (route.endpoint.takes_json() && is_json) {
        let body = intake::body(relay, caller, head, body).await?;
        return Ok(Arrived { bytes: body.len() as u64, body, form: None, rest: None });
    }
    intake::check_encoding(head)?;
    let form = Form::new(route, content_type)?;
    let settings = &relay.settings;
    let length = body.size_hint().exact();
    // A form that is held whole is no larger than other bodies.
    let passes_on = length.is_some() && !idempotency::is_keyed(head);
    let bytes_max = if passes_on { settings.upload_bytes_max } else { settings.body_bytes_max };
    if body.size_hint().lower() > bytes_max {
        return Err(Refusal::RequestTooLarge { bytes_max });
    }
    let share = relay.bodies.enter(caller.path()[0].index, 0)?;
    let holding = Holding { form: Box::new(form), held: BytesMut::new(), share, bytes_max: settings.body_bytes_max };
    let deadline = || Instant::now() + settings.body_timeout;
    let reading = holding.read(body, if passes_on { length } else { None });
    let Ok(read) = within(Box::pin(reading), deadline).await else {
        return Err(Refusal::invalid(None, "The request body did not arrive in time. Send it again."));
    };
    let (holding, rest) = read?;
    let Holding { mut form, held, share, .. } = holding;
    let held_bytes = held.len() as u64;
    let body = share.hold(held.freeze());
    let Some(rest) = rest else {
        form.finish()?;
        return Ok(Arrived { body, form: Some(form), bytes: held_bytes, rest: None });
    };
    form.leave();
    let left = length.unwrap_or(held_bytes) - held_bytes;
    let deadline = IdleDeadline::new(settings.stall_timeout, settings.upload_timeout);
    let fate = Arc::new(Fate { patience: settings.upload_timeout, problem: Mutex::default() });
    let rest = Rest { body: rest, form, left, deadline, fate };
    Ok(Arrived { body, form: None, bytes: held_bytes + left, rest: Some(rest) })
}

/// A form that is being held.
struct Holding {
    form: Box<Form>,
    held: BytesMut,
    share: Share,
    bytes_max: u64,
}

impl Holding {
    /// Reads until the rest can be passed on, if it may (`length` is its length then), else to the end.
    async fn read(
        mut self,
        mut body: ClientBody,
        length: Option<u64>,
    ) -> Result<(Holding, Option<ClientBody>), Refusal> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::invalid(None, "The request body broke off. Send it again."))?;
            let Ok(data) = frame.into_data() else { continue };
            self.form.push(&data)?;
            self.held.extend_from_slice(&data);
            let held = self.held.len() as u64;
            if length.is_some_and(|length| held < length) && self.form.can_leave() {
                self.share.grow(held)?;
                return Ok((self, Some(body)));
            }
            if held > self.bytes_max {
                return Err(self.too_large(length.is_some()));
            }
            self.share.grow(held)?;
        }
        Ok((self, None))
    }

    fn too_large(&self, passes_on: bool) -> Refusal {
        let bytes_max = self.bytes_max;
        if passes_on {
            let sentence = format!("Put 'model' before the file: files above {bytes_max} bytes are not held for it.");
            return Refusal::invalid(Some("model"), sentence);
        }
        Refusal::RequestTooLarge { bytes_max }
    }
}

impl Arrived {
    /// Bytes of it that are in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.body.len()
    }

    /// What tells the call from another one.
    pub(crate) fn content(&self, head: &RequestHead) -> Bytes {
        match &self.form {
            // SDKs choose another boundary when they try again.
            Some(form) if idempotency::is_keyed(head) => form.content(&self.body).into(),
            _ => self.body.clone(),
        }
    }

    /// The call, and what of its body is still to come.
    ///
    /// # Errors
    /// As for [`intake::call`].
    pub(crate) fn call(
        self,
        caller: &Caller,
        route: &Route<'_>,
        head: &RequestHead,
    ) -> Result<(Call, Option<Upload>), Refusal> {
        let reader = self.form.as_ref().or(self.rest.as_ref().map(|rest| &rest.form));
        let mut call = match reader {
            None => wire::read(*route, head.headers.get(&CONTENT_TYPE), self.body)?,
            Some(form) => form.call(route, self.body, self.bytes)?,
        };
        intake::fill(caller, &mut call);
        Ok((call, self.rest.map(|rest| Upload { rest: Mutex::new(Some(rest)) })))
    }
}

impl Upload {
    /// The rest of the form, unless it was taken before.
    pub(crate) fn take(&self) -> Option<Rest> {
        self.rest.lock().expect("no panic while it is taken").take()
    }

    /// Whether it is on its way, or was.
    pub(crate) fn is_taken(&self) -> bool {
        self.rest.lock().expect("no panic while it is taken").is_none()
    }
}

impl Rest {
    /// Bytes to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    pub(crate) fn fate(&self) -> &Arc<Fate> {
        &self.fate
    }

    /// The next bytes. The last ones are not handed out before the form was found whole.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, GivenUp>>> {
        while self.left > 0 {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                ready!(self.deadline.poll_expired(cx));
                return self.give_up(Refusal::invalid(None, "The request body did not arrive in time. Send it again."));
            };
            let Some(Ok(frame)) = frame else {
                return self.give_up(Refusal::invalid(None, "The request body broke off. Send it again."));
            };
            let Ok(data) = frame.into_data() else { continue };
            if self.deadline.touch() {
                return self.give_up(Refusal::invalid(None, "The request body did not arrive in time. Send it again."));
            }
            self.left = self.left.saturating_sub(data.len() as u64);
            let mut read = self.form.push(&data);
            if self.left == 0 {
                read = read.and_then(|()| self.form.finish());
            }
            return match read {
                Ok(()) => Poll::Ready(Some(Ok(data))),
                Err(refusal) => self.give_up(refusal),
            };
        }
        Poll::Ready(None)
    }

    fn give_up(&mut self, refusal: Refusal) -> Poll<Option<Result<Bytes, GivenUp>>> {
        self.fate.problem.lock().expect("no panic while it is noted").get_or_insert(refusal);
        Poll::Ready(Some(Err(GivenUp)))
    }
}

impl core::fmt::Debug for Rest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Rest").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Fate {
    /// How long the upload may take.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Why it was given up before its end: its provider never had a whole request.
    pub(crate) fn problem(&self) -> Option<Refusal> {
        self.problem.lock().expect("no panic while it is noted").clone()
    }
}

//! What the client receives: a whole answer with its receipt in the headers, or a stream whose receipt comes at its end.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::sync::Arc;

use base::{AccountIndex, Refusal, RequestId, UpstreamFault};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, TRAILER};
use http::{HeaderMap, HeaderName, StatusCode};
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::time::Instant;
use wire::{COUNT_HEADERS, Dialect};

use crate::attempt::{Attempt, AttemptError};
use crate::bodies::{Bodies, SMALL_BYTES, Share};
use crate::clock::LazyTimer;
use crate::forward::Answer;
use crate::heads::ResponseHead;
use crate::hold::Receipt;
use crate::http1::Fields;
use crate::reply::Reply;
use crate::tasks::Running;
use crate::{headers, refuse};

/// Headers of an upstream that reach the client. The others speak of the operator's account there, not of the call.
const FORWARDED: [HeaderName; 9] = [
    CONTENT_TYPE,
    CACHE_CONTROL,
    RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("x-should-retry"),
    HeaderName::from_static("openai-processing-ms"),
    HeaderName::from_static("openai-version"),
    HeaderName::from_static("anthropic-version"),
    // The kind of an error, which Amazon's SDKs read nowhere else.
    HeaderName::from_static("x-amzn-errortype"),
];

/// A stream that has no word for a fault: its client sees that it is not whole.
#[derive(Debug, Error)]
#[error("the upstream broke off")]
pub(crate) struct BrokenOff;

/// The body of an answer to a client.
pub(crate) enum AnswerBody {
    /// Finished before its first byte went out.
    Whole(Option<Bytes>),
    /// Passing through.
    Stream(Box<MeteredStream>),
}

impl AnswerBody {
    pub(crate) fn whole(bytes: Bytes) -> AnswerBody {
        AnswerBody::Whole((!bytes.is_empty()).then_some(bytes))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            AnswerBody::Whole(bytes) => Poll::Ready(next_piece(bytes).map(|bytes| Ok(Frame::data(bytes)))),
            AnswerBody::Stream(stream) => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, AnswerBody::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            AnswerBody::Stream(_) => SizeHint::default(),
        }
    }
}

/// A whole answer is handed out in pieces of this size. What is handed out is copied into the connection's buffer, and no
/// longer counted.
const PIECE_BYTES: usize = 64 << 10;

fn next_piece(rest: &mut Option<Bytes>) -> Option<Bytes> {
    match rest {
        Some(bytes) if bytes.len() > PIECE_BYTES => Some(bytes.split_to(PIECE_BYTES)),
        _ => rest.take(),
    }
}

/// How a client wants to learn the cost of a stream, which is known only at its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceiptWishes {
    /// It said `TE: trailers`.
    pub(crate) trailers: bool,
    /// It said `Mandant-Receipt: sse`.
    pub(crate) comment: bool,
}

/// The headers of the upstream that may pass.
pub(crate) fn pass_headers(upstream: &ResponseHead, fields: &mut Fields) {
    for name in &FORWARDED {
        // Of a name that stands there twice, the first value.
        if let Some(value) = upstream.headers.get(name) {
            fields.put_value(name, value);
        }
    }
}

/// What Bedrock tells of an invoked model in headers, where some makers' clients read it: the tokens, and what is in the frames.
pub(crate) fn pass_counts(upstream: &ResponseHead, fields: &mut Fields) {
    for name in COUNT_HEADERS.into_iter().chain(["x-amzn-bedrock-content-type"]) {
        let name = HeaderName::from_static(name);
        if let Some(value) = upstream.headers.get(&name) {
            fields.put_value(&name, value);
        }
    }
}

/// What a client gets in the place of an encoded answer: of an error its status and headers, with words of ours.
///
/// # Errors
/// 502 for what is no error: it may have been billed, and nobody can say how much.
pub(crate) fn instead_of_encoded(mut answer: Answer, dialect: Dialect, id: RequestId) -> Result<Reply, Refusal> {
    tracing::warn!("an upstream encoded its answer although it was asked not to; it cannot be metered");
    answer.attempt.settle();
    answer.attempt.lose_answer();
    let refusal = Refusal::UpstreamError { reason: UpstreamFault::Encoded };
    let ResponseHead { status, mut headers } = answer.head;
    if !status.is_client_error() && !status.is_server_error() {
        return Err(refusal);
    }
    let mut reply = refuse::render(dialect, &refusal, id);
    reply.status = status;
    // The type of its own words.
    headers.remove(&CONTENT_TYPE);
    pass_headers(&ResponseHead { status, headers }, &mut reply.fields);
    Ok(reply)
}

/// Where a tenant's whole answers are counted.
#[derive(Clone, Copy)]
pub(crate) struct Room<'a> {
    pub(crate) answers: &'a Arc<Bodies>,
    pub(crate) tenant: AccountIndex,
}

/// Reads a whole answer, settles it, and returns its body and receipt.
///
/// # Errors
/// 502 and 504 when the upstream breaks off or sends more than is allowed; the attempt is settled by what is known.
/// 503 when its tenant's clients are so slow that too much of its answers is in memory.
pub(crate) async fn gather(
    mut answer: Answer,
    bytes_max: usize,
    room: Room<'_>,
) -> Result<(Bytes, Option<Receipt>), Refusal> {
    if answer.attempt.meter().is_encoded() {
        return Err(broken(answer.attempt, UpstreamFault::Encoded));
    }
    let mut share: Option<Share> = None;
    while let Some(data) = answer.attempt.data().await {
        let data = match data {
            Ok(data) => data,
            Err(AttemptError::Timeout) => {
                answer.attempt.settle();
                return Err(Refusal::UpstreamTimeout);
            }
            Err(_) => return Err(broken(answer.attempt, UpstreamFault::Broken)),
        };
        let gathered = answer.attempt.meter().gathered() + data.len();
        if gathered > bytes_max {
            return Err(broken(answer.attempt, UpstreamFault::TooLarge));
        }
        if gathered as u64 > SMALL_BYTES {
            let share = share.get_or_insert_with(|| room.answers.share(room.tenant));
            if let Err(refusal) = share.grow(gathered as u64) {
                answer.attempt.settle();
                return Err(refusal);
            }
        }
        if answer.attempt.push(data, &mut |_| {}).is_err() {
            return Err(broken(answer.attempt, UpstreamFault::Malformed));
        }
    }
    let receipt = answer.attempt.settle();
    let Ok(mut body) = answer.attempt.meter().whole() else {
        answer.attempt.lose_answer();
        return Err(Refusal::UpstreamError { reason: UpstreamFault::Malformed });
    };
    answer.attempt.release();
    // An error may echo the operator's credential; an answer cannot.
    if answer.head.status != StatusCode::OK
        && let Some(clean) = answer.pool.redact(&body)
    {
        body = clean.into();
    }
    // Counted until the client has taken it.
    let body = match share {
        Some(share) => share.hold(body),
        None => body,
    };
    Ok((body, receipt))
}

fn broken(mut attempt: Attempt, reason: UpstreamFault) -> Refusal {
    attempt.settle();
    Refusal::UpstreamError { reason }
}

/// A stream on its way to a client: read, metered, settled at its end, and never buffered beyond one incomplete event.
pub(crate) struct MeteredStream {
    /// Present until the upstream's last byte.
    attempt: Option<Attempt>,
    request_id: RequestId,
    wishes: ReceiptWishes,
    /// What to hand out before reading on.
    ready: VecDeque<Bytes>,
    receipt: Option<Receipt>,
    /// It breaks off behind what is ready.
    is_broken: bool,
    trailers_sent: bool,
    deadline: IdleDeadline,
    /// Keeps the stopping process waiting.
    _running: Running,
}

impl MeteredStream {
    pub(crate) fn new(
        mut answer: Answer,
        request_id: RequestId,
        wishes: ReceiptWishes,
        running: Running,
    ) -> MeteredStream {
        let timeouts = answer.attempt.timeouts();
        let wishes = ReceiptWishes { comment: wishes.comment && answer.attempt.meter().takes_comments(), ..wishes };
        MeteredStream {
            deadline: IdleDeadline::new(timeouts.idle, timeouts.total),
            attempt: Some(answer.attempt),
            request_id,
            wishes,
            ready: VecDeque::new(),
            receipt: None,
            is_broken: false,
            trailers_sent: false,
            _running: running,
        }
    }

    /// Names the trailers to come, for a client that wants them.
    pub(crate) fn announce(fields: &mut Fields, wishes: ReceiptWishes) {
        if wishes.trailers {
            let names = b"mandant-cost-usd, mandant-hold-usd, mandant-price-version, mandant-budget-remaining-usd";
            fields.put_text(&TRAILER, names);
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if core::mem::take(&mut self.is_broken) {
                return Poll::Ready(Some(Err(BrokenOff)));
            }
            let Some(attempt) = &mut self.attempt else {
                return Poll::Ready(self.trailers().map(|trailers| Ok(Frame::trailers(trailers))));
            };
            match attempt.poll_data(cx) {
                // A slow reader never finds nothing to read, and has no more time than others.
                Poll::Ready(Some(Ok(_))) if self.deadline.touch() => self.time_out(),
                Poll::Ready(Some(Ok(data))) => self.pass(data),
                Poll::Ready(Some(Err(_))) => self.end(Some(UpstreamFault::Broken)),
                Poll::Ready(None) => self.end(None),
                Poll::Pending => {
                    core::task::ready!(self.deadline.poll_expired(cx));
                    self.time_out();
                }
            }
        }
    }

    /// Lets bytes through the meter. When the last event is among them, the attempt is settled before they go out.
    fn pass(&mut self, data: Bytes) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        let ready = &mut self.ready;
        if attempt.push(data, &mut |bytes| ready.push_back(bytes)).is_err() {
            return self.end(Some(UpstreamFault::Malformed));
        }
        if self.receipt.is_none() && attempt.meter().is_terminal() {
            self.receipt = attempt.settle();
        }
    }

    /// The upstream's side is over, well or not; a broken stream is reported as broken.
    fn end(&mut self, fault: Option<UpstreamFault>) {
        let Some(mut attempt) = self.attempt.take() else {
            return;
        };
        let ready = &mut self.ready;
        let whole = attempt.finish(&mut |bytes| ready.push_back(bytes));
        if self.receipt.is_none() {
            self.receipt = attempt.settle();
        }
        let fault = fault.or((!whole).then_some(UpstreamFault::Broken));
        if let Some(reason) = fault {
            self.fail(attempt, &Refusal::UpstreamError { reason });
        } else {
            attempt.release();
        }
        self.comment();
    }

    fn time_out(&mut self) {
        let Some(mut attempt) = self.attempt.take() else {
            return;
        };
        self.receipt = self.receipt.take().or(attempt.settle());
        self.fail(attempt, &Refusal::UpstreamTimeout);
        self.comment();
    }

    /// Tells the client that the stream is not whole, in its dialect or by not ending it.
    fn fail(&mut self, mut attempt: Attempt, refusal: &Refusal) {
        if attempt.meter().takes_errors() {
            self.ready.push_back(attempt.meter().stream_error(refusal, self.request_id));
        } else {
            self.is_broken = true;
        }
        attempt.lose_answer();
    }

    /// The receipt as a comment line of the event stream, which parsers skip.
    fn comment(&mut self) {
        if let (true, Some(receipt)) = (self.wishes.comment, &self.receipt) {
            let [cost, hold] = [receipt.charged, receipt.held].map(|usd| usd.to_string());
            let line = receipt_comment(&cost, &hold, &receipt.price_version.to_string());
            self.ready.push_back(line.into());
        }
    }

    fn trailers(&mut self) -> Option<HeaderMap> {
        if self.trailers_sent || !self.wishes.trailers {
            return None;
        }
        self.trailers_sent = true;
        let mut trailers = Fields::default();
        headers::receipt(&mut trailers, self.receipt.as_ref()?);
        Some(trailers.to_map())
    }
}

/// The line by which a stream says what it cost.
pub(crate) fn receipt_comment(cost: &str, hold: &str, price_version: &str) -> String {
    format!(
        ": mandant-receipt {{\"cost_usd\":\"{cost}\",\"hold_usd\":\"{hold}\",\"price_version\":{price_version}}}\n\n"
    )
}

/// Expires when nothing came for `idle`, or at the latest after `total`.
pub(crate) struct IdleDeadline {
    idle: core::time::Duration,
    latest: Instant,
    active: Instant,
    timer: LazyTimer,
}

impl IdleDeadline {
    pub(crate) fn new(idle: core::time::Duration, total: core::time::Duration) -> IdleDeadline {
        let now = Instant::now();
        IdleDeadline { idle, latest: now + total, active: now, timer: LazyTimer::default() }
    }

    /// Something came; says whether that was too late.
    pub(crate) fn touch(&mut self) -> bool {
        self.active = Instant::now();
        self.active >= self.latest
    }

    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.poll_past(self.latest.min(self.active + self.idle), cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_header_that_stands_there_twice_the_first_passes_and_others_stay() {
        let response = http::Response::builder().header("content-type", "a").header("set-cookie", "secret");
        let (head, ()) = response.header("content-type", "b").body(()).unwrap().into_parts();
        let mut fields = Fields::default();
        pass_headers(&head.into(), &mut fields);
        assert_eq!(fields.lines(), b"content-type: a\r\n");
    }
}

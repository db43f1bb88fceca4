//! Why a session ends, and what its client is told.

use base::{Refusal, UpstreamFault};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// See the module's description.
#[derive(Debug)]
pub(super) enum End {
    /// The client left.
    Client,
    /// The client broke the protocol.
    Protocol(CloseCode, &'static str),
    /// Something that the client asks for is not to be had.
    Refused(Refusal),
    /// The provider closed the session.
    Provider(Option<CloseFrame>),
    /// The connection to the provider broke, or it said what is no event.
    Broken,
    /// The provider owes an event of a response.
    Silent,
    /// Nothing was said for long.
    Idle,
    /// The session is as old as it may become.
    Old,
    /// The process stops.
    Stopping,
}

impl End {
    /// What a failure to read from the client means.
    pub(super) fn of_client(error: &Error, bytes_max: usize) -> End {
        match error {
            Error::Capacity(_) => End::Refused(Refusal::RequestTooLarge { bytes_max: bytes_max as u64 }),
            Error::Utf8(_) => End::Protocol(CloseCode::Invalid, "a text is not UTF-8"),
            Error::Protocol(_) => End::Protocol(CloseCode::Protocol, "this is not WebSocket"),
            _ => End::Client,
        }
    }

    /// The refusal that an error event tells.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self {
            End::Refused(refusal) => Some(refusal.clone()),
            End::Broken => Some(Refusal::UpstreamError { reason: UpstreamFault::Broken }),
            End::Silent => Some(Refusal::UpstreamTimeout),
            _ => None,
        }
    }

    /// Whether what is paid for may still be delivered first.
    pub(super) fn may_wait(&self) -> bool {
        matches!(self, End::Refused(_) | End::Stopping | End::Old)
    }

    /// How the connection of the client is closed; `None` where it is gone.
    pub(super) fn close(&self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            End::Client => (CloseCode::Normal, ""),
            End::Protocol(code, reason) => (*code, *reason),
            End::Refused(refusal) => (code_of(refusal), refusal.code()),
            End::Provider(None) => (CloseCode::Normal, ""),
            End::Provider(Some(frame)) if frame.code.is_allowed() => return Some(frame.clone()),
            End::Provider(Some(_)) | End::Broken => (CloseCode::Error, "upstream_error"),
            End::Silent => (CloseCode::Error, "upstream_timeout"),
            End::Idle => (CloseCode::Away, "nothing was said for too long"),
            End::Old => (CloseCode::Away, "the session is as old as it may become"),
            End::Stopping => (CloseCode::Restart, "the relay stops"),
        };
        Some(CloseFrame { code, reason: reason.into() })
    }
}

/// The code that says what to do: not again, again later, or smaller.
fn code_of(refusal: &Refusal) -> CloseCode {
    match refusal {
        Refusal::RequestTooLarge { .. } => CloseCode::Size,
        Refusal::RateLimited { .. } | Refusal::Overloaded { .. } => CloseCode::Again,
        Refusal::Internal => CloseCode::Error,
        refusal if refusal.status() >= 500 => CloseCode::Error,
        Refusal::InvalidRequest { .. } => CloseCode::Unsupported,
        _ => CloseCode::Policy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_code_that_may_be_sent() {
        let refusals = wire::render::examples().into_iter().map(End::Refused);
        let others = [
            End::Client,
            End::Provider(None),
            End::Provider(Some(CloseFrame { code: CloseCode::Abnormal, reason: "".into() })),
            End::Broken,
            End::Silent,
            End::Idle,
            End::Old,
            End::Stopping,
        ];
        for end in refusals.chain(others) {
            let close = end.close().expect("it is closed");
            assert!(close.code.is_allowed(), "{end:?}: {close:?}");
            assert!(close.reason.len() <= 123, "{end:?}");
        }
    }

    #[test]
    fn money_ends_a_session_for_good_and_limits_for_now() {
        let overloaded = Refusal::Overloaded { retry_after: core::time::Duration::from_secs(1) };
        assert_eq!(code_of(&overloaded), CloseCode::Again);
        assert_eq!(code_of(&Refusal::KeyRevoked), CloseCode::Policy);
        assert_eq!(code_of(&Refusal::RequestTooLarge { bytes_max: 1 }), CloseCode::Size);
    }
}

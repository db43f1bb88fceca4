//! Where the time of one call went, in the stages of the pipeline.

use core::time::Duration;

use base::Moment;

use crate::thousandths;

/// The moments at which the stages of one call ended, in the order of the pipeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace {
    started: Moment,
    authenticated: Option<Moment>,
    body_read: Option<Moment>,
    admitted: Option<Moment>,
    /// How much of the admission was waiting for its turn.
    queued: Duration,
    reserved: Option<Moment>,
    answered: Option<Moment>,
}

impl Trace {
    pub(crate) fn new(started: Moment) -> Trace {
        let queued = Duration::ZERO;
        Trace { started, authenticated: None, body_read: None, admitted: None, queued, reserved: None, answered: None }
    }

    pub(crate) fn since_start(&self, now: Moment) -> Duration {
        now.saturating_since(self.started)
    }

    pub(crate) fn authenticated(&mut self, now: Moment) {
        self.authenticated = Some(now);
    }

    pub(crate) fn body_read(&mut self, now: Moment) {
        self.body_read = Some(now);
    }

    /// Admitted, after waiting for its turn for so long.
    pub(crate) fn admitted(&mut self, now: Moment, queued: Duration) {
        self.admitted = Some(now);
        self.queued = queued;
    }

    pub(crate) fn reserved(&mut self, now: Moment) {
        self.reserved = Some(now);
    }

    /// The upstream's head has come.
    pub(crate) fn answered(&mut self, now: Moment) {
        self.answered = Some(now);
    }

    /// Appends the value of the `Server-Timing` header: milliseconds per stage, and what Mandant itself added ("overhead").
    ///
    /// The client's own slowness in sending its body is in none of them.
    pub(crate) fn write_server_timing(&self, now: Moment, line: &mut Vec<u8>) {
        let start = line.len();
        let mut overhead = Duration::ZERO;
        let mut stage = |label: &str, from: Option<Moment>, to: Option<Moment>| {
            let span = to.zip(from).map_or(Duration::ZERO, |(to, from)| to.saturating_since(from));
            if to.is_some() && from.is_some() {
                write_stage(line, start, label, span);
            }
            span
        };
        overhead += stage(", auth;dur=", Some(self.started), self.authenticated);
        // The wait for its turn is told apart.
        let turn = self.admitted.map(|at| Moment::from_nanos(at.nanos().saturating_sub(self.queued.as_nanos() as u64)));
        overhead += stage(", admit;dur=", self.body_read, turn);
        stage(", queue;dur=", turn, self.admitted);
        overhead += stage(", reserve;dur=", self.admitted, self.reserved);
        stage(", upstream;dur=", self.reserved, self.answered);
        if let Some(answered) = self.answered {
            overhead += now.saturating_since(answered);
        }
        write_stage(line, start, ", overhead;dur=", overhead);
    }
}

/// `label` begins with a separator of two characters, which the stage at `start` does without: one piece is cheaper to write
/// than three.
fn write_stage(line: &mut Vec<u8>, start: usize, label: &str, span: Duration) {
    let skipped = if line.len() == start { 2 } else { 0 };
    line.extend_from_slice(&label.as_bytes()[skipped..]);
    thousandths::push(line, u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overhead_is_our_own_time_only() {
        let at = |millis: u64| Moment::from_nanos(millis * 1_000_000);
        let mut trace = Trace::new(at(0));
        trace.authenticated(at(1));
        trace.body_read(at(500));
        trace.admitted(at(602), Duration::from_millis(100));
        trace.reserved(at(603));
        trace.answered(at(1_003));
        let expected = "auth;dur=1.000, admit;dur=2.000, queue;dur=100.000, reserve;dur=1.000, upstream;dur=400.000, overhead;dur=8.000";
        let written = |trace: Trace, now| {
            let mut line = b"server-timing: ".to_vec();
            trace.write_server_timing(now, &mut line);
            String::from_utf8(line).expect("text")
        };
        assert_eq!(written(trace, at(1_007)), format!("server-timing: {expected}"));
        assert_eq!(
            written(Trace::new(at(0)), at(1)),
            "server-timing: overhead;dur=0.000",
            "one that was refused at once"
        );
    }
}

//! The proof that a call is within every window of its account path, and has its place at an upstream.

use core::time::Duration;
use std::sync::Arc;

use base::{LimitedCalls, Moment, Part, Refusal, Scope};
use catalog::Plan;
use wire::Call;

use crate::authenticate::{Caller, Path};
use crate::books::Asked;
use crate::queue::{self, Standing};
use crate::relay::Relay;

/// A call that is within every window, and whose turn it is. Dropped, it gives back what it took.
pub(crate) struct Admitted {
    relay: Arc<Relay>,
    caller: Caller,
    /// Taken out when the hold takes over.
    pass: Option<admit::Pass>,
    /// Its place at an upstream, once it has one.
    standing: Option<Standing>,
    pub(crate) tightest: admit::Tightest,
}

/// Checks all windows of all levels, and takes them all or none; then waits for its turn at an upstream. A client that
/// hangs up meanwhile has taken nothing.
///
/// # Errors
/// 429 that names the window; 503 when the turn does not come in time, or as many of the tenant wait as may.
pub(crate) async fn admit(
    relay: &Arc<Relay>,
    caller: Caller,
    plan: &Plan,
    call: &Call,
    bytes: usize,
    now: Moment,
) -> Result<Box<Admitted>, Refusal> {
    let asked = Asked::of(caller.path(), plan, call);
    let (pass, tightest) = match relay.books.admit(&asked, now) {
        Ok(admitted) => admitted,
        Err(breach) => return Err(rate_limited(&asked, &breach)),
    };
    // It goes from hand to hand, so that it lies on the heap.
    let mut admitted = Box::new(Admitted { relay: relay.clone(), caller, pass: Some(pass), standing: None, tightest });
    admitted.standing = Some(queue::enter(relay, &admitted.caller, plan, bytes as u64).await?);
    Ok(admitted)
}

/// What a client is told when a window is full.
pub(crate) fn rate_limited(asked: &Asked<'_>, breach: &admit::Breach) -> Refusal {
    Refusal::RateLimited {
        scope: scope(asked.path, breach.account),
        of: match breach.part {
            Part::Whole => LimitedCalls::All,
            Part::Model => LimitedCalls::OfModel(asked.model.clone()),
            Part::EndUser => LimitedCalls::OfEndUser,
        },
        window: breach.window,
        limit: breach.limit,
        retry_after: breach.retry_after,
        is_block: breach.is_block,
    }
}

/// The account of `path` at `index`, as a refusal names it.
pub(crate) fn scope(path: &Path, index: base::AccountIndex) -> Scope {
    let account = path.iter().find(|account| account.index == index).unwrap_or(&path[0]);
    Scope { level: account.level, name: account.name.to_string() }
}

impl Admitted {
    pub(crate) fn relay(&self) -> &Arc<Relay> {
        &self.relay
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// How long it waited for its turn.
    pub(crate) fn waited(&self) -> Duration {
        self.standing.as_ref().map_or(Duration::ZERO, Standing::waited)
    }

    /// Its place at an upstream.
    pub(crate) fn standing(&mut self) -> &mut Standing {
        self.standing.as_mut().expect("an admitted call has its place until the hold takes it")
    }

    /// Hands the place in the windows and at the upstream over to the hold.
    pub(crate) fn into_parts(mut self) -> (Arc<Relay>, Caller, admit::Pass, Standing) {
        let taken = self.pass.take().zip(self.standing.take());
        let (pass, standing) = taken.expect("an admitted call has its places until the hold takes them");
        (self.relay.clone(), self.caller.clone(), pass, standing)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            let now = self.relay.clock.moment();
            let mut shard = self.relay.books.shard(self.caller.path()[0].index);
            shard.admission.cancel(pass, now);
        }
    }
}

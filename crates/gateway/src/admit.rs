//! The proof that a call is within every window of its account path, and has its place among the calls under way.

use std::sync::Arc;

use base::{Moment, Refusal, Scope};
use catalog::Plan;

use crate::authenticate::{Caller, Path};
use crate::relay::Relay;

/// A call that is within every window. Dropped, it gives back what it took.
pub(crate) struct Admitted {
    relay: Arc<Relay>,
    caller: Caller,
    /// Taken out when the hold takes over.
    pass: Option<admit::Pass>,
    pub(crate) tightest: admit::Tightest,
}

/// Checks all windows of all levels, and takes them all or none.
///
/// # Errors
/// 429 that names the window; 503 never, until there is a queue.
pub(crate) fn admit(relay: &Arc<Relay>, caller: Caller, plan: &Plan, now: Moment) -> Result<Admitted, Refusal> {
    let tokens = plan.quote().tokens();
    match relay.books.admit(caller.path(), tokens, now) {
        Ok((pass, tightest)) => Ok(Admitted { relay: relay.clone(), caller, pass: Some(pass), tightest }),
        Err(breach) => Err(rate_limited(caller.path(), &breach)),
    }
}

/// What a client is told when a window is full.
pub(crate) fn rate_limited(path: &Path, breach: &admit::Breach) -> Refusal {
    Refusal::RateLimited {
        scope: scope(path, breach.account),
        window: breach.window,
        limit: breach.limit,
        retry_after: breach.retry_after,
    }
}

/// The account of `path` at `index`, as a refusal names it.
pub(crate) fn scope(path: &Path, index: base::AccountIndex) -> Scope {
    let account = path.iter().find(|account| account.index == index).unwrap_or(&path[0]);
    Scope { level: account.level, name: account.name.clone() }
}

impl Admitted {
    pub(crate) fn relay(&self) -> &Arc<Relay> {
        &self.relay
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Hands the place in the windows over to the hold.
    pub(crate) fn into_pass(mut self) -> (Arc<Relay>, Caller, admit::Pass) {
        let pass = self.pass.take().expect("an admitted call has its pass until the hold takes it");
        (self.relay.clone(), self.caller.clone(), pass)
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

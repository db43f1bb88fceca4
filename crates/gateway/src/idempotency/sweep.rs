//! Forgets keys that have expired, in the background and in small steps.

use core::time::Duration;
use std::sync::Weak;

use crate::relay::Relay;

/// How often expired keys are looked for.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// Rows that one transaction deletes: the applier waits for it.
const ROWS_PER_STEP: usize = 500;
/// Between two of these.
const STEP_INTERVAL: Duration = Duration::from_millis(50);

/// Forgets expired keys until the relay is gone.
pub(crate) async fn forget_expired(relay: Weak<Relay>) {
    loop {
        let Some(relay) = relay.upgrade() else { return };
        let interval = LOOK_INTERVAL.min(relay.settings.idempotency_keep);
        let index = &relay.keys.shared.index;
        index.sweep(relay.clock.now());
        let before = index.expired_before(relay.clock.now());
        let mut full_step = true;
        while full_step {
            let store = relay.store.clone();
            let step = tokio::task::spawn_blocking(move || store.forget_keys(before, ROWS_PER_STEP));
            match step.await {
                Ok(Ok(rows)) => full_step = rows == ROWS_PER_STEP,
                Ok(Err(error)) => {
                    tracing::error!(%error, "expired idempotency keys stay until the next look");
                    full_step = false;
                }
                Err(_) => return,
            }
            if full_step {
                tokio::time::sleep(STEP_INTERVAL).await;
            }
        }
        drop(relay);
        tokio::time::sleep(interval).await;
    }
}

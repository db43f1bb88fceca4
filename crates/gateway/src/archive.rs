//! Moves calls that are old from the database to the archive, in the background and in small steps.

use core::time::Duration;
use std::sync::Weak;

use base::Timestamp;

use crate::relay::Relay;

/// How often old calls are looked for.
const LOOK_INTERVAL: Duration = Duration::from_secs(600);
/// Rows that one step moves: the applier waits for its last part.
const ROWS_PER_STEP: usize = 2_000;
/// Between two of these.
const STEP_INTERVAL: Duration = Duration::from_millis(50);

/// Moves old calls until the relay is gone. Between two looks, and between two steps of one, it holds nothing of it.
pub(crate) async fn move_old_calls(relay: Weak<Relay>) {
    loop {
        // Not at once: a start has enough to do.
        tokio::time::sleep(LOOK_INTERVAL).await;
        let mut from = Some(i64::MIN);
        while let Some(begin) = from {
            let Some((store, before)) = relay.upgrade().map(|relay| (relay.store.clone(), oldest_kept(&relay))) else {
                return;
            };
            let step = tokio::task::spawn_blocking(move || store.archive_calls(before, begin, ROWS_PER_STEP));
            from = match step.await {
                Ok(Ok(next)) => next,
                Ok(Err(error)) => {
                    tracing::error!(%error, "old calls stay in the database until the next look");
                    None
                }
                Err(_) => return,
            };
            tokio::time::sleep(STEP_INTERVAL).await;
        }
    }
}

fn oldest_kept(relay: &Relay) -> Timestamp {
    let kept = i64::try_from(relay.settings.calls_kept.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(relay.clock.now().micros().saturating_sub(kept))
}

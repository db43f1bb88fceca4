//! Moves calls that are old from the database to the archive, in the background and in small steps.

use core::time::Duration;
use std::sync::Weak;

use base::Timestamp;

use crate::relay::Relay;

/// How often old calls are looked for.
const LOOK_INTERVAL: Duration = Duration::from_secs(3_600);
/// Rows that one step moves: the applier waits for its last part.
const ROWS_PER_STEP: usize = 2_000;
/// Between two of these.
const STEP_INTERVAL: Duration = Duration::from_millis(50);

/// Moves old calls until the relay is gone.
pub(crate) async fn move_old_calls(relay: Weak<Relay>) {
    loop {
        let Some(relay) = relay.upgrade() else { return };
        let kept = i64::try_from(relay.settings.calls_kept.as_micros()).unwrap_or(i64::MAX);
        let before = Timestamp::from_micros(relay.clock.now().micros().saturating_sub(kept));
        let mut from = Some(i64::MIN);
        while let Some(begin) = from {
            let store = relay.store.clone();
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
        let interval = LOOK_INTERVAL.min(relay.settings.calls_kept);
        drop(relay);
        tokio::time::sleep(interval).await;
    }
}

//! One account, or a part of its calls: its windows, and the few things that hardly any has beside them.

use core::time::Duration;

use base::{Limits, Moment};

use crate::meters::{Meters, Said};
use crate::more::{More, Shadow};
use crate::status::{Obstacle, WindowStatus};

/// See the head of the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(crate) meters: Meters,
    /// What few have.
    pub(crate) more: Option<Box<More>>,
}

impl Account {
    /// As for [`Meters::configure`].
    pub(crate) fn configure(&mut self, limits: &Limits, created: u32) -> bool {
        if limits.block_for.is_some() || self.more.is_some() {
            self.more.get_or_insert_default().set_block_for(limits.block_for);
        }
        self.meters.configure(limits, created)
    }

    /// As for [`Meters::fits`]; nothing fits while everything is refused.
    #[inline]
    pub(crate) fn fits(&mut self, tokens: u64, slots: u8, now: Moment) -> bool {
        self.meters.fits(tokens, slots, now) && !self.is_blocked(now)
    }

    /// Whether everything is refused.
    #[inline]
    pub(crate) fn is_blocked(&self, now: Moment) -> bool {
        self.more.as_ref().is_some_and(|more| more.block(now).is_some())
    }

    /// The gravest of the limits that stand in the way, if any.
    pub(crate) fn obstacle(&self, tokens: u64, slots: u8, now: Moment) -> Option<Obstacle> {
        let more = self.more.as_ref();
        let block = more.and_then(|more| more.block(now));
        // One that is in force is not prolonged.
        let begins = more.and_then(|more| more.block_for()).filter(|_| block.is_none());
        let window = self.meters.full_window(tokens, now).map(|full| match begins {
            // This refusal begins a block.
            Some(span) if !full.is_never && span > full.retry_after => {
                Obstacle { retry_after: span, is_block: true, begins_block: true, ..full }
            }
            _ => full,
        });
        block.into_iter().chain(window).chain(self.meters.full_slots(slots)).reduce(Obstacle::graver)
    }

    /// After a refusal: begins a block where a window stood in the way of what waiting would have admitted.
    pub(crate) fn begin_block(&mut self, tokens: u64, now: Moment) {
        let Some(more) = self.more.as_mut().filter(|more| more.block_for().is_some()) else { return };
        if let Some(cause) = self.meters.full_window(tokens, now).filter(|cause| !cause.is_never) {
            more.begin_block(&cause, now);
        }
    }

    /// As for [`Meters::restore`]; what is only watched is restored as well.
    pub(crate) fn restore(&mut self, requests: u64, tokens: u64, taken: Moment, now: Moment) {
        self.meters.restore(requests, tokens, taken, now);
        if let Some(shadow) = self.shadow_mut() {
            shadow.meters.restore(requests, tokens, taken, now);
        }
    }

    /// As for [`Meters::is_idle`].
    pub(crate) fn is_idle(&self, now: Moment) -> bool {
        self.meters.is_idle(now) && self.more.as_ref().is_none_or(|more| more.is_idle(now))
    }

    /// How long everything is refused yet.
    pub(crate) fn blocked(&self, now: Moment) -> Duration {
        self.more.as_ref().and_then(|more| more.block(now)).map_or(Duration::ZERO, |block| block.retry_after)
    }

    pub(crate) fn shadow(&self) -> Option<&Shadow> {
        self.more.as_ref().and_then(|more| more.shadow.as_deref())
    }

    #[inline]
    pub(crate) fn shadow_mut(&mut self) -> Option<&mut Shadow> {
        self.more.as_mut().and_then(|more| more.shadow.as_deref_mut())
    }

    /// As for [`Meters::statuses`].
    pub(crate) fn statuses(&self, now: Moment) -> impl Iterator<Item = WindowStatus> {
        self.meters.statuses(self.blocked(now), now)
    }

    /// As for [`Meters::said`].
    pub(crate) fn said(&self, tokens: u64, now: Moment) -> Vec<Said> {
        self.meters.said(tokens, self.blocked(now), now)
    }

    /// As for [`Meters::tightest`].
    pub(crate) fn tightest(&self, now: Moment) -> [Option<(u64, usize)>; 2] {
        self.meters.tightest(!self.blocked(now).is_zero(), now)
    }

    /// As for [`Meters::status_at`].
    pub(crate) fn status_at(&self, place: usize, now: Moment) -> WindowStatus {
        self.meters.status_at(place, self.blocked(now), now)
    }
}

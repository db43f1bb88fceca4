//! What few accounts have beside their windows: a block after a refusal, limits that are only watched, and windows for
//! single models and end users.

use core::time::Duration;

use base::{Limits, ModelId, Moment, Window};

use crate::counts::Counts;
use crate::end_users::EndUsers;
use crate::meters::Meters;
use crate::status::Obstacle;

/// See the head of the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct More {
    block_for: Option<Duration>,
    block: Option<Block>,
    pub(crate) shadow: Option<Box<Shadow>>,
    /// Models that have, or had, limits of their own: where their windows are. In order of their names.
    pub(crate) models: Vec<(ModelId, u32)>,
    pub(crate) end_users: Option<Box<EndUsers>>,
}

/// Everything is refused until then, because of this limit.
#[derive(Debug, Clone, Copy)]
struct Block {
    until: Moment,
    window: Window,
    limit: u64,
}

/// Limits that are evaluated and never enforced.
#[derive(Debug, Clone)]
pub(crate) struct Shadow {
    /// Their windows, which have what they themselves would have admitted.
    pub(crate) meters: Meters,
    pub(crate) refused: Counts,
    /// The mark of the configuration that created it: a pass that is older took nothing here.
    pub(crate) created: u32,
}

impl More {
    pub(crate) fn set_block_for(&mut self, span: Option<Duration>) {
        self.block_for = span.filter(|span| !span.is_zero());
        if self.block_for.is_none() {
            self.block = None;
        }
    }

    pub(crate) const fn block_for(&self) -> Option<Duration> {
        self.block_for
    }

    /// A block that is in force is not prolonged: who was told when it ends was told the truth.
    pub(crate) fn begin_block(&mut self, cause: &Obstacle, now: Moment) {
        if let (Some(span), None) = (self.block_for, self.block(now)) {
            self.block = Some(Block { until: now.saturating_add(span), window: cause.window, limit: cause.limit });
        }
    }

    /// The block in force.
    pub(crate) fn block(&self, now: Moment) -> Option<Obstacle> {
        let block = self.block.filter(|block| block.until > now)?;
        Some(Obstacle {
            window: block.window,
            limit: block.limit,
            retry_after: block.until.saturating_since(now),
            is_never: false,
            is_block: true,
            begins_block: false,
        })
    }

    /// Takes new limits to watch; true when some are new.
    pub(crate) fn watch(&mut self, limits: Option<&Limits>, created: u32) -> bool {
        let Some(limits) = limits else {
            self.shadow = None;
            return false;
        };
        let is_new = self.shadow.is_none();
        let shadow = self
            .shadow
            .get_or_insert_with(|| Box::new(Shadow { meters: Meters::default(), refused: Counts::default(), created }));
        shadow.meters.configure(limits, created) | is_new
    }

    /// Where the windows of a model are, if it has any.
    pub(crate) fn model(&self, model: &str) -> Option<u32> {
        let found = self.models.binary_search_by(|(known, _)| known.as_str().cmp(model));
        found.ok().map(|place| self.models[place].1)
    }

    pub(crate) fn is_idle(&self, now: Moment) -> bool {
        self.block(now).is_none() && self.shadow.as_ref().is_none_or(|shadow| shadow.meters.is_idle(now))
    }
}

//! What all windows of one account say, for people.

use core::time::Duration;

use base::{AccountIndex, Moment, Part, Window};

use crate::account::Account;
use crate::counts::Counts;
use crate::status::{AccountReport, AskedLimit, ModelStatus, ShadowStatus};
use crate::{Admission, Ask};

impl Admission {
    /// Everything about one account.
    #[must_use]
    pub fn report(&self, account: AccountIndex, now: Moment) -> AccountReport {
        let now = self.time(now);
        let account = self.account(account);
        let mut report = AccountReport {
            windows: account.statuses(now).collect(),
            blocked: blocked(account, now),
            ..AccountReport::default()
        };
        let Some(more) = &account.more else { return report };
        shadows(account, Part::Whole, None, now, &mut report.shadows);
        for (model, place) in &more.models {
            let part = &self.accounts[*place as usize];
            shadows(part, Part::Model, Some(model), now, &mut report.shadows);
            let windows: Vec<_> = part.statuses(now).collect();
            if !windows.is_empty() {
                report.models.push(ModelStatus { model: model.clone(), windows, blocked: blocked(part, now) });
            }
        }
        let Some((users, limits)) = more.end_users.as_ref().and_then(|users| Some((users, users.limits?))) else {
            return report;
        };
        report.end_users = Some(users.count());
        if let Some(limits) = limits.shadow {
            // As they are for somebody who comes first.
            let mut example = Account::default();
            example.configure(&limits, 0);
            let told = example.statuses(now).map(|status| told(Part::EndUser, None, status, &users.refused));
            report.shadows.extend(told);
        }
        report
    }
}

impl Admission {
    /// What every limit of the path, of the model and of the end user says to a call, without taking anything.
    pub fn limits_of(&mut self, ask: &Ask<'_>, now: Moment) -> Vec<AskedLimit> {
        let (pass, _) = self.open(ask, 1, now);
        let mut limits = Vec::new();
        for (place, level, part) in pass.subjects() {
            let account = &self.accounts[place];
            let watched = account.shadow().map(|shadow| shadow.meters.said(ask.tokens, Duration::ZERO, pass.taken));
            let said = account.said(ask.tokens, pass.taken).into_iter().map(|said| (said, false));
            let said = said.chain(watched.into_iter().flatten().map(|said| (said, true)));
            limits.extend(said.map(|((status, needs, wait), is_shadow)| {
                let account = ask.path[level];
                AskedLimit { account, part, status, needs, wait, is_shadow }
            }));
        }
        limits
    }
}

fn blocked(account: &Account, now: Moment) -> Option<(Duration, Window)> {
    let block = account.more.as_ref().and_then(|more| more.block(now))?;
    Some((block.retry_after, block.window))
}

fn shadows(account: &Account, part: Part, model: Option<&base::ModelId>, now: Moment, into: &mut Vec<ShadowStatus>) {
    if let Some(shadow) = account.shadow() {
        into.extend(
            shadow.meters.statuses(Duration::ZERO, now).map(|status| told(part, model, status, &shadow.refused)),
        );
    }
}

fn told(part: Part, model: Option<&base::ModelId>, status: crate::WindowStatus, refused: &Counts) -> ShadowStatus {
    ShadowStatus { part, model: model.cloned(), status, refused: refused.of(status.window) }
}

//! Holds: what is held for whom, and ending those of which nobody knows the cost.

use base::{AttemptId, Money};
use ledger::Amounts;
use serde::{Deserialize, Serialize};
use store::{HoldState, OpenHold, ResolvedRecord};

use crate::error::Failure;
use crate::live::{Decision, Resolution, Unresolved};
use crate::report::{attempt, rfc3339, tenant_id};
use crate::request::now;
use crate::resources::Control;

/// All holds, oldest first.
#[derive(Debug, Serialize)]
pub(crate) struct HoldList {
    holds: Vec<HoldLine>,
}

/// One hold.
#[derive(Debug, Serialize)]
struct HoldLine {
    attempt: String,
    request_id: String,
    tenant: String,
    project: String,
    key: String,
    end_user: Option<String>,
    model: String,
    upstream: String,
    held_usd: Money,
    held_tokens: u64,
    /// `open` while the call is under way, `unknown` when somebody must say what it cost.
    state: &'static str,
    since: String,
}

impl HoldLine {
    fn new(hold: &OpenHold) -> HoldLine {
        let intent = &hold.intent;
        HoldLine {
            attempt: intent.attempt.to_string(),
            request_id: intent.request_id.to_string(),
            tenant: intent.tenant.to_string(),
            project: intent.project.to_string(),
            key: intent.key.to_string(),
            end_user: intent.end_user.clone(),
            model: intent.model.to_string(),
            upstream: intent.upstream.to_string(),
            held_usd: intent.worst.usd,
            held_tokens: intent.worst.tokens,
            state: hold.state.name(),
            since: rfc3339(intent.at),
        }
    }
}

/// The body of `POST /v1/holds/{attempt}/resolve`: one of the three decisions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResolveRequest {
    /// So much is charged, in US dollars.
    charge: Option<String>,
    /// All of it is charged.
    #[serde(default)]
    charge_whole: bool,
    /// Nothing is charged.
    #[serde(default)]
    release: bool,
    /// Why, for whoever asks later.
    #[serde(default)]
    reason: String,
}

impl ResolveRequest {
    fn decision(&self) -> Result<Decision, Failure> {
        match (&self.charge, self.charge_whole, self.release) {
            (Some(usd), false, false) => {
                let usd = Money::parse_usd(usd).map_err(|error| Failure::problem("charge", error.to_string()))?;
                Ok(Decision::Charge(usd))
            }
            (None, true, false) => Ok(Decision::ChargeWhole),
            (None, false, true) => Ok(Decision::Release),
            _ => Err(Failure::malformed("Say one of charge, charge_whole and release.")),
        }
    }
}

/// What became of a hold.
#[derive(Debug, Serialize)]
pub(crate) struct ResolveReport {
    attempt: String,
    charged_usd: Money,
    charged_tokens: u64,
    released_usd: Money,
    released_tokens: u64,
}

impl Control {
    /// What is held, for one tenant or for all.
    pub(crate) fn holds(&self, tenant: Option<&str>) -> Result<HoldList, Failure> {
        let tenant = tenant.map(tenant_id).transpose()?;
        let holds = self.open_holds()?;
        let wanted = |hold: &&OpenHold| tenant.as_ref().is_none_or(|tenant| hold.intent.tenant == *tenant);
        Ok(HoldList { holds: holds.iter().filter(wanted).map(HoldLine::new).collect() })
    }

    /// Everything that is held. Where no process serves no call is under way: whatever has no end is for somebody to
    /// resolve.
    pub(crate) fn open_holds(&self) -> Result<Vec<OpenHold>, Failure> {
        let Some(live) = &self.live else {
            let mut holds = self.store.open_holds().map_err(Failure::store)?;
            holds.iter_mut().for_each(|hold| hold.state = HoldState::Unknown);
            return Ok(holds);
        };
        if !live.ready() {
            return Err(Failure::not_serving());
        }
        live.holds().map_err(Failure::store)
    }

    /// Ends a hold of which nobody knows the cost; durable when it returns.
    pub(crate) fn resolve(&self, text: &str, request: ResolveRequest) -> Result<ResolveReport, Failure> {
        let id = attempt(text)?;
        let decision = request.decision()?;
        let resolved = match &self.live {
            Some(live) if !live.ready() => return Err(Failure::not_serving()),
            Some(live) => live.resolve(id, decision, &request.reason),
            None => self.resolve_stored(id, decision, request.reason),
        };
        match resolved {
            Ok(Resolution { charged, released }) => Ok(ResolveReport {
                attempt: id.to_string(),
                charged_usd: charged.usd,
                charged_tokens: charged.tokens,
                released_usd: released.usd,
                released_tokens: released.tokens,
            }),
            Err(Unresolved::NoSuchAttempt) => Err(Failure::not_found(format!(
                "attempt {id} of which the cost is unknown; 'mandant holds list' shows those that are"
            ))),
            Err(Unresolved::TooMuch { held }) => {
                Err(Failure::problem("charge", format!("no more than the {held} USD that are held can be charged")))
            }
            Err(Unresolved::Failed(told)) => Err(Failure::store(told)),
        }
    }

    /// The same where no process has the hold in memory.
    fn resolve_stored(&self, id: AttemptId, decision: Decision, reason: String) -> Result<Resolution, Unresolved> {
        let failed = |error: store::StoreError| Unresolved::Failed(error.to_string());
        let holds = self.store.open_holds().map_err(failed)?;
        let hold = holds.iter().find(|hold| hold.intent.attempt == id).ok_or(Unresolved::NoSuchAttempt)?;
        let held = hold.intent.worst;
        let charged = match decision {
            Decision::ChargeWhole => held,
            Decision::Charge(usd) => Amounts { usd, tokens: held.tokens },
            Decision::Release => Amounts::ZERO,
        };
        if charged.usd > held.usd {
            return Err(Unresolved::TooMuch { held: held.usd });
        }
        let record = ResolvedRecord { attempt: id, at: now(), charged, reason };
        if !self.store.resolve(record).map_err(failed)? {
            return Err(Unresolved::NoSuchAttempt);
        }
        let released = Amounts { usd: held.usd - charged.usd, tokens: held.tokens - charged.tokens };
        Ok(Resolution { charged, released })
    }
}

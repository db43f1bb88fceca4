//! Tenants, projects and keys as an operator writes them.

use base::{AccountLimits, Budgets, KeyId, Limits, ModelId, Money, Priority, ProjectId, Secret, TenantId, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Network;

/// A customer or department, with its projects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantResource {
    /// The name in requests, records and the command line; never changes.
    pub id: TenantId,
    /// The name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What applies when neither limits nor a budget are given; [`Plan::Standard`] when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Left out: stays as it is, active when new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TenantStatus>,
    /// Who goes first when an upstream is scarce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// The share among tenants of the same priority, 1 to 1000; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// The IANA name of the zone whose calendar the budgets follow, such as `Europe/Berlin`; UTC when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The only models it may use; all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<ModelId>>,
    /// Windows, tokens per month, concurrency.
    #[serde(default, with = "super::limits", skip_serializing_if = "Option::is_none")]
    pub limits: Option<AccountLimits>,
    /// Caps in USD per calendar period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budgets>,
    /// Whether it pays in advance: then it may use, in total, what was credited to it, and nothing before the first
    /// credit. Budgets, and those of its plan, hold as well. Left out: stays as it is, without one when new. What is
    /// charged while a wallet is off is taken from it when it is on again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wallet: Option<bool>,
    /// What fills the gaps of a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Defaults>,
    /// The outermost projects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub project: Vec<ProjectResource>,
}

/// A subdivision of a tenant, with its keys and the projects inside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectResource {
    /// Unique among its siblings; never changes.
    pub id: ProjectId,
    /// The only models it may use, of those that its parents may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<ModelId>>,
    /// Windows, tokens per month, concurrency; the parents' hold as well.
    #[serde(default, with = "super::limits", skip_serializing_if = "Option::is_none")]
    pub limits: Option<AccountLimits>,
    /// Caps in USD per calendar period; the parents' hold as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budgets>,
    /// What fills the gaps of a call, before the parents' defaults do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Defaults>,
    /// Its own credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<KeyResource>,
    /// The projects inside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub project: Vec<ProjectResource>,
}

/// A credential of a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyResource {
    /// Unique within its project; never changes.
    pub name: KeyId,
    /// The secret itself, on import only. It is stored as a keyed hash, so an export never has it; a file without it
    /// keeps the stored secret, or has one generated for a new key.
    #[serde(default, skip_serializing, deserialize_with = "secret_text")]
    pub secret: Option<Secret<String>>,
    /// Left out: stays as it is, active when new. A revoked key becomes active again only with a new secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<KeyStatus>,
    /// From this time on the key is refused.
    #[serde(default, with = "super::text::rfc3339", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The only networks that it may be used from; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_allow: Vec<Network>,
    /// The only models it may use, of those that its parents may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<ModelId>>,
    /// The tenants that a service key may act for, named per call in `X-Tenant-ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Vec<TenantId>>,
    /// Windows, tokens per month, concurrency; the parents' hold as well.
    #[serde(default, with = "super::limits", skip_serializing_if = "Option::is_none")]
    pub limits: Option<AccountLimits>,
    /// Caps in USD per calendar period; the parents' hold as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budgets>,
}

fn secret_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// Limits and budget for tenants without their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// 60 requests a minute, 1,000 an hour, 10,000 a day, 1,000,000 tokens and $100 a month.
    #[default]
    Standard,
    /// No limits but those written.
    Unlimited,
}

impl Plan {
    /// What the plan gives to a tenant that sets neither limits nor a budget.
    #[must_use]
    pub fn terms(self) -> (Limits, Budgets) {
        match self {
            Plan::Unlimited => (Limits::default(), Budgets::default()),
            Plan::Standard => (
                Limits {
                    rpm: Some(60),
                    rph: Some(1_000),
                    rpd: Some(10_000),
                    tokens_per_month: Some(1_000_000),
                    ..Limits::default()
                },
                Budgets { per_month: Some(Money::from_usd(100)), ..Budgets::default() },
            ),
        }
    }
}

impl TenantResource {
    /// A tenant of which only the name is given.
    #[must_use]
    pub fn new(id: TenantId) -> TenantResource {
        TenantResource {
            id,
            name: None,
            plan: None,
            status: None,
            priority: None,
            weight: None,
            timezone: None,
            models: None,
            limits: None,
            budget: None,
            wallet: None,
            defaults: None,
            project: Vec::new(),
        }
    }

    /// The limits and budgets that apply: its own, or its plan's when it has neither.
    #[must_use]
    pub fn terms(&self) -> (AccountLimits, Budgets) {
        // Limits that are only for parts of its calls, or only watched, take nothing from what its plan gives.
        let more = self
            .limits
            .as_ref()
            .filter(|limits| limits.own == Limits::default())
            .and_then(|limits| limits.more.clone());
        if self.budget.is_none() && (self.limits.is_none() || more.is_some()) {
            let (own, budget) = self.plan.unwrap_or_default().terms();
            return (AccountLimits { own, more }, budget);
        }
        (self.limits.clone().unwrap_or_default(), self.budget.unwrap_or_default())
    }
}

impl ProjectResource {
    /// A project of which only the name is given.
    #[must_use]
    pub fn new(id: ProjectId) -> ProjectResource {
        ProjectResource {
            id,
            models: None,
            limits: None,
            budget: None,
            defaults: None,
            key: Vec::new(),
            project: Vec::new(),
        }
    }
}

impl KeyResource {
    /// A key of which only the name is given.
    #[must_use]
    pub fn new(name: KeyId) -> KeyResource {
        KeyResource {
            name,
            secret: None,
            status: None,
            expires: None,
            ip_allow: Vec::new(),
            models: None,
            service: None,
            limits: None,
            budget: None,
        }
    }
}

/// Whether a tenant is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TenantStatus {
    /// Served.
    Active,
    /// Every call is refused.
    Suspended,
}

/// Whether a key is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyStatus {
    /// Accepted.
    Active,
    /// Refused for good.
    Revoked,
}

/// What fills the gaps of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// The model of a call that names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// The temperature of a call that sets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Temperature>,
    /// The output limit in tokens of a call that sets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Whether a call whose output limit the money does not cover is sent with the one that it buys, rather than refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clamp_max_tokens: Option<bool>,
}

/// A sampling temperature from 0 to 2 in thousandths, so that it is compared and printed exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Temperature(u16);

impl Temperature {
    /// The highest that providers take, in thousandths.
    const THOUSANDTHS_MAX: u16 = 2_000;

    /// From thousandths; `None` above 2.
    #[must_use]
    pub const fn from_thousandths(thousandths: u16) -> Option<Temperature> {
        if thousandths <= Temperature::THOUSANDTHS_MAX { Some(Temperature(thousandths)) } else { None }
    }

    /// As a JSON number, such as `0.7`.
    #[must_use]
    pub fn json(self) -> String {
        (f64::from(self.0) / 1_000.0).to_string()
    }
}

impl Serialize for Temperature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 1_000.0)
    }
}

impl<'de> Deserialize<'de> for Temperature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Temperature, D::Error> {
        let number = f64::deserialize(deserializer)?;
        let thousandths = (number * 1_000.0).round();
        let exact = (number * 1_000.0 - thousandths).abs() < 1e-6;
        if exact && (0.0..=f64::from(Temperature::THOUSANDTHS_MAX)).contains(&thousandths) {
            Ok(Temperature(thousandths as u16))
        } else {
            Err(de::Error::custom("expected a temperature from 0 to 2 with at most three decimal places"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_without_settings_gets_the_standard_plan() {
        let mut tenant = TenantResource::new(TenantId::new("acme").unwrap());
        let (limits, budgets) = tenant.terms();
        assert_eq!((limits.own.rpm, limits.own.rph, limits.own.rpd), (Some(60), Some(1_000), Some(10_000)));
        assert_eq!((limits.own.tokens_per_month, budgets.per_month), (Some(1_000_000), Some(Money::from_usd(100))));
        tenant.limits = Some(Limits { rpm: Some(7), ..Limits::default() }.into());
        assert_eq!(tenant.terms(), (tenant.limits.clone().unwrap(), Budgets::default()));
        let more =
            base::MoreLimits { shadow: Some(Limits { rpm: Some(7), ..Limits::default() }), ..Default::default() };
        tenant.limits = Some(AccountLimits { own: Limits::default(), more: Some(Box::new(more.clone())) });
        let (limits, budgets) = tenant.terms();
        assert_eq!(
            (limits.own.rpm, limits.more, budgets.per_month),
            (Some(60), Some(Box::new(more)), Some(Money::from_usd(100)))
        );
    }

    #[test]
    fn a_temperature_prints_as_it_was_written() {
        for text in ["0", "0.7", "1", "0.125", "2"] {
            assert_eq!(serde_json::from_str::<Temperature>(text).unwrap().json(), text);
        }
        for bad in ["-0.1", "2.1", "0.0001", "\"1\""] {
            assert!(serde_json::from_str::<Temperature>(bad).is_err(), "{bad}");
        }
    }
}

//! Limits under the names that people write: `requests_per_minute`, with the short `rpm` accepted as well.

use core::time::Duration;
use std::collections::BTreeMap;

use base::{AccountLimits, Budgets, Limits, ModelId, Money, MoreLimits, PartLimits};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// [`AccountLimits`] with the long names. What may not be everywhere is refused when a file is checked, not here.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Form {
    #[serde(alias = "rpm", skip_serializing_if = "Option::is_none")]
    requests_per_minute: Option<u64>,
    #[serde(alias = "rph", skip_serializing_if = "Option::is_none")]
    requests_per_hour: Option<u64>,
    #[serde(alias = "rpd", skip_serializing_if = "Option::is_none")]
    requests_per_day: Option<u64>,
    #[serde(alias = "tpm", skip_serializing_if = "Option::is_none")]
    tokens_per_minute: Option<u64>,
    #[serde(alias = "tpd", skip_serializing_if = "Option::is_none")]
    tokens_per_day: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_per_month: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_per_day: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_per_week: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_per_month: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_per_year: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd_total: Option<Money>,
    #[serde(with = "super::text::span", skip_serializing_if = "Option::is_none")]
    block_for: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<Box<Form>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_end_user: Option<Box<Form>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    models: BTreeMap<ModelId, Form>,
}

impl Form {
    fn new(limits: &Limits) -> Form {
        let Limits { rpm, rph, rpd, tpm, tpd, tokens_per_month, concurrency, block_for } = *limits;
        Form {
            requests_per_minute: rpm,
            requests_per_hour: rph,
            requests_per_day: rpd,
            tokens_per_minute: tpm,
            tokens_per_day: tpd,
            tokens_per_month,
            concurrency,
            block_for,
            ..Form::default()
        }
    }

    fn of_part(limits: &PartLimits) -> Form {
        Form { shadow: limits.shadow.as_ref().map(|shadow| Box::new(Form::new(shadow))), ..Form::new(&limits.own) }
    }

    fn of_account(limits: &AccountLimits) -> Form {
        let Some(more) = limits.more.as_deref() else { return Form::new(&limits.own) };
        let is_watched = more.shadow.is_some() || more.shadow_budgets.is_some();
        let budgets = more.shadow_budgets.unwrap_or_default();
        let shadow = Form {
            usd_per_day: budgets.per_day,
            usd_per_week: budgets.per_week,
            usd_per_month: budgets.per_month,
            usd_per_year: budgets.per_year,
            usd_total: budgets.total,
            ..Form::new(&more.shadow.unwrap_or_default())
        };
        Form {
            shadow: is_watched.then(|| Box::new(shadow)),
            per_end_user: more.per_end_user.as_ref().map(|limits| Box::new(Form::of_part(limits))),
            models: more.models.iter().map(|(model, limits)| (model.clone(), Form::of_part(limits))).collect(),
            ..Form::new(&limits.own)
        }
    }

    fn own(&self) -> Limits {
        Limits {
            rpm: self.requests_per_minute,
            rph: self.requests_per_hour,
            rpd: self.requests_per_day,
            tpm: self.tokens_per_minute,
            tpd: self.tokens_per_day,
            tokens_per_month: self.tokens_per_month,
            concurrency: self.concurrency,
            block_for: self.block_for,
        }
    }

    /// Budgets, which only limits that are watched may have beside them; the others are elsewhere.
    fn budgets(&self) -> Option<Budgets> {
        let budgets = Budgets {
            per_day: self.usd_per_day,
            per_week: self.usd_per_week,
            per_month: self.usd_per_month,
            per_year: self.usd_per_year,
            total: self.usd_total,
            ..Budgets::default()
        };
        (budgets != Budgets::default()).then_some(budgets)
    }

    fn refuse_budgets<E: Error>(&self) -> Result<(), E> {
        if self.budgets().is_some() {
            return Err(E::custom("budgets are under budget; here they are only in an account's limits.shadow"));
        }
        Ok(())
    }

    /// What is only watched has nothing inside it.
    fn watched<E: Error>(&self) -> Result<Option<Limits>, E> {
        if self.shadow.is_some() || self.per_end_user.is_some() || !self.models.is_empty() {
            return Err(E::custom("limits that are only watched have no limits inside them"));
        }
        Ok(Some(self.own()).filter(|limits| *limits != Limits::default()))
    }

    fn part<E: Error>(&self) -> Result<PartLimits, E> {
        self.refuse_budgets()?;
        if self.per_end_user.is_some() || !self.models.is_empty() {
            return Err(E::custom("only an account has limits for single models and end users"));
        }
        let Some(shadow) = self.shadow.as_deref() else { return Ok(PartLimits { own: self.own(), shadow: None }) };
        shadow.refuse_budgets()?;
        Ok(PartLimits { own: self.own(), shadow: shadow.watched()? })
    }

    fn account<E: Error>(self) -> Result<AccountLimits, E> {
        self.refuse_budgets()?;
        let own = self.own();
        let more = MoreLimits {
            shadow: self.shadow.as_deref().map(Form::watched).transpose()?.flatten(),
            shadow_budgets: self.shadow.as_deref().and_then(Form::budgets),
            per_end_user: self.per_end_user.as_deref().map(Form::part).transpose()?,
            models: self.models.into_iter().map(|(model, form)| Ok((model, form.part()?))).collect::<Result<_, E>>()?,
        };
        Ok(AccountLimits { own, more: (more != MoreLimits::default()).then(|| Box::new(more)) })
    }
}

/// Writes limits, where there are any.
pub(super) fn serialize<S: Serializer>(limits: &Option<AccountLimits>, serializer: S) -> Result<S::Ok, S::Error> {
    limits.as_ref().map(Form::of_account).serialize(serializer)
}

/// Reads limits, where there are any.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AccountLimits>, D::Error> {
    Option::<Form>::deserialize(deserializer)?.map(Form::account).transpose()
}

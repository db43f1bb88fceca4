//! Writing upstreams and models.

use catalog::Rates;

use super::{Table, Work};
use crate::resource::{ApiKey, ModelResource, UpstreamResource};
use crate::secret::to_hex;
use crate::{StoreError, supply};

impl Work<'_> {
    pub(super) fn upstream(&mut self, upstream: &UpstreamResource) -> Result<(), StoreError> {
        let id = upstream.id.as_str();
        let before = self.find(Table::Upstream, id)?;
        let stored: Vec<ApiKey> = match &before {
            None => Vec::new(),
            Some(before) => {
                let form: UpstreamResource =
                    serde_json::from_str(&before.form).map_err(|error| StoreError::corrupt("upstream", error))?;
                form.api_keys
            }
        };
        let sealed: Result<Vec<ApiKey>, StoreError> =
            upstream.api_keys.iter().map(|key| self.sealed(key, id, &stored)).collect();
        let form = UpstreamResource { api_keys: sealed?, ..upstream.clone() };
        self.put(Table::Upstream, id, &form, Vec::new())?;
        Ok(())
    }

    /// The form of a credential that may be stored. One that is stored already keeps its sealed form: sealing again
    /// would look like a change.
    fn sealed(&self, key: &ApiKey, upstream: &str, stored: &[ApiKey]) -> Result<ApiKey, StoreError> {
        let context = supply::seal_context(upstream);
        let ApiKey::Inline(secret) = key else { return Ok(key.clone()) };
        for known in stored {
            if let ApiKey::Sealed(hex) = known
                && supply::unseal(hex, &context, &self.store.master).is_some_and(|plain| plain == *secret)
            {
                return Ok(known.clone());
            }
        }
        Ok(ApiKey::Sealed(to_hex(&self.store.master.seal(&context, secret.expose().as_bytes())?)))
    }

    pub(super) fn model(&mut self, model: &ModelResource) -> Result<(), StoreError> {
        let id = model.id.as_str();
        let rates: Rates = match (&model.price, supply::known(model)) {
            (Some(rates), _) => rates.clone(),
            (None, Some(known)) => known.price.rates.clone(),
            (None, None) => return Err(StoreError::corrupt("model", format!("{id} has no price"))),
        };
        let before = self.find(Table::Model, id)?.map(|before| before.number);
        let plan = self.plan_price(before, model.effective_from, &rates)?;
        let also = if plan.changes_anything() { vec!["price".to_owned()] } else { Vec::new() };
        let number = self.put(Table::Model, id, model, also)?;
        self.write_price(number, plan, &rates)
    }
}

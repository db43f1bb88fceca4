//! Fills in what a client left out and its account has a default for.

use base::ModelId;

use crate::call::Call;

impl Call {
    /// Fills in a model, an output limit in tokens and a temperature (a raw JSON number) where the client gave none and
    /// nothing was filled in before. What has no output takes only a model.
    pub fn fill(
        &mut self,
        model: Option<&ModelId>,
        output_limit: Option<u64>,
        temperature: impl FnOnce() -> Option<String>,
    ) {
        if self.model.is_none() {
            self.model = model.cloned();
        }
        if !self.endpoint.has_output() {
            return;
        }
        if self.billable.output_limit.is_none() {
            self.billable.output_limit = output_limit;
            self.filled.output_limit = output_limit;
        }
        if !self.has_temperature() && self.filled.temperature.is_none() {
            self.filled.temperature = temperature();
        }
    }

    /// Sends the call with at most `limit` output tokens per choice, whatever the client asked for. A lower limit that
    /// it gave stays.
    pub fn lower_output_limit(&mut self, limit: u64) {
        let lowered = self.billable.output_limit.map_or(limit, |asked| asked.min(limit));
        self.billable.output_limit = Some(lowered);
        self.filled.output_limit = Some(lowered);
    }
}

//! Reads what only Cohere's requests have.

use base::Refusal;

use super::body::Draft;
use crate::dialect::Endpoint;

impl Draft<'_> {
    /// Cohere bills the tokens of images that become vectors at a price of their own.
    pub(super) fn check_vectors(&self) -> Result<(), Refusal> {
        if self.endpoint == Endpoint::CohereEmbed && self.billable.images > 0 {
            let sentence = "'inputs' has images, for which this relay has no price. Send texts.";
            return Err(Refusal::invalid(Some("inputs"), sentence));
        }
        Ok(())
    }
}

//! What is wrong with a form.

use base::Refusal;

/// A form that two parsers could read differently.
pub(super) fn ambiguous(sentence: &str) -> Refusal {
    Refusal::ambiguous("multipart/form-data", sentence)
}

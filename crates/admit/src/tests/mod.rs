//! The promises of admission.

mod oracle;
mod rules;
mod speed;

//! The promises of admission.

mod oracle;
mod parts;
mod rules;
mod speed;

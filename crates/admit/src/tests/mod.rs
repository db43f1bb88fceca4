//! The promises of admission.

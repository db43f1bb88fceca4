//! The promises of the ledger.

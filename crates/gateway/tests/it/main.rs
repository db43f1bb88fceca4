//! The relay as its clients meet it: a real server, a real store, a simulated provider, one file a promise.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test says what it skipped")]

mod app;
mod client;

mod bad_input;
mod batches;
mod browsers;
mod conversations;
mod defaults;
mod dialects;
mod echoes;
mod explains;
mod fails_over;
mod files;
mod hostile_clients;
mod hosting;
mod idempotency;
mod interactions;
mod invoked;
mod isolation;
mod limits;
mod makes;
mod metrics;
mod native;
mod never_overspends;
mod nothing_held;
mod nothing_lost;
mod owned;
mod parts_of_accounts;
mod predicts;
mod quiet_neighbours;
mod ranks;
mod realtime;
mod relays;
mod replay;
mod restarts;
mod speaks_http1;
mod stream_cut;
mod token_endpoint;
mod translates;
mod uploads;
mod upstream_auth;
mod upstream_faults;
mod waits_for_money;

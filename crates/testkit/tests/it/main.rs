//! The provider as its clients see it, over real sockets.

mod answers;
mod client;
mod dialects;
mod faults;
mod replay;
mod streams;
mod transport;
mod truth;

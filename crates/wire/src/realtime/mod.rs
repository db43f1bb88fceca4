//! OpenAI's realtime sessions: what an event of a client can lead to, what one of the provider tells, and what the next
//! response can have as input at most.

mod client;
mod context;
mod server;
#[cfg(test)]
mod tests;

use base::ModelId;
use bytes::Bytes;
use smallvec::SmallVec;

use crate::billable::Billable;
use crate::call::{Call, Filled, Places, Query};
use crate::dialect::Endpoint;
use crate::hosting::Hosting;

pub use self::client::{Asks, ClientEvent, Input, client_event, named, with_model};
pub use self::context::Context;
pub use self::server::{ServerEvent, server_event, unnamed};

/// One response of a session as a call: what is asked for stands in `billable`, and the bytes pass another way.
#[must_use]
pub fn call(model: Option<ModelId>, billable: Billable) -> Call {
    Call {
        endpoint: Endpoint::Realtime,
        query: Query::None,
        body: Bytes::new(),
        model,
        stream: true,
        client_wants_usage: false,
        billable,
        end_user: None,
        places: Places::at(0),
        filled: Filled::default(),
        texts: SmallVec::new(),
        payloads: Vec::new(),
        objects: None,
        is_stored: false,
        hosting: Hosting::default(),
        maker: None,
        upload: None,
    }
}

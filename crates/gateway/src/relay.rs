//! What all calls share: the directory, the books, the upstreams, the recorder, the clock.

use std::sync::Arc;

use store::{Directory, Store};

use crate::books::Books;
use crate::clock::Clock;
use crate::recorder::Recorder;
use crate::settings::Settings;
use crate::tasks::Tasks;
use crate::upstream::Upstreams;

/// The state of a running relay. Everything in it is shared; nothing in it belongs to one call.
pub(crate) struct Relay {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<Store>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) books: Books,
    pub(crate) upstreams: Upstreams,
    pub(crate) recorder: Recorder,
    pub(crate) clock: Clock,
    pub(crate) tasks: Tasks,
}

//! Where commands take effect: the process that serves the data folder, or the store itself when none does.
//!
//! Both are asked in the same way, by the requests of the control interface, so that a command cannot tell them apart.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::service::Service as _;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use store::{AlreadyServing, ServingGuard, Store};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::catch_up;
use crate::config::{Finding, Settings};
use crate::failure::Failure;

/// An answer takes this long at most; a large apply is the slowest.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);

/// How long a process that has the data folder may take until it answers, and a command until it is done with it.
const DEAF_MAX: Duration = Duration::from_secs(5);

/// Somebody who answers the requests of the control interface.
pub(crate) struct Backend {
    runtime: Runtime,
    place: Place,
}

enum Place {
    /// The process that serves listens here.
    Running(PathBuf),
    /// No process serves; this one opened the store.
    Local {
        router: Box<TowerToHyperService<control::Router>>,
        /// Kept where nobody may begin to serve meanwhile.
        _claim: Option<ServingGuard>,
    },
}

/// One request.
pub(crate) struct Question<'a> {
    method: Method,
    path: &'a str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl<'a> Question<'a> {
    /// A request without a body.
    pub(crate) fn new(method: Method, path: &'a str) -> Question<'a> {
        Question { method, path, headers: Vec::new(), body: Vec::new() }
    }

    /// With a JSON body.
    pub(crate) fn json(mut self, body: &Value) -> Question<'a> {
        self.body = body.to_string().into_bytes();
        self
    }

    /// With this body as it is.
    pub(crate) fn raw(mut self, body: Vec<u8>) -> Question<'a> {
        self.body = body;
        self
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &'static str, value: String) -> Question<'a> {
        self.headers.push((name, value));
        self
    }

    fn request(self) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder().method(self.method).uri(self.path).header("host", "mandant");
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(self.body)));
        request.context("the request cannot be written").map_err(Failure::from)
    }
}

impl Backend {
    /// Finds the process that serves the data folder, or opens the store when none does, with everything in it that is
    /// in the journal.
    ///
    /// # Errors
    /// When a process serves but does not answer, or the store cannot be opened.
    pub(crate) fn open(settings: &Settings) -> Result<Backend, Failure> {
        Backend::find(settings, false)
    }

    /// The same for a change that a process which begins to serve meanwhile would not know of: none can.
    ///
    /// # Errors
    /// See [`Backend::open`].
    pub(crate) fn open_alone(settings: &Settings) -> Result<Backend, Failure> {
        Backend::find(settings, true)
    }

    fn find(settings: &Settings, alone: bool) -> Result<Backend, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("no event loop can be made")?;
        let socket = settings.data_dir.join(control::SOCKET_NAME);
        let place = runtime.block_on(async {
            let deadline = Instant::now() + DEAF_MAX;
            loop {
                if UnixStream::connect(&socket).await.is_ok() {
                    return Ok(Place::Running(socket));
                }
                // It may be starting or ending, or be another command that is done in a moment.
                match refuse_beside_a_deaf_process(&settings.data_dir) {
                    Err(failure) if Instant::now() >= deadline => return Err(failure),
                    Err(_) => {}
                    Ok(()) => {
                        if let Some(place) = open_local(settings, alone)? {
                            return Ok(place);
                        }
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })?;
        Ok(Backend { runtime, place })
    }

    /// Asks and gives the JSON of the answer.
    ///
    /// # Errors
    /// What the control interface refused, or that it cannot be reached.
    pub(crate) fn ask(&self, question: Question<'_>) -> Result<Value, Failure> {
        let request = question.request()?;
        let answer = async {
            match &self.place {
                Place::Running(socket) => over_socket(socket, request).await,
                Place::Local { router, .. } => {
                    let answer = router.call(request).await.unwrap_or_else(|never| match never {});
                    let (head, body) = answer.into_parts();
                    let body = body.collect().await.context("the answer broke off")?;
                    Ok(Response::from_parts(head, body.to_bytes()))
                }
            }
        };
        let answer = self.runtime.block_on(async { tokio::time::timeout(ANSWER_TIMEOUT, answer).await });
        let answer = answer.map_err(|_| Failure::Unreachable("The process did not answer in time.".into()))??;
        read(&answer)
    }
}

/// Opens the store; nothing when somebody else claimed it in this moment.
fn open_local(settings: &Settings, alone: bool) -> Result<Option<Place>, Failure> {
    let store = open_store(settings)?;
    let mut claim = None;
    if alone || catch_up::is_behind(&store)? {
        claim = match store.claim_serving() {
            Ok(claim) => Some(claim),
            Err(AlreadyServing::Other { .. }) => return Ok(None),
            Err(AlreadyServing::Store(error)) => {
                return Err(Failure::other(format!("the data folder cannot be claimed: {error}")));
            }
        };
        catch_up::run(&store)?;
    }
    let router = control::router(Arc::new(store), None);
    Ok(Some(Place::Local { router: Box::new(TowerToHyperService::new(router)), _claim: claim.filter(|_| alone) }))
}

/// Opens the store with the master key where the settings say.
pub(crate) fn open_store(settings: &Settings) -> Result<Store, Failure> {
    let source = settings.master_key_source()?;
    let opened = Store::open_with(&settings.data_dir, &source);
    opened
        .with_context(|| format!("the store in {} cannot be opened", settings.data_dir.display()))
        .map_err(Failure::from)
}

/// A process that serves but does not answer must not be worked around: what it has in memory would not change.
fn refuse_beside_a_deaf_process(data_dir: &Path) -> Result<(), Failure> {
    if !data_dir.exists() {
        return Ok(());
    }
    match Store::serving_process(data_dir) {
        Ok(None) => Ok(()),
        Ok(Some(process)) => Err(Failure::Unreachable(format!(
            "Process {process} serves {} but does not answer on {}. Wait until it has started or ended, or stop it.",
            data_dir.display(),
            control::SOCKET_NAME,
        ))),
        Err(error) => Err(Failure::other(format!("it is unclear whether a process serves: {error}"))),
    }
}

async fn over_socket(socket: &Path, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Failure> {
    let unreachable = |error: &dyn core::fmt::Display| {
        Failure::Unreachable(format!("The process behind {} does not answer: {error}.", socket.display()))
    };
    let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|error| unreachable(&error))?.to_bytes();
    connection.abort();
    Ok(Response::from_parts(head, body))
}

/// Reads an answer: its JSON, or the refusal that it is.
fn read(answer: &Response<Bytes>) -> Result<Value, Failure> {
    if answer.status() == StatusCode::OK {
        return serde_json::from_slice(answer.body()).context("the answer is not JSON").map_err(Failure::from);
    }
    let error: control::ErrorBody = serde_json::from_slice(answer.body())
        .map_err(|_| Failure::other(format!("the process answered with status {}", answer.status())))?;
    let told = |problem: control::Problem| Finding { line: None, path: problem.path, message: problem.message };
    Err(Failure::Refused {
        code: error.error.code,
        message: error.error.message,
        problems: error.error.problems.into_iter().map(told).collect(),
    })
}

/// A name as one part of a path: everything but plain characters percent-encoded.
pub(crate) fn path_part(name: &str) -> String {
    let mut part = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!("%{byte:02X}"));
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path_whatever_it_holds() {
        assert_eq!(path_part("acme/search/ci"), "acme%2Fsearch%2Fci");
        assert_eq!(path_part("a b?c#d"), "a%20b%3Fc%23d");
        assert_eq!(path_part("gpt-4.1_x~"), "gpt-4.1_x~");
    }
}

//! The connections to one upstream: idle HTTP/1.1 ones, most recently used first, and a few shared HTTP/2 ones.

use core::time::Duration;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use catalog::Upstream;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use hyper::client::conn::http2;
use tokio::time::Instant;
use wire::Endpoint;

use super::auth::Auth;
use super::connect::{Dialled, Origin, dial, dial_http1};
use super::connection::{Connection, Kind};
use super::http1::{Http1, Upgrade};
use super::{ConnectError, Tls};
use crate::body::OutgoingBody;
use crate::heads::Outgoing;
use crate::http1::Fields;
use crate::queue::UpstreamQueue;

/// How many connections a pool keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolLimits {
    pub(crate) idle_max: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) http2_connections_max: usize,
}

/// Everything needed to send a request to one upstream, worked out once.
pub(crate) struct Pool {
    upstream: Arc<Upstream>,
    origin: Origin,
    /// The `Host` header.
    authority: HeaderValue,
    /// By endpoint, in the order of [`Endpoint::ALL`].
    addresses: Vec<Address>,
    /// Where endpoints begin, for those whose path depends on the call.
    base: Address,
    /// What shows who pays.
    auth: Auth,
    /// What else every request has.
    headers: Fields,
    tls: Arc<Tls>,
    limits: PoolLimits,
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Vec<Shared>>,
    /// Who may send on them.
    queue: Arc<UpstreamQueue>,
}

/// One endpoint's address, in the two forms that the versions of HTTP want.
struct Address {
    full: Uri,
    path: Uri,
}

impl Address {
    /// `base_url` ends without a slash; a path below it may stand between the host and the endpoint.
    fn new(base_url: &str, below: &str) -> Result<Address, ConnectError> {
        let unusable = |_| ConnectError::Address("it is not a URL");
        let full = Uri::try_from(format!("{base_url}{below}")).map_err(unusable)?;
        let path = Uri::try_from(full.path_and_query().map_or("/", |path| path.as_str())).map_err(unusable)?;
        Ok(Address { full, path })
    }

    /// The form for a version of HTTP.
    fn form(&self, http2: bool) -> &Uri {
        if http2 { &self.full } else { &self.path }
    }
}

/// An HTTP/1.1 connection that waits for its next request.
struct Idle {
    connection: Box<Http1>,
    since: Instant,
}

/// An HTTP/2 connection and how many requests are on it.
struct Shared {
    sender: http2::SendRequest<OutgoingBody>,
    requests: Arc<AtomicUsize>,
}

/// Requests on one shared connection before another is opened.
const HTTP2_REQUESTS_PER_CONNECTION: usize = 90;

impl Pool {
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        queue: Arc<UpstreamQueue>,
        tls: Arc<Tls>,
        limits: PoolLimits,
    ) -> Result<Pool, ConnectError> {
        let uri: Uri = upstream.base_url.parse().map_err(|_| ConnectError::Address("it is not a URL"))?;
        let origin = Origin::of(&uri, upstream.http2)?;
        let auth = Auth::of(&upstream, &origin, &tls)?;
        let headers = fixed_headers(&upstream)?;
        let base_url = upstream.base_url.trim_end_matches('/');
        // Those that begin with a colon follow the name of a model, which comes with the call.
        let below = |endpoint: Endpoint| if endpoint.path().starts_with('/') { endpoint.path() } else { "/" };
        let addresses = Endpoint::ALL
            .into_iter()
            .map(|endpoint| Address::new(base_url, below(endpoint)))
            .collect::<Result<_, _>>()?;
        let base = Address::new(base_url, "")?;
        Ok(Pool {
            authority: authority_of(&uri)?,
            addresses,
            base,
            origin,
            auth,
            headers,
            tls,
            limits,
            idle: Mutex::new(Vec::new()),
            shared: Mutex::new(Vec::new()),
            queue,
            upstream,
        })
    }

    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    pub(crate) fn queue(&self) -> &Arc<UpstreamQueue> {
        &self.queue
    }

    /// A request with what every one has. The address is that of an endpoint, or has a path and query of the call's own.
    pub(crate) fn request(
        &self,
        method: Method,
        (endpoint, below): (Endpoint, Option<&str>),
        http2: bool,
        body: OutgoingBody,
    ) -> Outgoing {
        let mut request = Outgoing::new(method, self.uri(endpoint, below, http2), body);
        if !http2 {
            request.fields.put(&HOST, &self.authority);
        }
        request.fields.extend(&self.headers);
        request
    }

    /// Puts a header into a request of [`Pool::request`], once a name; what the operator says stays.
    pub(crate) fn put(&self, request: &mut Outgoing, name: &HeaderName, value: &[u8]) {
        if self.headers.get(name).is_none() {
            request.fields.put_value(name, value);
        }
    }

    /// Shows who pays: the last that is done to a request.
    pub(crate) fn authorize(&self, request: &mut Outgoing) {
        self.auth.authorize(request, &self.authority);
    }

    /// The access token that a request shows, where it shows one.
    pub(crate) fn token_of(&self, request: &Outgoing) -> Option<HeaderValue> {
        self.auth.token_of(request)
    }

    /// What a request that showed `token` was answered with.
    pub(crate) fn note_answer(&self, token: &HeaderValue, status: StatusCode) {
        if status == StatusCode::UNAUTHORIZED {
            tracing::warn!(upstream = %self.upstream.id, "an access token is not taken");
            self.auth.token_is_refused(token);
        }
    }

    /// Renews access tokens ahead of their end, in tasks of their own.
    pub(super) fn renew_tokens(&self) {
        self.auth.renew();
    }

    /// Whether `text` contains one of this upstream's credentials, and the text without them.
    pub(crate) fn redact(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.auth.redact(text)
    }

    /// The address of an endpoint: its path alone for HTTP/1.1, in full for HTTP/2. `below` is the path and query of a
    /// call that has its own.
    fn uri(&self, endpoint: Endpoint, below: Option<&str>, http2: bool) -> Uri {
        let Some(below) = below else { return self.addresses[endpoint as usize].form(http2).clone() };
        let base = self.base.form(http2).to_string();
        // Names of models have only characters that stand in paths; what has not is no address anywhere.
        Uri::try_from(format!("{}{below}", base.trim_end_matches('/'))).unwrap_or_default()
    }

    /// A connection for one request: idle, shared or new, within the upstream's connect timeout.
    pub(crate) async fn checkout(self: &Arc<Pool>, fresh: bool) -> Result<Connection, ConnectError> {
        self.auth.ready().await?;
        let pool = self.clone();
        if !fresh {
            if let Some(kind) = self.pick_shared() {
                return Ok(Connection::new(kind, true, pool));
            }
            while let Some(mut idle) = self.pop_idle() {
                if idle.since.elapsed() <= self.limits.idle_timeout && idle.connection.is_idle() {
                    return Ok(Connection::new(Kind::Http1(idle.connection), true, pool));
                }
            }
        }
        // Boxed, since it is rare and large: else every call's future would have its size, and be moved with it.
        let kind = match Box::pin(dial(&self.origin, &self.tls, self.upstream.timeouts.connect)).await? {
            Dialled::Http1(connection) => Kind::Http1(connection),
            Dialled::Http2(sender) => self.share(sender),
        };
        Ok(Connection::new(kind, false, pool))
    }

    /// Asks for another protocol, on a connection of its own.
    pub(crate) async fn upgrade(&self, request: Outgoing) -> Result<Upgrade, ConnectError> {
        let timeouts = self.upstream.timeouts;
        let connection = Box::pin(dial_http1(&self.origin, &self.tls, timeouts.connect)).await?;
        match tokio::time::timeout(timeouts.first_byte, connection.upgrade(request)).await {
            Ok(answered) => answered.map_err(ConnectError::Upgrade),
            Err(_) => Err(ConnectError::Timeout),
        }
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(&self, connection: Box<Http1>) {
        let mut idle = self.idle.lock().expect("no panic while the pool is locked");
        if idle.len() < self.limits.idle_max {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// Closes idle connections that are too old, or that the upstream has closed: nobody else looks at them.
    pub(super) fn sweep(&self) {
        let mut idle = self.idle.lock().expect("no panic while the pool is locked");
        idle.retain_mut(|idle| idle.since.elapsed() <= self.limits.idle_timeout && idle.connection.is_idle());
    }

    fn pop_idle(&self) -> Option<Idle> {
        self.idle.lock().expect("no panic while the pool is locked").pop()
    }

    /// The least used shared connection, unless all are busy and another may be opened.
    fn pick_shared(&self) -> Option<Kind> {
        let mut connections = self.shared.lock().expect("no panic while the pool is locked");
        connections.retain(|shared| !shared.sender.is_closed());
        let full = connections.len() >= self.limits.http2_connections_max;
        let least = connections.iter().min_by_key(|shared| shared.requests.load(Ordering::Relaxed))?;
        let before = least.requests.load(Ordering::Relaxed);
        if before >= HTTP2_REQUESTS_PER_CONNECTION && !full {
            return None;
        }
        Some(Kind::http2(least.sender.clone(), &least.requests))
    }

    /// Uses a new HTTP/2 connection for one request and keeps it for others while there is room.
    fn share(&self, sender: http2::SendRequest<OutgoingBody>) -> Kind {
        let requests = Arc::new(AtomicUsize::new(0));
        let kind = Kind::http2(sender.clone(), &requests);
        let mut connections = self.shared.lock().expect("no panic while the pool is locked");
        if connections.len() < self.limits.http2_connections_max {
            connections.push(Shared { sender, requests });
        }
        kind
    }
}

/// The `Host` header for an address.
pub(super) fn authority_of(uri: &Uri) -> Result<HeaderValue, ConnectError> {
    let authority = uri.authority().ok_or(ConnectError::Address("it has no host"))?.as_str();
    HeaderValue::from_str(authority).map_err(|_| ConnectError::Address("its host is not plain ASCII"))
}

/// The headers that an operator gave an upstream: none that the relay sets itself, such as those that show who pays.
fn fixed_headers(upstream: &Upstream) -> Result<Fields, ConnectError> {
    let mut headers = HeaderMap::new();
    for header in &upstream.headers {
        let (name, value) = header.split_once(": ").ok_or(ConnectError::Address("a header has no value"))?;
        let name = name.parse::<http::HeaderName>().map_err(|_| ConnectError::Address("a header has no valid name"))?;
        let value = value.parse().map_err(|_| ConnectError::Address("a header has no valid value"))?;
        headers.insert(name, value);
    }
    let mut fields = Fields::default();
    headers.iter().for_each(|(name, value)| fields.put(name, value));
    Ok(fields)
}

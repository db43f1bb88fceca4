//! The least that a proxy can do with hyper, written as well as we can: the measure that Mandant is held against.
//!
//! It reads the whole request, changes the address, drops what belongs to the connection, sends it over a pooled connection,
//! and passes the answer on: streams as they come, everything else in one piece. It authenticates nobody and counts nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::cli;
use crate::process::asked_to_end;

/// Headers that end with the connection they came on.
const CONNECTION_HEADERS: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

type Answer = Response<Either<Full<Bytes>, Incoming>>;

struct Proxy {
    client: Client<HttpConnector, Full<Bytes>>,
    authority: Authority,
    host: HeaderValue,
}

pub(crate) fn run(options: &cli::Bare) -> Result<()> {
    // The same event loop as Mandant's: one worker for each core that the process may use.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = serve(options) => done,
            done = asked_to_end() => done,
        }
    })
}

async fn serve(options: &cli::Bare) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    let authority = format!("127.0.0.1:{}", options.upstream_port);
    let host = HeaderValue::from_str(&authority)?;
    let proxy = Arc::new(Proxy { client, authority: authority.parse()?, host });
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port))).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(connection(stream, Arc::clone(&proxy)));
    }
}

async fn connection(stream: TcpStream, proxy: Arc<Proxy>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |req| {
        let proxy = Arc::clone(&proxy);
        async move { proxy.forward(req).await }
    });
    // How a client's connection ends is its own business.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

impl Proxy {
    async fn forward(&self, req: Request<Incoming>) -> Result<Answer> {
        let (mut head, body) = req.into_parts();
        let body = body.collect().await?.to_bytes();
        head.uri = self.target(head.uri.into_parts().path_and_query)?;
        drop_connection_headers(&mut head.headers);
        head.headers.insert(HOST, self.host.clone());
        let answer = self.client.request(Request::from_parts(head, Full::new(body))).await?;
        let (mut head, body) = answer.into_parts();
        drop_connection_headers(&mut head.headers);
        let kind = head.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let body = if kind.starts_with(b"text/event-stream") {
            Either::Right(body)
        } else {
            Either::Left(Full::new(body.collect().await?.to_bytes()))
        };
        Ok(Response::from_parts(head, body))
    }

    fn target(&self, path: Option<PathAndQuery>) -> Result<Uri> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = path;
        Uri::from_parts(parts).context("a request without a path")
    }
}

fn drop_connection_headers(headers: &mut HeaderMap) {
    for name in &CONNECTION_HEADERS {
        headers.remove(name);
    }
}

//! Dialling: name, socket, TLS, HTTP handshake. One connection a call of [`dial`]; the pool decides how many.

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use catalog::Http2Mode;
use http::Uri;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::http1::{Http1, Socket};
use super::{ConnectError, Tls};
use crate::body::OutgoingBody;

/// Where an upstream lives, taken apart once from its `base_url`.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) secure: bool,
    /// Which version of HTTP to speak.
    pub(crate) http2: Http2Mode,
}

impl Origin {
    /// The origin of an address.
    pub(super) fn of(uri: &Uri, http2: Http2Mode) -> Result<Origin, ConnectError> {
        let host = uri.host().ok_or(ConnectError::Address("it has no host"))?;
        let secure = uri.scheme_str() == Some("https");
        Ok(Origin {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            secure,
            http2,
        })
    }
}

/// A connection ready for requests.
pub(super) enum Dialled {
    Http1(Box<Http1>),
    Http2(http2::SendRequest<OutgoingBody>),
}

/// Makes one connection to `origin`, all steps together within `timeout`.
pub(super) async fn dial(origin: &Origin, tls: &Tls, timeout: Duration) -> Result<Dialled, ConnectError> {
    match tokio::time::timeout(timeout, dial_unbounded(origin, tls)).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::Timeout),
    }
}

/// Makes one connection that speaks HTTP/1.1, whatever the upstream prefers, for a request for another protocol.
pub(super) async fn dial_http1(origin: &Origin, tls: &Tls, timeout: Duration) -> Result<Http1, ConnectError> {
    let origin = Origin { http2: Http2Mode::Never, ..origin.clone() };
    match dial(&origin, tls, timeout).await? {
        Dialled::Http1(connection) => Ok(*connection),
        Dialled::Http2(_) => Err(ConnectError::Address("it speaks only HTTP/2")),
    }
}

async fn dial_unbounded(origin: &Origin, tls: &Tls) -> Result<Dialled, ConnectError> {
    let stream = open_socket(origin).await?;
    if !origin.secure {
        return handshake(stream, origin.http2 == Http2Mode::Always).await;
    }
    let name =
        ServerName::try_from(origin.host.clone()).map_err(|_| ConnectError::Address("its host is not a name"))?;
    let stream = tls_connector(&tls.config(), origin.http2).connect(name, stream).await.map_err(ConnectError::Dial)?;
    let agreed_on_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    handshake(stream, agreed_on_http2).await
}

/// Offers the protocols that the upstream's mode allows.
fn tls_connector(tls: &Arc<ClientConfig>, mode: Http2Mode) -> tokio_rustls::TlsConnector {
    let protocols: &[&[u8]] = match mode {
        Http2Mode::Auto => return tokio_rustls::TlsConnector::from(tls.clone()),
        Http2Mode::Always => &[b"h2"],
        Http2Mode::Never => &[b"http/1.1"],
    };
    let mut config = ClientConfig::clone(tls);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    tokio_rustls::TlsConnector::from(Arc::new(config))
}

async fn handshake(socket: impl Socket + 'static, http2: bool) -> Result<Dialled, ConnectError> {
    if http2 {
        handshake_http2(TokioIo::new(socket)).await
    } else {
        Ok(Dialled::Http1(Box::new(Http1::new(Box::new(socket)))))
    }
}

/// Tries every address of the name in order and keeps the first that answers.
async fn open_socket(origin: &Origin) -> Result<TcpStream, ConnectError> {
    let addresses: Vec<SocketAddr> =
        tokio::net::lookup_host((origin.host.as_str(), origin.port)).await.map_err(ConnectError::Resolve)?.collect();
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(ConnectError::Dial)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(ConnectError::Dial(last))
}

async fn handshake_http2<T>(io: T) -> Result<Dialled, ConnectError>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20))
        .adaptive_window(true)
        .handshake(io)
        .await
        .map_err(ConnectError::Handshake)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an upstream connection ended");
        }
    });
    Ok(Dialled::Http2(sender))
}

//! TLS, HTTP/2, and the end of a provider.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mandant_testkit::{Options, Protocol, SimulatedProvider};
use tokio::net::TcpStream;

use crate::client::{KEY, chat, provider, request, send};

const BODY: &str = "{\"model\":\"m\",\"stream\":true,\"messages\":[{}]}";

fn h2_request(base_url: &str) -> Request<Full<Bytes>> {
    let req = Request::post(format!("{base_url}/chat/completions")).header(KEY.0, KEY.1);
    req.body(Full::from(BODY)).unwrap()
}

#[tokio::test]
async fn http2_is_spoken_without_tls() {
    for protocol in [Protocol::Http2, Protocol::Any] {
        let provider = provider(Options { protocol, ..Options::default() }).await;
        let stream = TcpStream::connect(provider.address()).await.unwrap();
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.unwrap();
        tokio::spawn(connection);
        let answer = sender.send_request(h2_request(&provider.base_url())).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(body.ends_with(b"data: [DONE]\n\n"));
    }
}

async fn over_tls(provider: &SimulatedProvider, alpn: &[u8]) -> Bytes {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(provider.certificate_der().unwrap().to_vec().into()).unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(crypto).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(provider.address()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
    let answer = if alpn == b"h2" {
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.unwrap();
        tokio::spawn(connection);
        sender.send_request(h2_request(&provider.base_url())).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request("/v1/chat/completions", &[KEY], BODY)).await.unwrap()
    };
    answer.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_gets_answers_over_tls() {
    let provider = provider(Options { tls: true, ..Options::default() }).await;
    assert!(provider.base_url().starts_with("https://localhost:"));
    assert!(provider.certificate_pem().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    for alpn in [&b"h2"[..], b"http/1.1"] {
        assert!(over_tls(&provider, alpn).await.ends_with(b"data: [DONE]\n\n"));
    }
}

#[tokio::test]
async fn a_connection_is_kept_alive() {
    let provider = provider(Options { protocol: Protocol::Http1, ..Options::default() }).await;
    let stream = TcpStream::connect(provider.address()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..20 {
        sender.ready().await.unwrap();
        let answer = sender.send_request(request("/v1/chat/completions", &[KEY], BODY)).await.unwrap();
        assert!(answer.into_body().collect().await.unwrap().to_bytes().ends_with(b"[DONE]\n\n"));
    }
}

#[tokio::test]
async fn a_stopped_provider_leaves_its_port_to_the_next() {
    let first = provider(Options::default()).await;
    let address = first.address();
    assert_eq!(send(&first, "/v1/models", &[KEY], "").await.status, 200);
    first.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    let second = provider(Options { listen: address, ..Options::default() }).await;
    let reply = chat(&second, serde_json::json!({"model": "m", "messages": [{}]})).await;
    assert_eq!(reply.status, 200);
}

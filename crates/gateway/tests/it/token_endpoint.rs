//! A token endpoint for tests: it answers what it is told to, and keeps what it was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What one request gets.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) after: Duration,
}

impl Given {
    /// A token that holds for some seconds.
    pub(crate) fn token(token: &str, seconds: u64) -> Given {
        let body = format!(r#"{{"access_token":"{token}","expires_in":{seconds},"token_type":"Bearer"}}"#);
        Given { status: 200, body, after: Duration::ZERO }
    }

    /// A refusal.
    pub(crate) fn error(status: u16, body: &str) -> Given {
        Given { status, body: body.to_owned(), after: Duration::ZERO }
    }
}

/// See the module's description.
#[derive(Clone)]
pub(crate) struct TokenEndpoint {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// The last is given again and again.
    answers: VecDeque<Given>,
    asked: Vec<String>,
}

impl TokenEndpoint {
    pub(crate) async fn start(answers: Vec<Given>) -> TokenEndpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let inner = Arc::new(Mutex::new(Inner { answers: answers.into(), asked: Vec::new() }));
        let endpoint = TokenEndpoint { address, inner };
        let serving = endpoint.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        endpoint
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// The forms that came.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.inner.lock().expect("whole").asked.clone()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut request = Vec::new();
        let body = loop {
            let mut piece = [0; 4_096];
            let read = stream.read(&mut piece).await.unwrap_or(0);
            if read == 0 {
                return;
            }
            request.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&request);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let lower = head.to_ascii_lowercase();
            assert!(lower.starts_with("post /token http/1.1\r\n"), "{head}");
            assert!(lower.contains("content-type: application/x-www-form-urlencoded"), "{head}");
            let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            if Some(body.len()) == length.and_then(|length| length.parse().ok()) {
                break body.to_owned();
            }
        };
        let given = {
            let mut inner = self.inner.lock().expect("whole");
            inner.asked.push(body);
            if inner.answers.len() > 1 { inner.answers.pop_front() } else { inner.answers.front().cloned() }
        };
        let Given { status, body, after } = given.expect("an answer");
        tokio::time::sleep(after).await;
        let head =
            format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        let _gone = stream.write_all((head + &body).as_bytes()).await;
    }
}

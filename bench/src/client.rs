//! A hand-written HTTP/1.1 client that costs next to nothing, so that it is not what is measured.

use std::io::{self, ErrorKind};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Keys of the generated tenants; connections take turns.
pub(crate) const KEYS: usize = 50;

/// Model of plain calls; also what the simulated provider makes of it.
pub(crate) const PLAIN_MODEL: &str = "sim-tokens-64";

/// Model of streams: 200 chunks of text, five milliseconds apart.
pub(crate) const STREAM_MODEL: &str = "sim-tokens-200.chunk-delay-5";

/// Bytes of a request body.
const BODY_BYTES: usize = 2048;

/// The secret of a tenant's key.
pub(crate) fn key(index: usize) -> String {
    format!("bench-key-{:03}-0123456789abcdef0123456789abcdef0123456789", index % KEYS)
}

/// A request as it goes over the wire.
pub(crate) fn request(port: u16, key_index: usize, is_stream: bool) -> Vec<u8> {
    let (model, extra) = if is_stream {
        (STREAM_MODEL, "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"max_tokens\":200,")
    } else {
        (PLAIN_MODEL, "\"max_tokens\":64,")
    };
    let head = format!("{{\"model\":\"{model}\",{extra}\"messages\":[{{\"role\":\"user\",\"content\":\"");
    let tail = "\"}]}";
    let words = "What may a relay cost when it counts every token twice? ";
    let text: String = words.chars().cycle().take(BODY_BYTES - head.len() - tail.len()).collect();
    let body = format!("{head}{text}{tail}");
    let key = key(key_index);
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nAccept: application/json\r\nUser-Agent: mandant-bench\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Whether it is a whole good answer.
    pub(crate) fn is_good(&self, is_stream: bool) -> bool {
        let end: &[u8] = if is_stream { b"data: [DONE]\n\n" } else { b"}" };
        self.status == 200 && self.body.trim_ascii_end().ends_with(end.trim_ascii_end())
    }

    /// Server-sent events in the body.
    pub(crate) fn events(&self) -> u64 {
        self.body.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"data:")).count() as u64
    }
}

/// A keep-alive connection.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> io::Result<Connection> {
        Connection::over(TcpStream::connect(("127.0.0.1", port)).await?)
    }

    pub(crate) fn over(stream: TcpStream) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        Ok(Connection { stream, received: Vec::with_capacity(64 << 10) })
    }

    /// Sends a request and reads its answer to the end.
    pub(crate) async fn call(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.received.clear();
        self.stream.write_all(request).await?;
        let head_end = self.read_until(0, b"\r\n\r\n").await?;
        let head = String::from_utf8_lossy(&self.received[..head_end]).to_ascii_lowercase();
        let status = head.get(9..12).and_then(|digits| digits.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        if let Some(length) = header(&head, "content-length") {
            let length: usize = length.parse().map_err(|_| ErrorKind::InvalidData)?;
            self.fill(head_end + length).await?;
            return Ok(Answer { status, body: self.received[head_end..head_end + length].to_vec() });
        }
        if header(&head, "transfer-encoding") != Some("chunked") {
            return Err(io::Error::new(ErrorKind::InvalidData, "an answer without a length"));
        }
        let body = self.read_chunks(head_end).await?;
        Ok(Answer { status, body })
    }

    async fn read_chunks(&mut self, mut position: usize) -> io::Result<Vec<u8>> {
        let mut body = Vec::with_capacity(8 << 10);
        loop {
            let line_end = self.read_until(position, b"\r\n").await?;
            let line = String::from_utf8_lossy(&self.received[position..line_end - 2]).into_owned();
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(|_| ErrorKind::InvalidData)?;
            if size == 0 {
                // Trailers end with an empty line; without any, the empty line follows at once.
                self.read_until(line_end - 2, b"\r\n\r\n").await?;
                return Ok(body);
            }
            self.fill(line_end + size + 2).await?;
            body.extend_from_slice(&self.received[line_end..line_end + size]);
            position = line_end + size + 2;
        }
    }

    /// The offset behind the first place of `pattern` from `start` on.
    async fn read_until(&mut self, start: usize, pattern: &[u8]) -> io::Result<usize> {
        let mut searched = start;
        loop {
            if let Some(at) = self.received[searched..].windows(pattern.len()).position(|window| window == pattern) {
                return Ok(searched + at + pattern.len());
            }
            searched = start.max(self.received.len().saturating_sub(pattern.len() - 1));
            self.read_more().await?;
        }
    }

    async fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.received.len() < length {
            self.read_more().await?;
        }
        Ok(())
    }

    async fn read_more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// A header's value in a lower-case head.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

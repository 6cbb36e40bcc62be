//! A blocking HTTP/1.1 client for stores on loopback: one request, one connection, no TLS, no redirects.
//!
//! Invariant: a body is handed on as it arrives, so that reading back 200 MB does not hold 200 MB.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// No store on loopback is silent for longer than this unless it is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// An answer's head, and its body still to be read.
pub struct Response {
    pub status: u16,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    pub body: BufReader<Body>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The whole body as text.
    pub fn text(mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.body.read_to_end(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| invalid("the body is not UTF-8"))
    }

    /// The whole body as JSON.
    pub fn json(self) -> io::Result<serde_json::Value> {
        serde_json::from_reader(self.body).map_err(Error::from)
    }

    /// Itself when the status is a success; else an error that quotes the body.
    pub fn success(self) -> io::Result<Response> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let status = self.status;
        Err(Error::other(format!("status {status}: {}", self.text()?)))
    }
}

/// Sends one request to `base` (`http://127.0.0.1:PORT`) and reads the answer's head.
pub fn request(
    method: &str,
    base: &str,
    path_and_query: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let authority = base
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'))
        .ok_or_else(|| invalid("only http:// is spoken here"))?;
    let mut stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;

    let mut head = format!("{method} {path_and_query} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes())?;
    // A server may answer and close before it has read all of the body (413): the answer then counts.
    let sent = stream.write_all(body);
    read_response(BufReader::new(stream)).or_else(|unread| sent.and(Err(unread)))
}

fn read_response(mut stream: BufReader<TcpStream>) -> io::Result<Response> {
    let status_line = read_line(&mut stream)?;
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| invalid("not an HTTP status line"))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(&mut stream)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header without a colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let find = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let rest = if matches!(status, 100..200 | 204 | 304) {
        Rest::Ended
    } else if find("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        Rest::NextChunk
    } else if let Some(length) = find("content-length") {
        Rest::Exactly(length.parse().map_err(|_| invalid("not a content-length"))?)
    } else {
        Rest::UntilClosed
    };
    Ok(Response { status, headers, body: BufReader::with_capacity(64 * 1024, Body { stream, rest }) })
}

/// An answer's body, whichever way the server delimits it.
pub struct Body {
    stream: BufReader<TcpStream>,
    rest: Rest,
}

enum Rest {
    Exactly(u64),
    UntilClosed,
    /// Before a chunk's size line.
    NextChunk,
    /// Inside a chunk, never at its end.
    InChunk(u64),
    Ended,
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Rest::NextChunk = self.rest {
            self.rest = match self.chunk_size()? {
                0 => Rest::Ended,
                size => Rest::InChunk(size),
            };
        }
        match self.rest {
            Rest::Ended | Rest::Exactly(0) => Ok(0),
            Rest::UntilClosed => self.stream.read(into),
            Rest::Exactly(left) => {
                let read = self.read_within(into, left)?;
                self.rest = Rest::Exactly(left - read as u64);
                Ok(read)
            }
            Rest::InChunk(left) => {
                let read = self.read_within(into, left)?;
                self.rest = Rest::InChunk(left - read as u64);
                if left == read as u64 {
                    read_line(&mut self.stream)?;
                    self.rest = Rest::NextChunk;
                }
                Ok(read)
            }
            Rest::NextChunk => Err(invalid("a chunk's size was just read")),
        }
    }
}

impl Body {
    fn read_within(&mut self, into: &mut [u8], left: u64) -> io::Result<usize> {
        let wanted = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match self.stream.read(&mut into[..wanted])? {
            0 if wanted > 0 => Err(ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }

    fn chunk_size(&mut self) -> io::Result<u64> {
        let line = read_line(&mut self.stream)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).map_err(|_| invalid("not a chunk size"))?;
        if size == 0 {
            while !read_line(&mut self.stream)?.is_empty() {}
        }
        Ok(size)
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn invalid(reason: &str) -> Error {
    Error::new(ErrorKind::InvalidData, reason)
}

/// `text` as it may stand in a query string.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

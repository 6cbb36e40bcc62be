//! Just enough HTTP/1.1 for a server on loopback: a head, a body by Content-Length or in chunks, an answer.
//!
//! Invariant: `read_head` takes the head's bytes from the socket and not one more, so that a body that is never read
//! still lies there when the connection is closed, which is what makes the kernel send a reset.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read};
use std::net::TcpStream;

/// One request as it came.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// After the `?`, as it came.
    pub query: String,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// Chunks put together; still compressed where it was.
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of one parameter of the query, percent-decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.into_iter().find(|&(key, _)| key == name).map(|(_, value)| percent_decode(value))
    }

    fn content_length(&self) -> Option<usize> {
        self.header("content-length")?.parse().ok()
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }
}

/// One answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Close the connection after it.
    pub close: bool,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, headers: Vec::new(), body: body.into(), close: false }
    }

    pub fn json(status: u16, body: &serde_json::Value) -> Answer {
        Answer::new(status, body.to_string()).header("Content-Type", "application/json; charset=UTF-8")
    }

    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        // A reason phrase is for people only; clients read the number.
        let mut bytes = format!("HTTP/1.1 {} Double\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if self.close {
            bytes.extend_from_slice(b"Connection: close\r\n");
        }
        if self.status != 204 && self.status != 304 {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Reads the next request's head; `None` when the client has closed the connection.
pub fn read_head(mut stream: &TcpStream) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    let mut window = [0; 4096];
    loop {
        let peeked = stream.peek(&mut window)?;
        if peeked == 0 {
            return if head.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
        }
        let known = head.len();
        head.extend_from_slice(&window[..peeked]);
        let from = known.saturating_sub(3);
        let end = head[from..].windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4);
        let taken = end.map_or(peeked, |end| end - known);
        stream.read_exact(&mut window[..taken])?;
        if let Some(end) = end {
            head.truncate(end);
            return parse_head(&head).map(Some);
        }
    }
}

fn parse_head(head: &[u8]) -> io::Result<Request> {
    let head = std::str::from_utf8(head).map_err(|_| invalid("a head that is not UTF-8"))?;
    let mut lines = head.split("\r\n").take_while(|line| !line.is_empty());
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(_version)) = (words.next(), words.next(), words.next()) else {
        return Err(invalid("not a request line"));
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header without a colon"))?;
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(request)
}

/// Reads the body that `head` announces.
pub fn read_body(mut stream: &TcpStream, head: &Request) -> io::Result<Vec<u8>> {
    if head.is_chunked() {
        return read_chunks(stream);
    }
    let mut body = vec![0; head.content_length().unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// Reads about half of the body and returns while at least one byte of it lies unread in the socket.
pub fn read_half_a_body(mut stream: &TcpStream, head: &Request) -> io::Result<()> {
    let mut half = vec![0; head.content_length().unwrap_or(0) / 2];
    stream.read_exact(&mut half)?;
    stream.peek(&mut [0]).map(|_| ())
}

fn read_chunks(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let mut body = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| invalid("not a chunk size"))?;
        let known = body.len();
        body.resize(known + size, 0);
        reader.read_exact(&mut body[known..])?;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            // After a chunk one empty line; after the last one trailers, then an empty line.
            if line.trim_end().is_empty() {
                break;
            }
        }
        if size == 0 {
            // Whatever else was read belongs to a pipelined request, which no client of ours sends.
            return if reader.buffer().is_empty() { Ok(body) } else { Err(invalid("pipelining is not spoken here")) };
        }
    }
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%' && tail.len() >= 2)
            .then(|| std::str::from_utf8(&tail[..2]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn invalid(reason: &str) -> Error {
    Error::new(ErrorKind::InvalidData, reason)
}

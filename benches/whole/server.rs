//! A store that only counts, in a process of its own: takes Loki pushes and bulk requests, keeps their bodies, and
//! decodes them when it is asked what it found, which is after the clock has stopped.
//!
//! **Invariant**: it ends when the process that started it does (its stdin ends), however that came about.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::decode::{self, Found};

/// A request's body.
struct Body {
    is_bulk: bool,
    is_gzip: bool,
    /// When it was there, in nanoseconds since 1970.
    came: i64,
    bytes: Vec<u8>,
}

type Bodies = Arc<Mutex<Vec<Body>>>;

/// The server's process.
pub fn serve() -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no port: {error}"))?;
    let address = listener.local_addr().map_err(|error| format!("no port: {error}"))?;
    println!("{}", address.port());
    let bodies = Bodies::default();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bodies = Arc::clone(&bodies);
            std::thread::spawn(move || {
                if let Err(error) = answer_all(&stream, &bodies) {
                    eprintln!("serve: {error}");
                }
            });
        }
    });
    // Whatever comes, it is over when nothing more can.
    drop(io::copy(&mut io::stdin(), &mut io::sink()));
    Ok(())
}

/// Answers the requests of one connection.
fn answer_all(stream: &TcpStream, bodies: &Bodies) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    let mut writer = stream;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut length, mut is_gzip) = (0, false);
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
                "content-encoding" => is_gzip = value.trim() == "gzip",
                "transfer-encoding" => return Err(io::Error::other("a body in chunks, whose size nobody knows")),
                _ => {}
            }
        }
        let mut bytes = Vec::with_capacity(length);
        reader.by_ref().take(length as u64).read_to_end(&mut bytes)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let came = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        let mut kept = bodies.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match path.as_str() {
            "/found" => of_text(&found(&std::mem::take(&mut *kept))),
            "/late" => of_text(&late(&std::mem::take(&mut *kept))),
            "/requests" => of_text(&kept.len().to_string()),
            _ => {
                let is_bulk = path.contains("_bulk");
                kept.push(Body { is_bulk, is_gzip, came, bytes });
                let stored = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
                if is_bulk { of_text("{\"errors\":false}") } else { stored }
            }
        };
        drop(kept);
        writer.write_all(answer.as_bytes())?;
        line.clear();
    }
    Ok(())
}

fn of_text(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

fn found(bodies: &[Body]) -> String {
    let mut found = Found::default();
    for body in bodies {
        let done = if body.is_bulk {
            decode::bulk(&body.bytes, body.is_gzip, &mut found)
        } else {
            decode::push(&body.bytes, &mut found)
        };
        if let Err(problem) = done {
            return problem;
        }
    }
    let Found { requests, body_bytes, plain_bytes, lines, text_bytes } = found;
    format!("{requests} {body_bytes} {plain_bytes} {lines} {text_bytes}")
}

/// Of each line when it came and the time that it says, both in nanoseconds since 1970.
fn late(bodies: &[Body]) -> String {
    let mut out = String::new();
    for body in bodies.iter().filter(|body| !body.is_bulk) {
        if let Err(problem) = decode::times(&body.bytes, &mut |time| out += &format!("{} {time}\n", body.came)) {
            return problem;
        }
    }
    out
}

/// The server as its parent sees it.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub fn start() -> Result<Server, String> {
        let failed = |error: io::Error| format!("the counting server does not start: {error}");
        let program = std::env::current_exe().map_err(failed)?;
        let mut child =
            Command::new(program).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("no stdout")?;
        BufReader::new(stdout).read_line(&mut line).map_err(failed)?;
        let port = line.trim().parse().map_err(|_| format!("the counting server said `{line}`"))?;
        Ok(Server { child, port })
    }

    pub fn connect(&self) -> Result<TcpStream, String> {
        connect(self.port)
    }

    /// How many requests came to the server at `port` since it was asked what it found.
    pub fn requests_at(port: u16) -> Result<u64, String> {
        ask(port, "/requests")?.parse().map_err(|_| "no number of requests".to_owned())
    }

    /// What was in the bodies that came since it was asked last.
    pub fn found(&self) -> Result<Found, String> {
        let text = ask(self.port, "/found")?;
        let numbers: Vec<u64> = text.split(' ').map_while(|number| number.parse().ok()).collect();
        let [requests, body_bytes, plain_bytes, lines, text_bytes] = numbers[..] else { return Err(text) };
        Ok(Found { requests, body_bytes, plain_bytes, lines, text_bytes })
    }
}

impl Server {
    /// Of each line pushed since the server was asked last, how many milliseconds it came after the time that it says, or after
    /// `began` (nanoseconds since 1970) where that is given.
    pub fn late(&self, began: i64) -> Result<Vec<f64>, String> {
        let text = ask(self.port, "/late")?;
        let of = |line: &str| {
            let (came, time) = line.split_once(' ')?;
            let (came, time) = (came.parse::<i64>().ok()?, time.parse::<i64>().ok()?);
            Some((came - if began > 0 { began } else { time }) as f64 / 1e6)
        };
        text.lines().map(|line| of(line).ok_or_else(|| format!("the counting server said `{line}`"))).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its stdin ends, so it does.
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

fn connect(port: u16) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| format!("connect: {error}"))?;
    stream.set_nodelay(true).map_err(|error| format!("connect: {error}"))?;
    Ok(stream)
}

fn ask(port: u16, path: &str) -> Result<String, String> {
    let failed = |error: io::Error| format!("the counting server: {error}");
    let mut stream = connect(port)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes()).map_err(failed)?;
    stream.shutdown(std::net::Shutdown::Write).map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).ok_or_else(|| "no answer".to_owned())
}

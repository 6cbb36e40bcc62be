//! The admin port: `/metrics`, `/status`, `/livez` and `/readyz`, for Prometheus, the kubelet and people.
//!
//! - this file: the port and its pages
//! - [`status`]: the page `/status`
//!
//! **Invariant**: whoever connects can neither change anything nor hold anything for long: reading only, one request
//! a connection, a bounded number of connections, short headers, and a time limit on each. There is no
//! authentication; it listens on loopback unless told otherwise.

pub mod status;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::metrics;
use crate::model::settings::{Key, Section};

/// The keys of `admin`.
pub const KEYS: &[Key] = &[
    Key {
        name: "listen",
        kind: "address and port",
        default: "127.0.0.1:9880",
        help: "where `/metrics`, `/status`, `/livez` and `/readyz` are answered; everyone who reaches it may read them",
    },
    Key {
        name: "stuck_after",
        kind: "duration",
        default: "2m",
        help: "`/livez` fails when a pipeline's or the follower's loop has not turned for so long; a store that is down does not stop them",
    },
    Key {
        name: "series_per_workload",
        kind: "true or false",
        default: "false",
        help: "whether `/metrics` has series per namespace, pod and container; `/status` always has their counts",
    },
];

/// What is answered.
pub const PAGES: [&str; 4] = ["/metrics", "/status", "/livez", "/readyz"];

/// The most connections at a time; more wait in the kernel.
const CONNECTIONS_MAX: usize = 32;
/// The most headers of a request, and bytes of all of them.
const HEADERS_MAX: usize = 32;
const HEADER_BYTES_MAX: usize = 8 << 10;
/// The longest time until the headers are there, and for the whole exchange.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
const DONE_WITHIN: Duration = Duration::from_secs(30);
/// The most `/status` pages under way at a time: with many files they are long.
const STATUS_MAX: usize = 2;
/// A pause after a connection could not be accepted, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Address and port.
    pub listen: SocketAddr,
    /// A loop that has not turned for so long is stuck.
    pub stuck_after: Duration,
    /// Whether there are series per workload.
    pub series_per_workload: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9880),
            stuck_after: Duration::from_secs(120),
            series_per_workload: false,
        }
    }
}

impl Settings {
    /// Reads the map under `admin`.
    pub fn read(section: &mut Section<'_>) -> Self {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| "expected an address and a port, such as `127.0.0.1:9880` or `[::]:9880`".to_owned())
        };
        let default = Self::default();
        Self {
            listen: section.parsed("listen", parse).unwrap_or(default.listen),
            stuck_after: section.duration("stuck_after").unwrap_or(default.stuck_after),
            series_per_workload: section.truth("series_per_workload").unwrap_or(default.series_per_workload),
        }
    }
}

/// Why not, in a few words; they are shown to whoever asks.
pub type Health = Result<(), String>;

/// A page that is put together when it is asked for.
pub type Page = Box<dyn Fn() -> Pin<Box<dyn Future<Output = String> + Send>> + Send + Sync>;

/// What is asked of the program.
pub struct Answers {
    /// The series in Prometheus' text format.
    pub metrics: Page,
    /// How things stand, in JSON.
    pub status: Page,
    /// Whether the program works; if not, it should be started anew.
    pub live: Box<dyn Fn() -> Health + Send + Sync>,
    /// Whether the program has begun its work.
    pub ready: Box<dyn Fn() -> Health + Send + Sync>,
    /// Whether every store takes something: asked for by `/readyz?sinks=1` only.
    pub sinks: Box<dyn Fn() -> Health + Send + Sync>,
}

/// The admin port, open.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
}

impl Admin {
    /// Opens the port.
    pub async fn bind(settings: &Settings) -> Result<Self, String> {
        let listen = settings.listen;
        let listener = TcpListener::bind(listen).await;
        let listener = listener.map_err(|error| format!("cannot listen on `{listen}` for the admin port: {error}"))?;
        Ok(Self { listener })
    }

    /// Where it listens, which tells the port if it was typed as 0.
    pub fn address(&self) -> Result<SocketAddr, String> {
        self.listener.local_addr().map_err(|error| format!("the admin port has no address: {error}"))
    }

    /// Answers until dropped.
    pub async fn serve(self, answers: Answers) -> Infallible {
        let answers = Arc::new(answers);
        let pages = Arc::new(Semaphore::new(STATUS_MAX));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, Arc::clone(&answers), Arc::clone(&pages)));
                    }
                    Err(error) => {
                        tracing::debug!("the admin port could not accept a connection: {error}");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_ended) = connections.join_next() => {}
            }
        }
    }
}

async fn connection(stream: TcpStream, answers: Arc<Answers>, pages: Arc<Semaphore>) {
    // Kept until all of the page is sent.
    let kept = Arc::new(Mutex::new(None));
    let service = service_fn(move |request: Request<Incoming>| {
        let (answers, pages, kept) = (Arc::clone(&answers), Arc::clone(&pages), Arc::clone(&kept));
        async move {
            let (method, uri) = (request.method(), request.uri());
            let with_sinks = uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "sinks=1"));
            Ok::<_, Infallible>(respond(method, uri.path(), with_sinks, &answers, pages, &kept).await)
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(DONE_WITHIN, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a connection to the admin port ended early: {error}"),
        Err(_) => tracing::debug!("a connection to the admin port took too long"),
    }
}

async fn respond(
    method: &Method,
    path: &str,
    with_sinks: bool,
    answers: &Answers,
    pages: Arc<Semaphore>,
    kept: &Mutex<Option<OwnedSemaphorePermit>>,
) -> Response<Full<Bytes>> {
    if !PAGES.contains(&path) {
        return text(StatusCode::NOT_FOUND, format!("not found; known: {}\n", PAGES.join(", ")));
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/metrics" => page(StatusCode::OK, (answers.metrics)().await, HeaderValue::from_static(metrics::CONTENT_TYPE)),
        "/status" => {
            let Ok(permit) = pages.try_acquire_owned() else {
                return text(StatusCode::SERVICE_UNAVAILABLE, "others are being told; ask again\n".to_owned());
            };
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
            page(StatusCode::OK, (answers.status)().await, HeaderValue::from_static("application/json"))
        }
        "/livez" => health((answers.live)()),
        _ if with_sinks => health((answers.ready)().and_then(|()| (answers.sinks)())),
        _ => health((answers.ready)()),
    }
}

fn health(health: Health) -> Response<Full<Bytes>> {
    match health {
        Ok(()) => text(StatusCode::OK, "ok\n".to_owned()),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    page(status, text, HeaderValue::from_static("text/plain; charset=utf-8"))
}

fn page(status: StatusCode, text: String, kind: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test is a client of the port")]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    /// Runs `client` on a thread of its own against an open port.
    fn with_port<R: Send + 'static>(client: impl FnOnce(SocketAddr, &AtomicBool) -> R + Send + 'static) -> R {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
            let admin = Admin::bind(&Settings { listen, ..Settings::default() }).await.expect("a free port");
            let address = admin.address().expect("an address");
            let ready = Arc::new(AtomicBool::new(false));
            let asked = Arc::clone(&ready);
            let not_yet = move || if asked.load(Ordering::Relaxed) { Ok(()) } else { Err("not yet".to_owned()) };
            let answers = Answers {
                metrics: said("tailwater_lines_read_total{pipeline=\"loki\"} 0\n"),
                status: said("{\"pipelines\":[]}\n"),
                live: Box::new(|| Ok(())),
                ready: Box::new(not_yet),
                sinks: Box::new(|| Err("refusing: loki".to_owned())),
            };
            let client = tokio::task::spawn_blocking(move || client(address, &ready));
            tokio::select! {
                never = admin.serve(answers) => match never {},
                result = client => result.expect("the client does not panic"),
            }
        })
    }

    fn said(text: &'static str) -> Page {
        Box::new(move || Box::pin(async move { text.to_owned() }))
    }

    fn send(address: SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(text.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer to the end");
        answer
    }

    fn get(address: SocketAddr, method: &str, path: &str) -> String {
        send(address, &format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    #[test]
    fn the_pages() {
        with_port(|address, ready| {
            let page = get(address, "GET", "/metrics");
            assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
            assert!(page.contains("content-type: text/plain; version=0.0.4"), "{page}");
            assert!(page.ends_with("\ntailwater_lines_read_total{pipeline=\"loki\"} 0\n"), "{page}");
            let page = get(address, "GET", "/status");
            assert!(
                page.contains("content-type: application/json") && page.ends_with("{\"pipelines\":[]}\n"),
                "{page}"
            );
            assert!(get(address, "GET", "/livez").ends_with("\r\n\r\nok\n"));
            let page = get(address, "GET", "/readyz?verbose");
            assert!(page.starts_with("HTTP/1.1 503 ") && page.ends_with("\r\n\r\nnot yet\n"), "{page}");
            ready.store(true, Ordering::Relaxed);
            assert!(get(address, "GET", "/readyz").starts_with("HTTP/1.1 200 "));
            assert!(get(address, "GET", "/readyz?sinks=0").starts_with("HTTP/1.1 200 "));
            let page = get(address, "GET", "/readyz?sinks=1");
            assert!(page.starts_with("HTTP/1.1 503 ") && page.ends_with("\r\n\r\nrefusing: loki\n"), "{page}");
            let page = get(address, "HEAD", "/livez");
            assert!(page.starts_with("HTTP/1.1 200 ") && page.ends_with("\r\n\r\n"), "{page}");
            assert!(get(address, "GET", "/").starts_with("HTTP/1.1 404 "));
            let page = get(address, "POST", "/metrics");
            assert!(page.starts_with("HTTP/1.1 405 ") && page.contains("allow: GET, HEAD"), "{page}");
        });
    }

    #[test]
    fn nobody_can_be_a_burden() {
        with_port(|address, _| {
            let long = format!("GET /livez HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
            let mut stream = TcpStream::connect(address).expect("a connection");
            // The other side may close before it has read all of it.
            let _may_break = stream.write_all(long.as_bytes());
            let mut answer = Vec::new();
            let _may_break = stream.read_to_end(&mut answer);
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
            let many = (0..40).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
            assert!(send(address, &format!("GET /livez HTTP/1.1\r\n{many}\r\n")).starts_with("HTTP/1.1 431 "));
            assert!(send(address, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
        });
    }

    #[test]
    fn more_connections_than_allowed_wait_their_turn() {
        with_port(|address, _| {
            let mut held: Vec<_> = (0..CONNECTIONS_MAX).map(|_| TcpStream::connect(address).expect("open")).collect();
            // These have sent nothing, so all places are taken; one more is answered when one of them goes.
            let late = thread::spawn(move || get(address, "GET", "/livez"));
            held.truncate(CONNECTIONS_MAX / 2);
            assert!(late.join().expect("no panic").starts_with("HTTP/1.1 200 "));
        });
    }

    /// The runtime's clock is not the wall's here: where all wait, it goes to the next time that somebody waits for.
    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_shown_the_door() {
        let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let admin = Admin::bind(&Settings { listen, ..Settings::default() }).await.expect("a free port");
        let address = admin.address().expect("an address");
        let (live, ready): (Box<dyn Fn() -> Health + Send + Sync>, _) = (Box::new(|| Ok(())), Box::new(|| Ok(())));
        let sinks = Box::new(|| Ok(()));
        let serving = tokio::spawn(admin.serve(Answers { metrics: said(""), status: said(""), live, ready, sinks }));
        let began = tokio::time::Instant::now();
        let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
        stream.try_write(b"GET /livez HTTP/1.1\r\nX: ").expect("room");
        let mut buffer = [0; 1024];
        loop {
            stream.readable().await.expect("an end");
            match stream.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
        let after = began.elapsed();
        assert!(after >= HEADERS_WITHIN && after < DONE_WITHIN, "{after:?}");
        serving.abort();
    }

    #[test]
    fn a_taken_port_is_said_plainly() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let listen = taken.local_addr().expect("an address");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let error = runtime.block_on(Admin::bind(&Settings { listen, ..Settings::default() })).expect_err("taken");
        assert!(error.starts_with(&format!("cannot listen on `{listen}` for the admin port: ")), "{error}");
    }
}

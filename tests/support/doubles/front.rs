//! What stands between a client and a double: TLS with certificates of our own making, and HTTP proxies.
//!
//! Invariant: what passes is not changed, but for the address in a request to a proxy; who asked for what is remembered
//! before it is passed on.
//!
//! Absent: bodies in chunks, which no client of ours sends and no double answers with.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Who signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate and its key, in PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
    chain: rcgen::Certificate,
    pair: KeyPair,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for these names and addresses.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.issue_until(names, 4096)
    }

    /// The same, and its last day is the first of this year.
    pub fn issue_until(&self, names: &[&str], year: i32) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let pair = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(names).expect("legal names");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let chain = params.signed_by(&pair, &self.issuer).expect("a certificate");
        Identity { certificate: chain.pem(), key: pair.serialize_pem(), chain, pair }
    }
}

/// A running front; it stops when dropped.
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
    /// Of TLS: with what new connections are met.
    config: Option<Arc<Mutex<Arc<ServerConfig>>>>,
}

#[derive(Default)]
struct Shared {
    /// Heads of requests to a proxy; of TLS, what clients came with.
    seen: Mutex<Vec<String>>,
    stopping: AtomicBool,
}

impl Front {
    /// TLS before the double at `to`. Clients must have a certificate of `clients`, where there is one.
    pub fn tls(to: &str, identity: &Identity, clients: Option<&Authority>) -> Front {
        let to = authority_of(to).to_owned();
        let config = Arc::new(Mutex::new(Arc::new(server(identity, clients))));
        let current = Arc::clone(&config);
        let mut front = Front::start(move |stream, shared| {
            let config = Arc::clone(&current.lock().unwrap_or_else(PoisonError::into_inner));
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream);
            while stream.conn.is_handshaking() {
                if let Err(error) = stream.conn.complete_io(&mut stream.sock) {
                    shared.remember(format!("refused: {error}"));
                    return linger(&stream.sock);
                }
            }
            relay(&mut stream, &to)
        });
        front.config = Some(config);
        front
    }

    /// Meets new connections with another certificate; open ones go on. Only of TLS without clients' certificates.
    pub fn renew(&self, identity: &Identity) {
        let config = self.config.as_ref().expect("a front of TLS");
        *config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(server(identity, None));
    }

    /// A proxy: tunnels for `CONNECT`, requests for everything else.
    pub fn proxy() -> Front {
        Front::start(|mut stream, shared| {
            while let Some(message) = read_message(&mut stream)? {
                let text = String::from_utf8_lossy(&message).into_owned();
                let (head, _) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
                shared.remember(head.to_owned());
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                if head.starts_with("CONNECT ") {
                    let upstream = TcpStream::connect(&target)?;
                    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
                    return tunnel(&stream, &upstream);
                }
                let host = authority_of(&target);
                let path = target.split_once(host).map_or("/", |(_, path)| path);
                let mut upstream = TcpStream::connect(host)?;
                let line = text.find(&target).unwrap_or_default();
                upstream.write_all(&message[..line])?;
                upstream.write_all(path.as_bytes())?;
                upstream.write_all(&message[line + target.len()..])?;
                let answer = read_message(&mut upstream)?.ok_or(ErrorKind::UnexpectedEof)?;
                stream.write_all(&answer)?;
            }
            Ok(())
        })
    }

    fn start(serve: impl Fn(TcpStream, &Shared) -> io::Result<()> + Send + Sync + 'static) -> Front {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::<Shared>::default();
        let (known, serve) = (Arc::clone(&shared), Arc::new(serve));
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if known.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (known, serve) = (Arc::clone(&known), Arc::clone(&serve));
                // An error is the client's, or the double's that closed: there is nobody to tell.
                thread::spawn(move || stream.and_then(|stream| serve(stream, &known)));
            }
        });
        Front { address, shared, accepting: Some(accepting), config: None }
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What was asked so far, or why clients were refused.
    pub fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn remember(&self, what: String) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Only to wake the thread that accepts.
        _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            // It can only have panicked, and then it does not listen either.
            _ = accepting.join();
        }
    }
}

fn server(identity: &Identity, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().expect("ring has them");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.der().clone()).expect("a certificate of our own");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.pair.serialize_der()));
    builder.with_single_cert(vec![identity.chain.der().clone()], key).expect("a certificate and its key")
}

/// Requests from `client` to the double, answers back, until one of them closes.
fn relay(client: &mut (impl Read + Write), to: &str) -> io::Result<()> {
    let mut upstream = TcpStream::connect(to)?;
    while let Some(request) = read_message(client)? {
        upstream.write_all(&request)?;
        let Some(answer) = read_message(&mut upstream)? else { return Ok(()) };
        client.write_all(&answer)?;
        client.flush()?;
    }
    Ok(())
}

/// Bytes both ways, until both sides have closed.
fn tunnel(client: &TcpStream, upstream: &TcpStream) -> io::Result<()> {
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        // Whoever broke off, the other side hears of it.
        _ = io::copy(&mut from, &mut to);
        _ = to.shutdown(Shutdown::Write);
    };
    thread::scope(|scope| {
        scope.spawn(|| copy(upstream, client));
        copy(client, upstream);
    });
    Ok(())
}

/// Closes so that what was said last arrives: bytes left unread would make the kernel send a reset over it.
fn linger(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    while stream.read(&mut [0; 4096])? > 0 {}
    Ok(())
}

/// A head and the body that its Content-Length announces; `None` when the other side has closed.
fn read_message(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    let mut byte = [0];
    while !message.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return if message.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
        }
        message.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&message).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let known = message.len();
    message.resize(known + length.unwrap_or(0_usize), 0);
    stream.read_exact(&mut message[known..])?;
    Ok(Some(message))
}

/// `host:port` of a URL.
fn authority_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

//! Requests over HTTP.
//!
//! - [`settings`]: what may be said about the connections
//! - `auth`: who we are
//! - `endpoints`: which node gets the next request
//! - this file: the client
//!
//! **Invariant**: it sends a request once, to one node (to the next one only where no connection came about, and
//! once more where a secret's file has changed), and says what came back. It follows no redirects and decides nothing
//! about retries. What it says in words names no credentials.

mod auth;
mod endpoints;
pub mod settings;

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, fs, io};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Identity, NoProxy, Proxy, Url, redirect};
use rustls::AlertDescription;
use tokio::time::Instant;

use super::secret::mask;
use super::{Sent, Transport};
use crate::model::sink::Request;
use auth::Credentials;
use endpoints::Endpoints;
use settings::{Endpoint, Proxying, Tls};
pub use settings::{KEYS, Settings};

/// Connections that did nothing for this long are closed, sooner than most load balancers drop them.
const IDLE: Duration = Duration::from_secs(30);

/// A sink's connections to its store. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    state: Mutex<State>,
}

struct State {
    client: reqwest::Client,
    /// When `client` was made.
    made: Instant,
    credentials: Credentials,
    endpoints: Endpoints,
}

/// All that one attempt needs.
struct Attempt {
    client: reqwest::Client,
    index: usize,
    url: Url,
    headers: HeaderMap,
}

/// Why no answer came.
struct Failure {
    /// There was no connection, so the store saw nothing of the request.
    unconnected: bool,
    /// One side does not trust the other's certificate.
    untrusted: bool,
    words: String,
}

impl Client {
    /// Reads secrets and certificates and opens nothing. Must be called within a tokio runtime.
    pub fn new(settings: Settings) -> Result<Self, String> {
        if settings.urls.is_empty() {
            return Err("there is no URL to send to".to_owned());
        }
        let state = State {
            client: build(&settings)?,
            made: Instant::now(),
            credentials: Credentials::read(&settings)?,
            endpoints: Endpoints::new(settings.urls.len()),
        };
        Ok(Self { shared: Arc::new(Shared { settings, state: Mutex::new(state) }) })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Transport for Client {
    fn send(&self, request: Request, answer_max: usize) -> impl Future<Output = Sent> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move { shared.send(request, answer_max).await }
    }

    fn mask(&self, words: &str) -> String {
        mask(words, self.shared.state().credentials.secrets())
    }
}

impl Shared {
    async fn send(&self, request: Request, answer_max: usize) -> Sent {
        let mut nodes_left = self.settings.urls.len();
        let mut fresh_secrets = false;
        loop {
            let attempt = match self.prepare(&request) {
                Ok(attempt) => attempt,
                Err(words) => return Sent::Nothing(words),
            };
            let index = attempt.index;
            nodes_left = nodes_left.saturating_sub(1);
            match self.attempt(attempt, &request, answer_max).await {
                Ok((401 | 403, _)) if !fresh_secrets && self.read_secrets_again() => {
                    fresh_secrets = true;
                    nodes_left += 1;
                }
                Ok((status, body)) => {
                    // Behind these stands a node that does not work, whatever the others do.
                    if matches!(status, 502..=504) {
                        self.state().endpoints.rest(index, Instant::now());
                    } else {
                        self.state().endpoints.wake(index);
                    }
                    return Sent::Answer { status, body };
                }
                Err(failure) => {
                    self.state().endpoints.rest(index, Instant::now());
                    match (failure.untrusted, failure.unconnected && nodes_left > 0) {
                        (_, true) => {}
                        (true, false) => return Sent::Untrusted(failure.words),
                        (false, false) => return Sent::Nothing(failure.words),
                    }
                }
            }
        }
    }

    /// Chooses the node, and makes the connections anew if they are old.
    fn prepare(&self, request: &Request) -> Result<Attempt, String> {
        let now = Instant::now();
        let mut state = self.state();
        if now.duration_since(state.made) >= self.settings.connection_max_age {
            state.made = now;
            match build(&self.settings) {
                Ok(client) => state.client = client,
                // What was good five minutes ago is better than nothing; a certificate may just be being replaced.
                Err(error) => tracing::warn!("connections are not made anew, the old ones stay in use: {error}"),
            }
        }
        let index = state.endpoints.turn(now);
        let endpoint = self.settings.urls.get(index).ok_or("there is no URL to send to")?;
        let mut headers = HeaderMap::new();
        for header in &self.settings.headers {
            headers.append(&header.name, header.value.clone());
        }
        for (name, text) in &request.headers {
            let wrong = || format!("header `{name}` cannot be sent");
            // Sinks write names as people do; `from_static` would panic at a capital letter.
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            headers.insert(name, HeaderValue::try_from(text.as_str()).map_err(|_| wrong())?);
        }
        if let Some(value) = state.credentials.header(index) {
            headers.insert(AUTHORIZATION, value.clone());
        }
        Ok(Attempt { client: state.client.clone(), index, url: join(endpoint, &request.path)?, headers })
    }

    async fn attempt(&self, attempt: Attempt, request: &Request, answer_max: usize) -> Result<(u16, Vec<u8>), Failure> {
        let failure = |error: reqwest::Error| self.failure(&self.settings.urls[attempt.index], &error);
        let sending = attempt.client.post(attempt.url).headers(attempt.headers).body(request.body.clone());
        let mut response = sending.send().await.map_err(failure)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            let room = answer_max.saturating_sub(body.len());
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                // The connection goes with the rest of the answer.
                break;
            }
        }
        Ok((response.status().as_u16(), body))
    }

    /// Says why no answer came: the node, what happened, and the system's own words.
    fn failure(&self, endpoint: &Endpoint, error: &reqwest::Error) -> Failure {
        let mut deepest: &dyn Error = error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        let words = match (error.is_connect(), error.is_timeout()) {
            (true, true) => format!("cannot connect to `{endpoint}` within `{:?}`", self.settings.connect_timeout),
            (true, false) => format!("cannot connect to `{endpoint}`: {deepest}"),
            (false, true) => format!("no answer from `{endpoint}` within `{:?}`", self.settings.timeout),
            (false, false) => format!("the connection to `{endpoint}` broke: {deepest}"),
        };
        let words = mask(&words, self.state().credentials.secrets());
        Failure { unconnected: error.is_connect(), untrusted: is_untrusted(error), words }
    }

    /// Reads the secrets' files; says whether something else would be sent now.
    fn read_secrets_again(&self) -> bool {
        match Credentials::read(&self.settings) {
            Ok(fresh) => {
                let mut state = self.state();
                let changed = !fresh.sends_the_same(&state.credentials);
                state.credentials = fresh;
                changed
            }
            Err(error) => {
                tracing::warn!("the secret that was refused cannot be read again: {error}");
                false
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here is left half done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the connection failed for a certificate: the store's, which we do not trust, or ours, which it misses or
/// does not trust.
fn is_untrusted(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        match error.downcast_ref() {
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => return true,
            Some(rustls::Error::AlertReceived(alert)) => return REFUSALS.contains(alert),
            _ => {}
        }
        // An `io::Error` does not name what it wraps as its source, but that one's source.
        let wrapped = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        next = wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source());
    }
    false
}

/// How a server says that it does not take our certificate, or that it misses one.
const REFUSALS: [AlertDescription; 9] = [
    AlertDescription::HandshakeFailure,
    AlertDescription::NoCertificate,
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::UnknownCA,
    AlertDescription::AccessDenied,
    AlertDescription::CertificateRequired,
];

/// `path` behind the endpoint's prefix; not twice where somebody typed the whole address.
fn join(endpoint: &Endpoint, path: &str) -> Result<Url, String> {
    let prefix = endpoint.url.path().trim_end_matches('/');
    let (bare, query) = path.split_once('?').map_or((path, None), |(bare, query)| (bare, Some(query)));
    let mut url = endpoint.url.clone();
    url.set_path(&if prefix.ends_with(bare) { prefix.to_owned() } else { format!("{prefix}{bare}") });
    url.set_query(query);
    Ok(url)
}

fn build(settings: &Settings) -> Result<reqwest::Client, String> {
    // Only the first call installs it; the later ones find it there, which is what is wanted.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("tailwater/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .timeout(settings.timeout)
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .retry(reqwest::retry::never());
    let needs_tls = settings.urls.iter().any(|endpoint| endpoint.url.scheme() == "https")
        || match &settings.proxy {
            Proxying::Through(proxy) => proxy.url.scheme() == "https",
            Proxying::Direct => false,
            Proxying::Environment => proxies_need_tls(),
        };
    builder = if needs_tls { tls(builder, &settings.tls)? } else { builder.tls_certs_only([]) };
    builder = match &settings.proxy {
        Proxying::Environment => builder,
        Proxying::Direct => builder.no_proxy(),
        Proxying::Through(endpoint) => {
            let proxy = Proxy::all(endpoint.url.clone()).map_err(|error| problem("`proxy` cannot be used", &error))?;
            let proxy = match &endpoint.basic {
                Some((user, password)) => proxy.basic_auth(user, password.reveal()),
                None => proxy,
            };
            builder.proxy(proxy.no_proxy(None::<NoProxy>))
        }
    };
    builder.build().map_err(|error| problem("no connections can be made", &error))
}

/// Without `https` there is nothing to verify, and the system's certificates (which a small container has not) are
/// not asked for.
fn tls(mut builder: reqwest::ClientBuilder, tls: &Tls) -> Result<reqwest::ClientBuilder, String> {
    let read = |path: &std::path::Path| {
        fs::read(path).map_err(|error| format!("cannot read the certificate or key in `{}`: {error}", path.display()))
    };
    if let Some(path) = &tls.ca_file {
        let wrong = |error| problem(&format!("`{}` holds no PEM certificates", path.display()), &error);
        let certificates = Certificate::from_pem_bundle(&read(path)?).map_err(wrong)?;
        if certificates.is_empty() {
            return Err(format!("`{}` holds no PEM certificates", path.display()));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let Some((certificate, key)) = &tls.identity {
        let pem = [read(certificate)?, b"\n".to_vec(), read(key)?].concat();
        let wrong = |error| problem(&format!("`{}` and its key cannot be used", certificate.display()), &error);
        builder = builder.identity(Identity::from_pem(&pem).map_err(wrong)?);
    }
    Ok(builder.tls_danger_accept_invalid_certs(tls.insecure_skip_verify))
}

fn proxies_need_tls() -> bool {
    let names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    names.iter().filter_map(std::env::var_os).any(|proxy| proxy.as_encoded_bytes().starts_with(b"https:"))
}

/// `what` and the deepest reason.
fn problem(what: &str, error: &reqwest::Error) -> String {
    let mut deepest: &dyn Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    format!("{what}: {deepest}")
}

//! The `Authorization` header, made of secrets that may change in their files.
//!
//! **Invariant**: a secret is sent only to the endpoints of its sink, and what [`Credentials::secrets`] lists is
//! everything that must not stand in a log line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use super::settings::{Auth, Endpoint, Proxying, Settings};

/// What is sent as `Authorization`, and what must not be printed.
pub(super) struct Credentials {
    /// From `auth`, for every endpoint.
    common: Option<HeaderValue>,
    /// From the URLs, in their order.
    endpoints: Vec<Option<HeaderValue>>,
    /// What must not be printed.
    secrets: Vec<String>,
}

impl Credentials {
    /// Reads all secrets as they are now.
    pub(super) fn read(settings: &Settings) -> Result<Self, String> {
        let mut secrets = Vec::new();
        let common = settings.auth.as_ref().map(|auth| common(auth, &mut secrets)).transpose()?;
        let endpoints =
            settings.urls.iter().map(|endpoint| from_url(endpoint, &mut secrets)).collect::<Result<_, _>>()?;
        if let Proxying::Through(proxy) = &settings.proxy {
            from_url(proxy, &mut secrets)?;
        }
        let sensitive = settings.headers.iter().filter(|header| header.value.is_sensitive());
        secrets.extend(sensitive.filter_map(|header| header.value.to_str().ok().map(str::to_owned)));
        Ok(Self { common, endpoints, secrets })
    }

    /// The header for the endpoint `index`; what is said in `auth` wins over the URL.
    pub(super) fn header(&self, index: usize) -> Option<&HeaderValue> {
        self.common.as_ref().or_else(|| self.endpoints.get(index)?.as_ref())
    }

    /// Everything that must not be printed.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }

    /// Whether the same would be sent.
    pub(super) fn sends_the_same(&self, other: &Self) -> bool {
        self.common == other.common && self.endpoints == other.endpoints
    }
}

fn common(auth: &Auth, secrets: &mut Vec<String>) -> Result<HeaderValue, String> {
    let (scheme, sent) = match auth {
        Auth::Basic { username, password } => {
            let password = password.read()?;
            secrets.push(password.reveal().to_owned());
            ("Basic", STANDARD.encode(format!("{username}:{}", password.reveal())))
        }
        Auth::Bearer(token) => ("Bearer", token.read()?.reveal().to_owned()),
        Auth::ApiKey(key) => {
            let key = key.read()?;
            secrets.push(key.reveal().to_owned());
            // Encoded keys have no colon; some tools show `id:key` instead.
            let encoded =
                if key.reveal().contains(':') { STANDARD.encode(key.reveal()) } else { key.reveal().to_owned() };
            ("ApiKey", encoded)
        }
    };
    value(scheme, sent, secrets)
}

fn from_url(endpoint: &Endpoint, secrets: &mut Vec<String>) -> Result<Option<HeaderValue>, String> {
    let Some((user, password)) = &endpoint.basic else { return Ok(None) };
    secrets.push(password.reveal().to_owned());
    value("Basic", STANDARD.encode(format!("{user}:{}", password.reveal())), secrets).map(Some)
}

fn value(scheme: &str, sent: String, secrets: &mut Vec<String>) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(format!("{scheme} {sent}"))
        .map_err(|_| "a secret has bytes that no header can have, such as a line break".to_owned())?;
    value.set_sensitive(true);
    secrets.push(sent);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::secret::{Secret, Source};

    fn check(auth: Auth, header: &str) {
        let settings = Settings { auth: Some(auth), ..Settings::from_url("http://u:p@h").expect("a URL") };
        let credentials = Credentials::read(&settings).expect("readable");
        assert_eq!(credentials.header(0).map(HeaderValue::as_bytes), Some(header.as_bytes()));
    }

    #[test]
    fn the_header_of_each_kind() {
        let typed = |text: &str| Source::Typed(Secret::new(text));
        check(
            Auth::Basic { username: "Aladdin".into(), password: typed("open sesame") },
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        );
        check(Auth::Bearer(typed("tok")), "Bearer tok");
        check(Auth::ApiKey(typed("aWQ6a2V5")), "ApiKey aWQ6a2V5");
        check(Auth::ApiKey(typed("id:key")), "ApiKey aWQ6a2V5");
    }

    #[test]
    fn a_url_has_its_own() {
        let credentials = Credentials::read(&Settings::from_url("http://u:pass@h").expect("a URL")).expect("readable");
        assert_eq!(credentials.header(0).map(HeaderValue::as_bytes), Some(&b"Basic dTpwYXNz"[..]));
        assert_eq!(credentials.secrets().collect::<Vec<_>>(), ["pass", "dTpwYXNz"]);
        assert_eq!(credentials.header(1), None);
    }
}

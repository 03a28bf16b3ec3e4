//! Asks others, from the control plane, for what middlewares need: the keys of an issuer for one.
//!
//! Whom Mesh asks is written by operators, and within limits by tenants. Neither may make it ask the metadata services
//! of clouds, which give credentials to whoever asks from inside. A redirect stays with the one who was asked; answers
//! are bounded in time and size; no proxy of the environment is asked.

mod reach;

use std::{error::Error, path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use mesh_config::{ProviderName, model::Pem, redact};
use reqwest::{Certificate, Client, RequestBuilder, Url, redirect};

pub(crate) use self::reach::Reach;
use crate::middleware::Watched;

/// The largest answer that is read, in bytes.
pub(crate) const MAX_ANSWER: usize = 1024 * 1024;

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 3;

/// One place to ask.
#[derive(Debug)]
pub(crate) struct Outside {
    url: Url,
    /// Made again when the file of its authorities has changed: connections that are open were made under the old ones.
    client: Watched<Client>,
}

/// Why a place cannot be asked, whatever it would answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unaskable {
    /// It is no URL of HTTP.
    #[error("{0:?} is no URL to ask; write https://idp.example.com/keys")]
    Url(String),
    /// It has a user or a password.
    #[error("{0:?} holds credentials; leave out what stands before @")]
    Credentials(String),
    /// Nobody may have it asked, or not this one.
    #[error("{url:?} leads to {address}, which Mesh does not ask")]
    Address { url: String, address: String },
    /// The authorities cannot be used.
    #[error("{0}")]
    Ca(String),
}

impl Outside {
    /// The place at `url`, in the words of `provider`. It is believed if `ca` signed its certificate, or somebody whom
    /// the system believes.
    ///
    /// # Errors
    /// When it is never to be asked, or `ca` cannot be used.
    pub(crate) fn new(
        url: &str,
        ca: Option<&Pem>,
        timeout: Duration,
        provider: &ProviderName,
    ) -> Result<Self, Unaskable> {
        let reach = Reach::of(provider);
        let shown = || redact::text(url).into_owned();
        let parsed = Url::parse(url).map_err(|_| Unaskable::Url(shown()))?;
        let is_http = parsed.scheme() == "https" || (parsed.scheme() == "http" && reach == Reach::Operator);
        if !is_http || !parsed.has_host() {
            return Err(Unaskable::Url(shown()));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(Unaskable::Credentials(shown()));
        }
        // Names are judged by what they resolve to, each time.
        if let Some(address) = reach::literal(&parsed)
            && !reach.allows(address)
        {
            let (url, address) = (shown(), address.to_string());
            return Err(Unaskable::Address { url, address });
        }
        let (ca, files) = (ca.cloned(), ca.and_then(file));
        let make = move || client(ca.as_ref(), reach, timeout);
        let client = Watched::new(files.into_iter().collect(), make).map_err(Unaskable::Ca)?;
        Ok(Self { url: parsed, client })
    }

    fn client(&self) -> Client {
        // The control plane asks, and seldom: a look at a file is nothing to it.
        self.client.refresh();
        Client::clone(&self.client.get())
    }

    /// What is there.
    ///
    /// # Errors
    /// In words for a log, without the query of the URL.
    pub(crate) async fn get(&self) -> Result<Bytes, String> {
        only_ok(self.answer(self.client().get(self.url.clone())).await?)
    }

    /// The same for whoever `authorization` shows.
    ///
    /// # Errors
    /// As those of [`get`](Self::get).
    pub(crate) async fn get_as(&self, authorization: HeaderValue) -> Result<Bytes, String> {
        let request = self.client().get(self.url.clone());
        only_ok(
            self.answer(request.header(header::AUTHORIZATION, authorization))
                .await?,
        )
    }

    /// The answer to `form`, whatever its status is.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn post(
        &self,
        form: String,
        authorization: Option<HeaderValue>,
    ) -> Result<(StatusCode, Bytes), String> {
        let mut request = self.client().post(self.url.clone()).body(form);
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.answer(request).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<(StatusCode, Bytes), String> {
        let response = request.header(header::ACCEPT, "application/json").send().await;
        let mut response = response.map_err(|error| chain(&error.without_url()))?;
        let status = response.status();
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(part)) if body.len() + part.len() > MAX_ANSWER => {
                    return Err(format!("its answer is larger than {MAX_ANSWER} bytes"));
                }
                Ok(Some(part)) => body.extend_from_slice(&part),
                Ok(None) => return Ok((status, body.into())),
                Err(error) => return Err(format!("its answer was cut: {}", chain(&error.without_url()))),
            }
        }
    }
}

fn only_ok((status, body): (StatusCode, Bytes)) -> Result<Bytes, String> {
    match status {
        StatusCode::OK => Ok(body),
        other => Err(format!("it answered with status {}", other.as_u16())),
    }
}

/// Follows redirects to the same scheme, host and port.
fn within_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let is_within = attempt
        .previous()
        .first()
        .is_some_and(|first| first.origin() == attempt.url().origin());
    if !is_within {
        return attempt.error("it redirects to another host");
    }
    match attempt.previous().len() > MAX_REDIRECTS {
        true => attempt.error("it redirects too often"),
        false => attempt.follow(),
    }
}

fn client(ca: Option<&Pem>, reach: Reach, timeout: Duration) -> Result<Client, String> {
    let mut builder = Client::builder()
        .timeout(timeout)
        .redirect(redirect::Policy::custom(within_origin))
        .no_proxy()
        .dns_resolver(reach);
    if let Some(ca) = ca {
        builder = builder.tls_certs_only(authorities(ca)?);
    }
    builder.build().map_err(|error| chain(&error))
}

fn file(ca: &Pem) -> Option<PathBuf> {
    match ca {
        Pem::File(path) => Some(path.clone()),
        Pem::Inline(_) => None,
    }
}

fn authorities(ca: &Pem) -> Result<Vec<Certificate>, String> {
    let (name, bytes) = match ca {
        Pem::Inline(text) => ("ca".to_owned(), text.as_bytes().to_vec()),
        Pem::File(path) => {
            let bytes =
                std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            (path.display().to_string(), bytes)
        }
    };
    match Certificate::from_pem_bundle(&bytes) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("{name} holds no certificate in PEM format")),
    }
}

/// An error with its causes, which hold what a user can act on (`connection refused`).
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Serving;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn outside(url: &str, provider: &str) -> Result<Outside, Unaskable> {
        Outside::new(url, None, TIMEOUT, &ProviderName::new(provider))
    }

    #[test]
    fn what_is_no_place_to_ask_is_refused() {
        for url in [
            "",
            "idp.example/keys",
            "file:///etc/passwd",
            "ftp://idp.example",
            "https://user:secret@idp.example",
            "http://169.254.169.254/latest/meta-data",
            "http://[fd00:ec2::254]/latest",
            "http://[::ffff:169.254.169.254]/",
            "http://2852039166/",
        ] {
            let error = outside(url, "file").unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        for url in [
            "http://10.0.0.1/keys",
            "https://127.0.0.1:8443/",
            "http://idp.internal",
        ] {
            assert!(outside(url, "file").is_ok(), "{url}");
            assert!(outside(url, "nomad").is_err(), "{url}");
        }
        assert!(outside("https://idp.example.com/keys", "nomad").is_ok());
    }

    async fn got(answers: &[(&'static str, String)], path: &str) -> Result<Bytes, String> {
        let server = Serving::new(answers.to_vec());
        let url = format!("http://{}{path}", server.address);
        outside(&url, "file").unwrap().get().await
    }

    #[tokio::test]
    async fn redirects_stay_with_the_one_who_was_asked() {
        let to =
            |place: &str| format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_owned();
        let found = got(&[("/a", to("/b")), ("/b", ok)], "/a").await;
        assert_eq!(found.as_deref(), Ok(&b"hi"[..]));
        for place in [
            "http://127.0.0.1:1/b",
            "https://idp.example/b",
            "http://169.254.169.254/",
        ] {
            let error = got(&[("/a", to(place))], "/a").await.unwrap_err();
            assert!(error.contains("another host"), "{error}");
        }
        let error = got(&[("/a", to("/a"))], "/a").await.unwrap_err();
        assert!(error.contains("too often"), "{error}");
    }

    #[tokio::test]
    async fn answers_are_bounded_and_whole() {
        let long = MAX_ANSWER + 1;
        let long = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {long}\r\n\r\n{}",
            "x".repeat(long)
        );
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi".to_owned();
        let gone = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned();
        for (answer, why) in [(long, "larger"), (cut, "cut"), (gone, "404")] {
            let error = got(&[("/", answer)], "/").await.unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[tokio::test]
    async fn who_is_believed_is_read_again_when_the_file_changes() {
        let (own, other) = (Believed::new(), Believed::new());
        let server = own.serve().await;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let put = |text: &str| {
            std::fs::write(path.with_extension("new"), text).unwrap();
            std::fs::rename(path.with_extension("new"), &path).unwrap();
        };
        put(&other.pem);
        let url = format!("https://127.0.0.1:{}/", server.port());
        let ca = Pem::File(path.clone());
        let asked = Outside::new(&url, Some(&ca), TIMEOUT, &ProviderName::new("file")).unwrap();
        assert!(asked.get().await.is_err(), "somebody else signed it");
        put(&own.pem);
        assert_eq!(asked.get().await.as_deref(), Ok(&b"hi"[..]));
        put("no certificate");
        assert_eq!(
            asked.get().await.as_deref(),
            Ok(&b"hi"[..]),
            "what was read before counts"
        );
        put(&other.pem);
        assert!(asked.get().await.is_err(), "it is not believed any more");
    }

    /// A certificate that is its own authority, for a server at 127.0.0.1.
    struct Believed {
        pem: String,
        config: std::sync::Arc<rustls::ServerConfig>,
    }

    impl Believed {
        fn new() -> Self {
            let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
            let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
            let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
                .unwrap();
            let (pem, config) = (made.cert.pem(), config.into());
            Self { pem, config }
        }

        /// Answers every connection once, with `hi`.
        async fn serve(&self) -> std::net::SocketAddr {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(self.config.clone());
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        continue;
                    };
                    let mut asked = [0; 1024];
                    let _length = stream.read(&mut asked).await;
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
                    let _sent = stream.write_all(answer).await;
                    let _closed = stream.shutdown().await;
                }
            });
            address
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_where_mesh_does_not_ask_is_not_asked() {
        let asked = outside("https://localhost:1/", "nomad").unwrap();
        let error = asked.get().await.unwrap_err();
        assert!(error.contains("does not ask"), "{error}");
        let asked = outside("http://localhost:1/", "file").unwrap();
        let error = asked.get().await.unwrap_err();
        assert!(!error.contains("does not ask"), "{error}");
    }
}

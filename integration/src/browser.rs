//! A browser of few words: it keeps cookies, follows redirects and sends forms.

use std::collections::BTreeMap;

use reqwest::{Client, Method, StatusCode, Url, header, redirect::Policy};

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 20;

/// Cookies by host and port, and what is sent with all requests. A clone is another browser that has the same cookies.
#[derive(Clone, Debug)]
pub struct Browser {
    client: Client,
    cookies: BTreeMap<(String, String), String>,
}

/// What is shown in the end.
#[derive(Debug)]
pub struct Page {
    /// Where it is.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its text.
    pub text: String,
}

impl Default for Browser {
    fn default() -> Self {
        let client = Client::builder().redirect(Policy::none()).build();
        Self {
            client: client.expect("a client"),
            cookies: BTreeMap::new(),
        }
    }
}

impl Browser {
    /// Goes to `url`, and wherever it leads.
    ///
    /// # Panics
    /// When nobody answers, or redirects have no end.
    pub async fn open(&mut self, url: &str) -> Page {
        self.walk(Method::GET, Url::parse(url).expect("a URL"), None)
            .await
    }

    /// The same for one step: the page may be a redirect.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn step(&mut self, url: &str) -> (Page, Option<Url>) {
        self.ask(&Method::GET, &Url::parse(url).expect("a URL"), None)
            .await
    }

    /// Sends the first form of `page` with these fields beside its hidden ones, and follows.
    ///
    /// # Panics
    /// When there is no form.
    pub async fn send(&mut self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let form = page
            .text
            .split_once("<form")
            .unwrap_or_else(|| panic!("no form in {page:?}"))
            .1;
        let form = form.split("</form>").next().unwrap_or(form);
        let action = attribute(form, "action").expect("where the form goes");
        let url = page.url.join(&action).expect("a URL");
        let mut pairs: Vec<(String, String)> = form
            .split("<input")
            .skip(1)
            .filter(|input| attribute(input, "type").as_deref() == Some("hidden"))
            .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)))
            .collect();
        pairs.extend(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let mut encoded = Url::parse("http://form/").expect("a URL");
        encoded.query_pairs_mut().extend_pairs(pairs);
        let body = encoded.query().unwrap_or_default().to_owned();
        self.walk(Method::POST, url, Some(body)).await
    }

    /// The names of its cookies of a host and port.
    pub fn cookies(&self, authority: &str) -> Vec<&str> {
        let own = self.cookies.keys().filter(|(host, _)| host == authority);
        own.map(|(_, name)| name.as_str()).collect()
    }

    async fn walk(&mut self, mut method: Method, mut url: Url, mut body: Option<String>) -> Page {
        for _ in 0..MAX_REDIRECTS {
            let (page, next) = self.ask(&method, &url, body.take()).await;
            match next {
                None => return page,
                Some(next) => (method, url) = (Method::GET, next),
            }
        }
        panic!("redirects without end at {url}");
    }

    async fn ask(&mut self, method: &Method, url: &Url, body: Option<String>) -> (Page, Option<Url>) {
        let authority = url.authority().to_owned();
        let own = self.cookies.iter().filter(|((host, _), _)| *host == authority);
        let cookies: Vec<_> = own.map(|((_, name), value)| format!("{name}={value}")).collect();
        let mut request = self
            .client
            .request(method.clone(), url.clone())
            .header(header::ACCEPT, "text/html");
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body);
        }
        let response = request.send().await.expect("an answer");
        for line in response.headers().get_all(header::SET_COOKIE) {
            self.keep(&authority, line.to_str().expect("a cookie"));
        }
        let next = response.status().is_redirection().then(|| {
            let location = response.headers()[header::LOCATION].to_str().expect("a place");
            url.join(location).expect("a URL")
        });
        let page = Page {
            url: url.clone(),
            status: response.status(),
            text: response.text().await.expect("a text"),
        };
        (page, next)
    }

    fn keep(&mut self, authority: &str, line: &str) {
        let lower = line.to_ascii_lowercase();
        assert!(!lower.contains("; secure"), "browsers refuse {line} without TLS");
        let (name, value) = line
            .split(';')
            .next()
            .unwrap_or(line)
            .split_once('=')
            .expect("a cookie");
        let key = (authority.to_owned(), name.to_owned());
        let is_over = lower.contains("max-age=0") || lower.contains("expires=thu, 01 jan 1970");
        match is_over || value.is_empty() {
            true => self.cookies.remove(&key),
            false => self.cookies.insert(key, value.to_owned()),
        };
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.split('>').next()?;
    let value = tag.split_once(&format!("{name}=\""))?.1.split('"').next()?;
    Some(value.replace("&amp;", "&"))
}

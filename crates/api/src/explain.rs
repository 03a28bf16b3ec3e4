//! `/api/explain`: what would become of a request, and why.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use serde_json::json;

use crate::{
    answer::{self, Answer},
    query::Query,
    views::Views,
};

/// A request that nobody sent.
#[derive(Debug)]
struct Imagined {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    client: IpAddr,
    /// The URL had a `#`, which parsing cuts off.
    had_fragment: bool,
}

/// Answers for the request that `query` describes: `url`, and perhaps `method`, `header` (`Name: value`, any
/// number), `client` (an address), `entryPoint`.
pub(crate) fn explain(views: &Views, query: &Query) -> Answer {
    let described = Imagined::read(query).and_then(|request| {
        let entry_point = entry_point(views, query.get("entryPoint"), &request.uri)?;
        Ok((request, entry_point))
    });
    let (request, entry_point) = match described {
        Ok(described) => described,
        Err(reason) => return answer::message(StatusCode::BAD_REQUEST, reason),
    };
    let Some((_, settings)) = views.entry_points.get(entry_point) else {
        return answer::message(StatusCode::BAD_REQUEST, "there is no entrypoint");
    };
    let (client, had_fragment) = (request.client, request.had_fragment);
    let from = (client, request.uri.scheme_str() == Some("https"));
    let explanation =
        (views.table)().try_request(entry_point, settings, request.into_head(), from, had_fragment);
    answer::json(StatusCode::OK, json!(explanation))
}

impl Imagined {
    fn read(query: &Query) -> Result<Self, String> {
        let url = query
            .get("url")
            .ok_or("url is missing: add ?url=http://host/path")?;
        let mut headers = HeaderMap::new();
        for line in query.all("header") {
            let (name, value) = header_line(line)?;
            headers.append(name, value);
        }
        let method = query.get("method").unwrap_or("GET").to_ascii_uppercase();
        let client = query.get("client").map(str::parse).transpose();
        Ok(Self {
            method: method
                .parse()
                .map_err(|_| format!("{method:?} is not a method"))?,
            uri: target(url)?,
            headers,
            had_fragment: url.contains('#'),
            client: client
                .map_err(|_| "client is not an IP address".to_owned())?
                .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        })
    }

    /// The request as a client would send it: the path in the target, the host in its header.
    fn into_head(mut self) -> Request<()> {
        if !self.headers.contains_key(header::HOST)
            && let Some(authority) = self.uri.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            self.headers.insert(header::HOST, host);
        }
        let mut request = Request::new(());
        *request.method_mut() = self.method;
        *request.uri_mut() = self
            .uri
            .path_and_query()
            .cloned()
            .map_or_else(Uri::default, Uri::from);
        *request.headers_mut() = self.headers;
        request
    }
}

fn target(url: &str) -> Result<Uri, String> {
    let uri = url.parse::<Uri>().ok().filter(|uri| uri.path().starts_with('/'));
    uri.ok_or_else(|| format!("{url:?} is not a URL: write http://host/path"))
}

fn header_line(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let malformed = || "a header is malformed: write Name: value".to_owned();
    let (name, value) = line.split_once(':').ok_or_else(malformed)?;
    let name = name.trim().parse().map_err(|_| malformed())?;
    let value = value.trim().parse().map_err(|_| malformed())?;
    Ok((name, value))
}

/// The place of the entrypoint meant: the one named; else the one on the port of the URL; else the first
/// default one; else the first.
fn entry_point(views: &Views, name: Option<&str>, uri: &Uri) -> Result<usize, String> {
    let mut all = views.entry_points.iter();
    if let Some(wanted) = name {
        return all
            .position(|(info, _)| &*info.name == wanted)
            .ok_or_else(|| format!("there is no entrypoint {wanted:?}"));
    }
    let https = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
    let by_port = all.position(|(_, settings)| settings.address.port == port);
    let by_default = || views.entry_points.iter().position(|(info, _)| info.default);
    Ok(by_port.or_else(by_default).unwrap_or(0))
}

//! The leaves of a rule.

use std::{fmt, net::IpAddr};

use ipnet::{IpNet, Ipv4Net};

use super::{
    HostPattern, MAX_PATTERNS, Pattern,
    error::Fault,
    parser::{Argument, Call},
    quoted::Quoted,
    vocabulary::{Form, Vocabulary, Word},
};

/// One test of a request. Arguments are validated and in the form that requests are compared in.
#[derive(Debug, Clone, PartialEq)]
pub enum Matcher {
    /// The host of the request.
    Host(HostPattern),
    /// A regular expression found in the host.
    HostRegexp(Pattern),
    /// The whole path.
    Path(String),
    /// The beginning of the path; not bound to segments.
    PathPrefix(String),
    /// A regular expression found in the path.
    PathRegexp(Pattern),
    /// The method, in upper case.
    Method(String),
    /// A header line equal to a value; the name in lower case.
    Header {
        /// Name.
        name: String,
        /// Value.
        value: String,
    },
    /// A regular expression found in a header line; the name in lower case.
    HeaderRegexp {
        /// Name.
        name: String,
        /// Expression.
        pattern: Pattern,
    },
    /// A query parameter; without value, one that is empty.
    Query {
        /// Name.
        key: String,
        /// Value.
        value: Option<String>,
    },
    /// A regular expression found in a value of a query parameter.
    QueryRegexp {
        /// Name.
        key: String,
        /// Expression.
        pattern: Pattern,
    },
    /// The address of the peer; never an IPv4 one in the clothes of IPv6.
    ClientIp(IpNet),
}

impl Matcher {
    /// The regular expression in it, if there is one.
    pub fn pattern(&self) -> Option<&Pattern> {
        match self {
            Self::HostRegexp(pattern)
            | Self::PathRegexp(pattern)
            | Self::HeaderRegexp { pattern, .. }
            | Self::QueryRegexp { pattern, .. } => Some(pattern),
            Self::Host(_)
            | Self::Path(_)
            | Self::PathPrefix(_)
            | Self::Method(_)
            | Self::Header { .. }
            | Self::Query { .. }
            | Self::ClientIp(_) => None,
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "Host({})", Quoted(&host.to_string())),
            Self::HostRegexp(pattern) => write!(f, "HostRegexp({})", Quoted(pattern.text())),
            Self::Path(path) => write!(f, "Path({})", Quoted(path)),
            Self::PathPrefix(prefix) => write!(f, "PathPrefix({})", Quoted(prefix)),
            Self::PathRegexp(pattern) => write!(f, "PathRegexp({})", Quoted(pattern.text())),
            Self::Method(method) => write!(f, "Method({})", Quoted(method)),
            Self::Header { name, value } => write!(f, "Header({}, {})", Quoted(name), Quoted(value)),
            Self::HeaderRegexp { name, pattern } => {
                write!(f, "HeaderRegexp({}, {})", Quoted(name), Quoted(pattern.text()))
            }
            Self::Query { key, value: None } => write!(f, "Query({})", Quoted(key)),
            Self::Query {
                key,
                value: Some(value),
            } => write!(f, "Query({}, {})", Quoted(key), Quoted(value)),
            Self::QueryRegexp { key, pattern } => {
                write!(f, "QueryRegexp({}, {})", Quoted(key), Quoted(pattern.text()))
            }
            Self::ClientIp(network) => write!(f, "ClientIP(`{network}`)"),
        }
    }
}

/// Reads the calls of one rule.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    patterns: usize,
}

impl Reader {
    /// The matcher that `call` means; a fault from one regular expression too many on.
    pub(crate) fn read(&mut self, call: Call<'_>) -> Result<Matcher, Fault> {
        let at = call.at;
        let matcher = HTTP.read(call)?;
        self.patterns += usize::from(matcher.pattern().is_some());
        if self.patterns > MAX_PATTERNS {
            let message = format!("more than {MAX_PATTERNS} regular expressions in one rule");
            return Err(Fault::new(at, message));
        }
        Ok(matcher)
    }
}

/// The matchers of HTTP rules.
const HTTP: Vocabulary<Matcher> = Vocabulary {
    words: &[
        word(
            "Host",
            "`example.com`",
            Form::One(|host| parsed(host).map(Matcher::Host)),
        ),
        word("HostRegexp", "`^.+\\.example\\.com$`", Form::One(host_regexp)),
        word(
            "Path",
            "`/path`",
            Form::One(|path| absolute(path).map(Matcher::Path)),
        ),
        word(
            "PathPrefix",
            "`/path`",
            Form::One(|path| absolute(path).map(Matcher::PathPrefix)),
        ),
        word(
            "PathRegexp",
            "`^/v[0-9]+/`",
            Form::One(|path| parsed(path).map(Matcher::PathRegexp)),
        ),
        word("Method", "`GET`", Form::One(method)),
        word("Header", "`Name`, `value`", Form::Two(header)),
        word("HeaderRegexp", "`Name`, `^value`", Form::Two(header_regexp)),
        word("Query", "`key`, `value`", Form::OneOrTwo(query)),
        word("QueryRegexp", "`key`, `^value`", Form::OneOrTwo(query_regexp)),
        word("ClientIP", "`10.0.0.0/8`", Form::One(client_ip)),
    ],
    elsewhere: &[
        ("HostSNI", "rules of tcp routers"),
        ("HostSNIRegexp", "rules of tcp routers"),
        ("ALPN", "rules of tcp routers"),
    ],
};

const fn word(name: &'static str, usage: &'static str, form: Form<Matcher>) -> Word<Matcher> {
    Word { name, usage, form }
}

pub(crate) fn parsed<T: std::str::FromStr<Err: fmt::Display>>(argument: Argument) -> Result<T, Fault> {
    let at = argument.at;
    let text = argument.filled()?;
    text.parse()
        .map_err(|error: T::Err| Fault::of(at, "", text, format!(" {error}")))
}

fn absolute(argument: Argument) -> Result<String, Fault> {
    let at = argument.at;
    let path = argument.filled()?;
    if !path.starts_with('/') {
        return Err(Fault::of(at, "the path ", path, " does not start with /"));
    }
    Ok(path)
}

fn host_regexp(argument: Argument) -> Result<Matcher, Fault> {
    let at = argument.at;
    let pattern: Pattern = parsed(argument)?;
    if !pattern.text().is_ascii() {
        let message = " has letters outside ASCII: hosts come in punycode";
        return Err(Fault::of(at, "", pattern.text(), message));
    }
    Ok(Matcher::HostRegexp(pattern))
}

fn method(argument: Argument) -> Result<Matcher, Fault> {
    let method = token(
        argument,
        " is no method: those are letters and a few signs, without blanks",
    )?;
    Ok(Matcher::Method(method.to_ascii_uppercase()))
}

fn header_name(argument: Argument) -> Result<String, Fault> {
    let message = " is no name of a header: those are letters, digits and a few signs, without blanks";
    Ok(token(argument, message)?.to_ascii_lowercase())
}

/// A word of HTTP (RFC 9110 5.6.2). Nothing else could ever match.
fn token(argument: Argument, otherwise: &str) -> Result<String, Fault> {
    let at = argument.at;
    let text = argument.filled()?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match text.bytes().all(is_token) {
        true => Ok(text),
        false => Err(Fault::of(at, "", text, otherwise)),
    }
}

fn header(name: Argument, value: Argument) -> Result<Matcher, Fault> {
    Ok(Matcher::Header {
        name: header_name(name)?,
        value: value.filled()?,
    })
}

fn header_regexp(name: Argument, value: Argument) -> Result<Matcher, Fault> {
    Ok(Matcher::HeaderRegexp {
        name: header_name(name)?,
        pattern: parsed(value)?,
    })
}

fn query(key: Argument, value: Option<Argument>) -> Result<Matcher, Fault> {
    Ok(Matcher::Query {
        key: key.filled()?,
        value: value.map(Argument::filled).transpose()?,
    })
}

fn query_regexp(key: Argument, value: Option<Argument>) -> Result<Matcher, Fault> {
    match value {
        None => query(key, None),
        Some(value) => Ok(Matcher::QueryRegexp {
            key: key.filled()?,
            pattern: parsed(value)?,
        }),
    }
}

fn client_ip(argument: Argument) -> Result<Matcher, Fault> {
    let at = argument.at;
    let text = argument.filled()?;
    let network = network(&text);
    network.map(Matcher::ClientIp).ok_or_else(|| {
        Fault::of(
            at,
            "",
            text,
            " is neither an address nor a network like 10.0.0.0/8",
        )
    })
}

/// The network written as an address or in CIDR form, host bits cleared. A zone (`fe80::1%eth0`) has no say.
fn network(text: &str) -> Option<IpNet> {
    const MAPPED: u8 = 96;
    let network = if text.contains('/') {
        text.parse::<IpNet>().ok()?
    } else {
        let address = text.split_once('%').map_or(text, |(address, _)| address);
        IpNet::from(address.parse::<IpAddr>().ok()?)
    };
    let unmapped = match network {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED => v6
            .addr()
            .to_ipv4_mapped()
            .and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - MAPPED).ok())
            .map(IpNet::V4),
        IpNet::V4(_) | IpNet::V6(_) => None,
    };
    Some(unmapped.unwrap_or(network).trunc())
}

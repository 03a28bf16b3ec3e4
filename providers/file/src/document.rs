//! From the text of a file to what it declares. Pure and total: what cannot be read as a whole is an error with
//! its line, what cannot be read in part is set aside.

use std::{collections::BTreeSet, path::Path};

use mesh_config::{Fragment, Kind, Problem, document, layer::Format};
use mesh_discovery::ProviderError;

/// What an object is called within its file.
pub(crate) type Name = (Kind, String);

/// Reads the text of the file at `path`. Root keys in `static_keys` belong to the static settings, for a file
/// that holds both, and are passed over.
///
/// # Errors
/// When the text as a whole cannot be read; the path of the error holds the line.
pub(crate) fn read(
    path: &Path,
    text: &str,
    static_keys: &BTreeSet<String>,
) -> Result<Fragment, ProviderError> {
    let name = path.display().to_string();
    let Some(format) = Format::of(path) else {
        return Err(ProviderError::Unreadable {
            path: name,
            reason: "of no known kind: use .yml, .yaml or .toml".to_owned(),
        });
    };
    document::parse_beside(&name, text, format, static_keys).map_err(|problem| unreadable(&problem))
}

/// True for a text that holds nothing at all, as a file has while it is written anew: no more than blanks, a byte
/// order mark or YAML's words for nothing.
pub(crate) fn is_empty(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim();
    let text = text.strip_prefix("---").map_or(text, str::trim);
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The names of all objects of a fragment, broken ones included.
pub(crate) fn names(fragment: &Fragment) -> BTreeSet<(Kind, &str)> {
    let routers = fragment.routers.keys().map(|name| (Kind::Router, name));
    let services = fragment.services.keys().map(|name| (Kind::Service, name));
    let middlewares = fragment.middlewares.keys().map(|name| (Kind::Middleware, name));
    let transports = fragment
        .servers_transports
        .keys()
        .map(|name| (Kind::ServersTransport, name));
    let certificates = fragment.certificates.keys().map(|name| (Kind::Certificate, name));
    let tls_options = fragment.tls_options.keys().map(|name| (Kind::TlsOptions, name));
    let broken = fragment
        .set_aside
        .iter()
        .map(|object| (object.kind, &object.name));
    let all = routers
        .chain(services)
        .chain(middlewares)
        .chain(transports)
        .chain(certificates)
        .chain(tls_options)
        .chain(broken);
    all.map(|(kind, name)| (kind, name.as_str())).collect()
}

/// True when a fragment has an object of this name, broken or not.
pub(crate) fn holds(fragment: &Fragment, kind: Kind, name: &str) -> bool {
    let whole = match kind {
        Kind::Router => fragment.routers.contains_key(name),
        Kind::Service => fragment.services.contains_key(name),
        Kind::Middleware => fragment.middlewares.contains_key(name),
        Kind::ServersTransport => fragment.servers_transports.contains_key(name),
        Kind::Certificate => fragment.certificates.contains_key(name),
        Kind::TlsOptions => fragment.tls_options.contains_key(name),
    };
    let broken = &fragment.set_aside;
    whole
        || broken
            .iter()
            .any(|object| object.kind == kind && object.name == name)
}

/// Leaves the objects that `stays` names, and nothing of what was wrong.
pub(crate) fn retain(fragment: &mut Fragment, stays: impl Fn(Kind, &str) -> bool) {
    fragment.routers.retain(|name, _| stays(Kind::Router, name));
    fragment.services.retain(|name, _| stays(Kind::Service, name));
    fragment
        .middlewares
        .retain(|name, _| stays(Kind::Middleware, name));
    fragment
        .servers_transports
        .retain(|name, _| stays(Kind::ServersTransport, name));
    fragment
        .certificates
        .retain(|name, _| stays(Kind::Certificate, name));
    fragment
        .tls_options
        .retain(|name, _| stays(Kind::TlsOptions, name));
    fragment
        .set_aside
        .retain(|object| stays(object.kind, &object.name));
    fragment.unread.clear();
    fragment.problems.clear();
}

/// Adds the objects of `other`, which are not those of `fragment`.
pub(crate) fn add(fragment: &mut Fragment, other: Fragment) {
    fragment.routers.extend(other.routers);
    fragment.services.extend(other.services);
    fragment.middlewares.extend(other.middlewares);
    fragment.servers_transports.extend(other.servers_transports);
    fragment.certificates.extend(other.certificates);
    fragment.tls_options.extend(other.tls_options);
    fragment.set_aside.extend(other.set_aside);
}

fn unreadable(problem: &Problem) -> ProviderError {
    let help = problem.help.as_ref().map(|help| format!(" ({help})"));
    ProviderError::Unreadable {
        path: problem.origin.to_string(),
        reason: format!("{}{}", problem.message, help.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_word_is_empty_and_one_that_says_nothing_on_purpose_is_not() {
        for text in [
            "",
            " \n",
            "\u{feff}",
            "\u{feff}\n",
            "null",
            "~\n",
            "---\n",
            "--- ~",
        ] {
            assert!(is_empty(text), "{text:?}");
        }
        for text in ["{}", "http: {}", "# nothing", "--- http", "nullable"] {
            assert!(!is_empty(text), "{text:?}");
        }
    }
}

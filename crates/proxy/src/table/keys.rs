//! What a request must have so that a rule can match at all: the keys of the index.

use std::sync::Arc;

use mesh_config::rule::{Expr, HostPattern, Matcher};

/// A host, or all hosts one label below a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostKey {
    /// This host.
    Exact(Arc<str>),
    /// One label and this domain.
    Below(Arc<str>),
}

/// A path, or all paths with a beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PathKey {
    /// This path.
    Exact(Arc<str>),
    /// This beginning.
    Prefix(Arc<str>),
}

/// A request that fits none of the keys cannot match the rule; `None` says nothing about the request.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    /// About its host.
    pub(super) hosts: Option<Vec<HostKey>>,
    /// About its path.
    pub(super) paths: Option<Vec<PathKey>>,
    /// The rule asks for nothing but one of `hosts`.
    pub(super) only_hosts: bool,
}

impl Keys {
    /// Derives the keys of a rule.
    pub(super) fn of(expr: &Expr) -> Self {
        Self {
            hosts: necessary(expr, &host_key),
            paths: necessary(expr, &path_key),
            only_hosts: is_host(expr),
        }
    }
}

/// True if `expr` is one host, or one of several.
fn is_host(expr: &Expr) -> bool {
    match expr {
        Expr::Match(matcher) => host_key(matcher).is_some(),
        Expr::Or(any) => any.iter().all(is_host),
        Expr::And(_) | Expr::Not(_) => false,
    }
}

fn host_key(matcher: &Matcher) -> Option<HostKey> {
    match matcher {
        Matcher::Host(HostPattern::Exact(host)) => Some(HostKey::Exact(host.as_str().into())),
        Matcher::Host(HostPattern::Wildcard(parent)) => Some(HostKey::Below(parent.as_str().into())),
        _ => None,
    }
}

fn path_key(matcher: &Matcher) -> Option<PathKey> {
    match matcher {
        Matcher::Path(path) => Some(PathKey::Exact(path.as_str().into())),
        Matcher::PathPrefix(prefix) => Some(PathKey::Prefix(prefix.as_str().into())),
        _ => None,
    }
}

/// One of the keys is necessary for `expr`. For "and" the part with the fewest keys decides; "or" needs keys
/// from every part; a negation has none.
fn necessary<K: PartialEq>(expr: &Expr, key: &impl Fn(&Matcher) -> Option<K>) -> Option<Vec<K>> {
    match expr {
        Expr::Match(matcher) => key(matcher).map(|key| vec![key]),
        Expr::Not(_) => None,
        Expr::And(all) => all
            .iter()
            .filter_map(|expr| necessary(expr, key))
            .min_by_key(Vec::len),
        Expr::Or(any) => {
            let mut keys = Vec::new();
            for expr in any {
                keys.append(&mut necessary(expr, key)?);
            }
            keys.dedup();
            Some(keys)
        }
    }
}

/// True if `expr` names a wildcard host: on equal terms an exact host goes first.
pub(super) fn has_wildcard(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(has_wildcard),
        Expr::Not(expr) => has_wildcard(expr),
        Expr::Match(matcher) => matches!(matcher, Matcher::Host(HostPattern::Wildcard(_))),
    }
}

//! Sticky sessions: which member a client goes on with, by its cookie.

use std::collections::HashMap;

use http::{HeaderMap, HeaderValue};
use mesh_config::model::Sticky;

use super::cookie;

/// The cookie of one service, and what its values mean.
#[derive(Debug)]
pub(super) struct Stickiness {
    name: String,
    values: HashMap<String, Wanted>,
    /// `Set-Cookie` of each member.
    cookies: Vec<Option<HeaderValue>>,
}

/// The member a client was served by before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its place among the members.
    pub(super) member: usize,
    /// The value is as it would be written today.
    pub(super) is_current: bool,
}

impl Stickiness {
    /// For the service called `label` with `members` as they are written; `None` without a cookie.
    pub(super) fn new<'m>(
        definition: Option<&Sticky>,
        label: &str,
        members: impl Iterator<Item = impl AsRef<str>> + Clone + 'm,
    ) -> Option<Box<Self>> {
        let definition = definition?.cookie.as_ref()?;
        let name = cookie::name(definition, label);
        let attributes = cookie::attributes(definition);
        let mut values = HashMap::new();
        for (member, written) in members.clone().enumerate() {
            let current = Wanted {
                member,
                is_current: true,
            };
            values.entry(cookie::value(written.as_ref())).or_insert(current);
        }
        for (member, written) in members.clone().enumerate() {
            let former = Wanted {
                member,
                is_current: false,
            };
            for value in cookie::former_values(written.as_ref()) {
                values.entry(value).or_insert(former);
            }
        }
        let cookies = members.map(|written| {
            let value = cookie::value(written.as_ref());
            HeaderValue::from_str(&format!("{name}={value}{attributes}")).ok()
        });
        Some(Box::new(Self {
            cookies: cookies.collect(),
            values,
            name,
        }))
    }

    /// The member that the cookie of a request names; of several cookies the first that names one.
    pub(super) fn wanted(&self, headers: &HeaderMap) -> Option<Wanted> {
        let mut values = cookie::find(headers, &self.name);
        values.find_map(|value| self.values.get(value).copied())
    }

    /// The cookie that brings a client back to `member`.
    pub(super) fn cookie(&self, member: usize) -> Option<HeaderValue> {
        self.cookies.get(member).cloned().flatten()
    }
}

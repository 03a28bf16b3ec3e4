//! Where values were written.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use crate::origin::Origin;

/// Line numbers by key.
pub(super) type Lines = HashMap<String, usize>;
/// Places by key.
pub(super) type Origins = HashMap<String, Origin>;

/// The places of one layer, by keys in the form of [`KeyPath::place`].
#[derive(Debug)]
pub(super) enum Places {
    /// `name:line`.
    Lines { name: String, lines: Lines },
    /// A place for each.
    Each { whole: Origin, origins: Origins },
    /// One for all.
    One(Origin),
}

impl Places {
    pub(super) fn lines(name: &str, lines: Lines) -> Self {
        let name = name.to_owned();
        Self::Lines { name, lines }
    }

    pub(super) fn each(whole: Origin, origins: Origins) -> Self {
        Self::Each { whole, origins }
    }

    pub(super) fn one(origin: Origin) -> Self {
        Self::One(origin)
    }

    /// The place of `key`, or of the nearest block around it that has one.
    pub(super) fn of(&self, key: &str) -> Origin {
        let mut key = key;
        loop {
            if let Some(origin) = self.exactly(key) {
                return origin;
            }
            match key.rsplit_once('.') {
                Some((around, _)) => key = around,
                None => return self.whole(),
            }
        }
    }

    fn exactly(&self, key: &str) -> Option<Origin> {
        match self {
            Self::Lines { name, lines } => lines.get(key).map(|line| at_line(name, *line)),
            Self::Each { origins, .. } => origins.get(key).cloned(),
            Self::One(origin) => Some(origin.clone()),
        }
    }

    fn whole(&self) -> Origin {
        match self {
            Self::Lines { name, .. } => Origin::new(name.as_str()),
            Self::Each { whole: origin, .. } | Self::One(origin) => origin.clone(),
        }
    }
}

/// `routes.yml:12`
pub(super) fn at_line(name: &str, line: usize) -> Origin {
    Origin::new(format!("{name}:{line}"))
}

/// The way from the root to a value, as a list on the stack.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyPath<'a> {
    /// The root itself.
    Root,
    /// A key of a block.
    Key(&'a Self, &'a str),
    /// An item of a list.
    Index(&'a Self, usize),
}

impl KeyPath<'_> {
    /// The key by which places are kept: lower case, items as `.0`.
    pub(crate) fn place(&self) -> String {
        let mut key = String::new();
        self.write(&mut key, "");
        key.make_ascii_lowercase();
        key
    }

    /// True for the place of an object of `http`.
    pub(super) fn is_object(&self) -> bool {
        let Self::Key(Self::Key(Self::Key(Self::Root, section), _), _) = self else {
            return false;
        };
        section.eq_ignore_ascii_case("http")
    }

    /// True if `paths` holds this one.
    pub(super) fn is_in(&self, paths: &BTreeSet<String>) -> bool {
        !paths.is_empty() && paths.contains(&self.place())
    }

    fn write(&self, key: &mut String, close: &str) {
        let (parent, open) = match self {
            Self::Root => return,
            Self::Key(parent, _) => (parent, "."),
            Self::Index(parent, _) => (parent, if close.is_empty() { "." } else { "[" }),
        };
        parent.write(key, close);
        // What was said of a block itself has no name of its own.
        if !key.is_empty() && !matches!(self, Self::Key(_, "")) {
            key.push_str(open);
        }
        match self {
            Self::Root => {}
            Self::Key(_, name) => key.push_str(name),
            Self::Index(_, index) => {
                key.push_str(&index.to_string());
                key.push_str(close);
            }
        }
    }
}

/// As users write it: `http.services.web.loadBalancer.servers[0].url`.
impl fmt::Display for KeyPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = String::new();
        self.write(&mut key, "]");
        f.write_str(&key)
    }
}

//! Where a value came from, and what is wrong with it.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::redact;

/// The source of an object or a value, in words its user can act on:
/// `routes.yml:12`, `consul service web-1 on node-a`, `MESH_LOG_LEVEL`, `--log.level`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    text: Arc<str>,
    /// Of an object in a file: the lines of its options that stand on others, by their keys in lower case, sorted.
    within: Option<Arc<[Line]>>,
}

type Line = (Box<str>, u32);

impl Origin {
    /// Wraps a description.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self {
            text: text.into(),
            within: None,
        }
    }

    /// The description.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, knowing the places of what is below: those in the same file, by their keys in dotted form.
    #[must_use]
    pub fn knowing(self, places: impl IntoIterator<Item = (String, Self)>) -> Self {
        let Some((file, own)) = self.line() else {
            return self;
        };
        let lines = places.into_iter().filter_map(|(key, place)| {
            let (_, line) = place
                .line()
                .filter(|(other, line)| *other == file && *line != own)?;
            Some((key.to_ascii_lowercase().into_boxed_str(), line))
        });
        let mut lines: Vec<Line> = lines.collect();
        lines.sort();
        Self {
            within: (!lines.is_empty()).then(|| lines.into()),
            text: self.text,
        }
    }

    /// The place of what is below at `key`, or of the nearest block around it that has one of its own.
    #[must_use]
    pub fn below(&self, key: &str) -> Self {
        let lines = self.within.as_deref().unwrap_or_default();
        let key = key.to_ascii_lowercase();
        let mut key = key.as_str();
        loop {
            if let Ok(place) = lines.binary_search_by(|(known, _)| (**known).cmp(key))
                && let Some(((_, line), (file, _))) = lines.get(place).zip(self.line())
            {
                return Self::new(format!("{file}:{line}"));
            }
            match key.rsplit_once('.') {
                Some((around, _)) => key = around,
                None => return self.alone(),
            }
        }
    }

    /// The same without what is below.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self {
            text: self.text.clone(),
            within: None,
        }
    }

    /// Of `routes.yml:12` the file and the line.
    fn line(&self) -> Option<(&str, u32)> {
        let (file, line) = self.text.rsplit_once(':')?;
        Some((file, line.parse().ok()?))
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self::new("built-in default")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Written as its text: places below it are known to who reads the source.
impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Arc::<str>::deserialize(deserializer).map(Self::new)
    }
}

/// One thing a user should mend: where it is, which key, what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where the value was written.
    pub origin: Origin,
    /// The key in dotted form (`http.routers.web.rule`); empty when the whole source is meant.
    pub key: String,
    /// What is wrong, with the value found.
    pub message: String,
    /// What is allowed, or the nearest spelling; `None` when the message says it all.
    pub help: Option<String>,
}

impl Problem {
    /// A problem without help. What [`redact::text`] takes for a secret is not kept.
    pub fn new(origin: Origin, key: impl Into<String>, message: impl AsRef<str>) -> Self {
        Self {
            origin: origin.alone(),
            key: key.into(),
            message: redact::text(message.as_ref()).into_owned(),
            help: None,
        }
    }

    /// The same problem with a way out.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_below_is_that_of_the_key_or_of_what_is_around_it() {
        let places = [
            ("jwt", "routes.yml:12"),
            ("jwt.Claims", "routes.yml:14"),
            ("jwt.claims.0", "routes.yml:15"),
            ("jwt.keys", "other.yml:9"),
        ];
        let places = places.map(|(key, place)| (key.to_owned(), Origin::new(place)));
        let origin = Origin::new("routes.yml:12").knowing(places);
        for (key, expected) in [
            ("jwt.claims", "routes.yml:14"),
            ("JWT.claims.0.name", "routes.yml:15"),
            ("jwt.claims.1", "routes.yml:14"),
            ("jwt.keys", "routes.yml:12"),
            ("nothing", "routes.yml:12"),
        ] {
            assert_eq!(origin.below(key), Origin::new(expected), "{key}");
        }
        let elsewhere = Origin::new("tags of web").knowing([("a".to_owned(), Origin::new("x:1"))]);
        assert_eq!(elsewhere.below("a"), Origin::new("tags of web"));
    }
}

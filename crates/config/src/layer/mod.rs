//! Layers of settings: files, variables, flags and label sets, merged and decoded with their places kept.
//!
//! A [`Layer`] is one source. [`Layers`] puts sources over each other, the later over the earlier, and decodes
//! the result into a type: keys are matched without case, text becomes the type that is wanted, and every
//! problem names the place its user has to mend. Nothing here reads a file or a variable; callers do.

mod decode;
mod inherit;
mod merged;
mod pairs;
mod places;
#[cfg(test)]
mod tests;
mod toml;
mod yaml;

use std::{fmt, path::Path, sync::Arc};

use figment::{
    Metadata, Profile, Provider, Source,
    value::{Dict, Map, Value},
};

pub(crate) use decode::{Decoded, flag, suggestion};
pub use merged::Layers;
pub(crate) use merged::{Lists, Merged};
pub(crate) use pairs::ITSELF;
pub(crate) use places::KeyPath;
use places::Places;

use crate::origin::{Origin, Problem};

/// Deepest nesting that a source may have; more is refused, or for dotted paths kept as one key.
const MAX_DEPTH: usize = 64;

/// The format of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML, and JSON with it.
    Yaml,
    /// TOML.
    Toml,
}

impl Format {
    /// The format by the extension of a file: `.yml`, `.yaml`, `.json` or `.toml`, in any case.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "yml" | "yaml" | "json" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// One source of settings; a figment [`Provider`]. Values remember their place: file and line, variable, flag,
/// label.
#[derive(Clone)]
pub struct Layer {
    name: Arc<str>,
    values: Dict,
    places: Arc<Places>,
    tolerant: bool,
    /// The place where its values stand, and the one where they were written, where these differ.
    moved: Option<(Arc<str>, Arc<str>)>,
}

impl Layer {
    /// Reads a text. `name` is shown to users; places are `name:line`.
    ///
    /// # Errors
    /// When the text is not of its format, names a key twice, or grows beyond measure by its aliases.
    pub fn parse(name: &str, text: &str, format: Format) -> Result<Self, Problem> {
        let (values, lines) = match format {
            Format::Yaml => yaml::load(name, text)?,
            Format::Toml => toml::load(name, text)?,
        };
        Ok(Self {
            name: name.into(),
            values,
            places: Arc::new(Places::lines(name, lines)),
            tolerant: false,
            moved: None,
        })
    }

    /// Reads a document. Its objects are left out, for [`Parts`] to give one by one.
    pub(crate) fn document(name: &str, text: &str, format: Format) -> Result<(Self, Parts), Problem> {
        let (values, lines, nodes) = match format {
            Format::Yaml => yaml::load_in_parts(name, text)?,
            Format::Toml => {
                let (values, lines) = toml::load(name, text)?;
                (values, lines, None)
            }
        };
        let name: Arc<str> = name.into();
        let layer = Self {
            name: name.clone(),
            values,
            places: Arc::new(Places::lines(&name, lines)),
            tolerant: false,
            moved: None,
        };
        Ok((layer, Parts { name, nodes }))
    }

    /// Builds a layer of dotted paths (`entryPoints.web.address`, `domains[0].main`, `domains.0.main`), each
    /// with its text and its place. Paths that differ only by case are one, in the first spelling; the later
    /// value wins.
    pub fn pairs(name: &str, pairs: impl IntoIterator<Item = (String, String, Origin)>) -> Self {
        let (values, origins) = pairs::load(pairs);
        Self {
            name: name.into(),
            values,
            places: Arc::new(Places::each(Origin::new(name), origins)),
            tolerant: false,
            moved: None,
        }
    }

    /// The same as [`Layer::pairs`] where all values have one place.
    pub(crate) fn labels<'a>(origin: &Origin, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut values = Dict::new();
        for (path, text) in pairs {
            pairs::insert(&mut values, path, text);
        }
        Self {
            name: origin.as_str().into(),
            values,
            places: Arc::new(Places::one(origin.clone())),
            tolerant: false,
            moved: None,
        }
    }

    /// A layer whose unknown keys are warnings, and count for nothing: variables that others put into our
    /// environment. See [`Layers::decode_noting`].
    #[must_use]
    pub fn tolerant(mut self) -> Self {
        self.tolerant = true;
        self
    }

    /// The name as shown to users.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True when it sets nothing.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The objects of a document, if they were left out of it.
#[derive(Debug)]
pub(crate) struct Parts {
    name: Arc<str>,
    nodes: Option<yaml::Parts>,
}

impl Parts {
    /// The object at `path` that `value` stands for, with what knows its places. `None` when the value is the object.
    pub(crate) fn take(&mut self, value: &Value, path: &KeyPath<'_>) -> Option<(Value, Merged)> {
        let (value, lines) = self.nodes.as_mut()?.take(value, path)?;
        let layer = Layer {
            name: self.name.clone(),
            values: Dict::new(),
            places: Arc::new(Places::lines(&self.name, lines)),
            tolerant: false,
            moved: None,
        };
        Some((value, Merged::single(layer)))
    }
}

/// A layer on its way into a figment, under the number by which its values find their places again.
struct Numbered {
    number: usize,
    name: Arc<str>,
    values: Dict,
}

impl Provider for Numbered {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.to_string()).source(Source::Custom(self.number.to_string()))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// Shows the name only: values may be secret.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

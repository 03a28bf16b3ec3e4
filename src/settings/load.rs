//! Settings from their sources: defaults < file < environment < flags.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use mesh_config::{
    Origin, Problem,
    layer::{Format, Layer, Layers},
};

use super::{Settings, environment, flags::Flags, schema::Node, search};

/// Sections of the dynamic configuration, which a static file holds only for the file provider.
const DYNAMIC: [&str; 4] = ["http", "tcp", "udp", "tls"];

/// Where settings may come from.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The command line, taken apart.
    pub(crate) flags: Flags,
    /// The environment.
    pub(crate) variables: Vec<(String, String)>,
    /// Look for a file in the usual places when none is named.
    pub(crate) search: bool,
}

/// Settings and where they came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings as written, without derived values.
    pub(crate) settings: Settings,
    /// Tells where a setting was written.
    pub(crate) layers: Layers,
    /// What its user should know although Mesh starts.
    pub(crate) warnings: Vec<Problem>,
}

/// Reads and decodes all sources.
pub(crate) fn load(sources: Sources) -> Result<Loaded, Vec<Problem>> {
    let schema = Node::of::<Settings>();
    let variable = |wanted: &str| {
        sources
            .variables
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.clone())
    };
    let file = match &sources.flags.config {
        Some(path) => Some(PathBuf::from(path)),
        None if !sources.search => None,
        None => search::first_existing(&search::candidates(variable)).map(Path::to_owned),
    };
    let mut layers = Layers::new();
    if let Some(path) = &file {
        layers.push(read(path, sources.flags.config.is_some()).map_err(|problem| vec![problem])?);
    }
    let (pairs, unknown) = environment::read(sources.variables, &schema);
    layers.push(Layer::pairs("environment", pairs));
    layers.push(Layer::pairs("command line", sources.flags.pairs));
    let dynamic: Vec<_> = DYNAMIC
        .into_iter()
        .filter_map(|section| {
            let taken = layers.take(section);
            (!taken.is_empty()).then(|| (section, taken.origin_of(section)))
        })
        .collect();
    let taken = INHERITING
        .iter()
        .map(|block| (block, layers.take_inheriting(block.key, "instances")));
    let instances: Vec<_> = taken.collect();
    let mut settings = layers.decode::<Settings>()?;
    for (block, instances) in instances {
        block.inherit(instances, &mut settings)?;
    }
    let misplaced = misplaced(&dynamic, &settings, file.as_deref());
    if !misplaced.is_empty() {
        return Err(misplaced);
    }
    let warnings = unknown.into_iter().map(unknown_variable).collect();
    Ok(Loaded {
        settings,
        layers,
        warnings,
    })
}

/// A block that may hold `instances`, which inherit from it.
struct Inheriting {
    key: &'static str,
    /// Adds, under a name, the block that the second settings have to that of the first.
    add: fn(&mut Settings, String, Settings),
}

/// The block `$field` at `$key`.
macro_rules! inheriting {
    ($key:literal, $field:ident) => {
        Inheriting {
            key: $key,
            add: |settings, name, instance| {
                let outer = settings.providers.$field.get_or_insert_default();
                let instance = instance.providers.$field.unwrap_or_default();
                outer.instances.insert(name, instance);
            },
        }
    };
}

const INHERITING: &[Inheriting] = &[
    #[cfg(feature = "provider-consul")]
    inheriting!("providers.consulCatalog", consul_catalog),
    #[cfg(feature = "provider-ecs")]
    inheriting!("providers.ecs", ecs),
    #[cfg(feature = "provider-nomad")]
    inheriting!("providers.nomad", nomad),
];

impl Inheriting {
    /// Decodes each instance over the block around it.
    fn inherit(
        &self,
        instances: BTreeMap<String, Layers>,
        settings: &mut Settings,
    ) -> Result<(), Vec<Problem>> {
        for (name, layers) in instances {
            let instance = layers.decode::<Settings>().map_err(|problems| {
                let below = format!("{}.instances.{name}", self.key);
                let rename = |problem: Problem| Problem {
                    key: problem.key.replacen(self.key, &below, 1),
                    ..problem
                };
                problems.into_iter().map(rename).collect::<Vec<_>>()
            })?;
            (self.add)(settings, name, instance);
        }
        Ok(())
    }
}

fn read(path: &Path, explicit: bool) -> Result<Layer, Problem> {
    let name = path.display().to_string();
    let problem = |message: String| Problem::new(Origin::new(name.clone()), "", message);
    let format = Format::of(path).ok_or_else(|| {
        problem("the file is of no known kind".to_owned()).with_help("name it .yml, .yaml or .toml")
    })?;
    let text = std::fs::read_to_string(path).map_err(|error| {
        let problem = problem(format!("cannot read the file: {error}"));
        if explicit {
            problem.with_help("--config names it; without --config the usual places are searched")
        } else {
            problem
        }
    })?;
    Layer::parse(&name, &text, format)
}

/// Dynamic sections in a static file that the file provider does not read would be lost without a word.
fn misplaced(sections: &[(&str, Origin)], settings: &Settings, file: Option<&Path>) -> Vec<Problem> {
    let provided = settings.provided_file();
    let same = |one: &Path, other: &Path| match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    };
    if let (Some(file), Some(provided)) = (file, provided)
        && same(file, provided)
    {
        return Vec::new();
    }
    let name = file.map_or_else(|| "this file".to_owned(), |file| file.display().to_string());
    let beside = file.and_then(|file| Some((file, file.parent()?.join(provided?))));
    let help = match beside {
        Some((file, beside)) if same(file, &beside) => format!(
            "providers.file.filename is relative to the directory in which Mesh is started: start it beside the file, \
             or set that to {name}"
        ),
        _ => format!("set providers.file.filename to {name}, or move the section to a file of its own"),
    };
    sections
        .iter()
        .map(|(section, origin)| {
            Problem::new(
                origin.clone(),
                *section,
                "is dynamic configuration, which no provider reads from here",
            )
            .with_help(help.clone())
        })
        .collect()
}

fn unknown_variable(name: String) -> Problem {
    Problem::new(Origin::new(name), "", "names no option and is ignored").with_help(
        "Kubernetes sets such variables for a service called mesh; `mesh --help` lists the options",
    )
}

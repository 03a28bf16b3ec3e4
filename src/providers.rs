//! Every provider there is, made from the settings. The only place that names them all.

use std::{path::Path, sync::Arc};

use mesh_config::{Origin, Problem, ProviderName};
use mesh_discovery::{Provider, Registration};

use crate::settings::Settings;

/// The providers of a run.
#[derive(Debug, Default)]
pub(crate) struct Providers {
    /// For discovery to follow.
    pub(crate) registrations: Vec<Registration>,
    /// Reads again on SIGHUP.
    #[cfg(feature = "provider-file")]
    pub(crate) file: Option<Arc<mesh_provider_file::FileProvider>>,
}

impl Providers {
    /// Makes the providers that `settings` ask for.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut providers = Self::default();
        #[cfg(feature = "provider-file")]
        providers
            .add_file(settings)
            .map_err(|error| vec![problem("providers.file", &error)])?;
        #[cfg(feature = "provider-consul")]
        providers
            .add_consul(settings)
            .map_err(|error| vec![problem("providers.consulCatalog", &*error)])?;
        #[cfg(feature = "provider-ecs")]
        providers
            .add_ecs(settings)
            .map_err(|error| vec![problem("providers.ecs", &error)])?;
        #[cfg(feature = "provider-nomad")]
        providers
            .add_nomad(settings)
            .map_err(|error| vec![problem("providers.nomad", &error)])?;
        match clash(&providers.registrations) {
            Some(clash) => Err(vec![clash]),
            None => Ok(providers),
        }
    }

    /// The providers that need nothing but this machine's disk.
    pub(crate) fn files_only(settings: &Settings) -> Result<Vec<Arc<dyn Provider>>, Vec<Problem>> {
        let mut providers = Self::default();
        #[cfg(feature = "provider-file")]
        providers
            .add_file(settings)
            .map_err(|error| vec![problem("providers.file", &error)])?;
        Ok(providers
            .registrations
            .into_iter()
            .map(|registration| registration.provider)
            .collect())
    }

    /// Reads again what can be read again.
    pub(crate) fn reload(&self) {
        #[cfg(feature = "provider-file")]
        if let Some(file) = &self.file {
            file.reload();
        }
    }

    #[cfg(feature = "provider-file")]
    fn add_file(&mut self, settings: &Settings) -> Result<(), mesh_provider_file::SettingsError> {
        let Some(file) = &settings.providers.file else {
            return Ok(());
        };
        let provider = Arc::new(mesh_provider_file::FileProvider::new(
            file.clone(),
            static_keys(),
        )?);
        self.registrations.push(Registration {
            provider: provider.clone(),
            required: file.required,
            exposure: None,
        });
        self.file = Some(provider);
        Ok(())
    }

    #[cfg(feature = "provider-consul")]
    fn add_consul(&mut self, settings: &Settings) -> Result<(), Box<dyn std::error::Error>> {
        if let Some(block) = &settings.providers.consul_catalog {
            for (name, consul) in named("consulcatalog", block, &block.instances) {
                let exposure = consul.exposure()?;
                for provider in mesh_provider_consul::ConsulCatalog::all(&name, consul, &environment)? {
                    self.registrations.push(Registration {
                        provider: Arc::new(provider),
                        required: consul.required,
                        exposure: Some(exposure.clone()),
                    });
                }
            }
        }
        Ok(())
    }

    #[cfg(feature = "provider-ecs")]
    fn add_ecs(&mut self, settings: &Settings) -> Result<(), mesh_provider_ecs::SettingsError> {
        if let Some(block) = &settings.providers.ecs {
            for (name, ecs) in named("ecs", block, &block.instances) {
                self.registrations.push(Registration {
                    provider: Arc::new(mesh_provider_ecs::Ecs::new(name, ecs)?),
                    required: ecs.required,
                    exposure: Some(ecs.exposure()?),
                });
            }
        }
        Ok(())
    }

    #[cfg(feature = "provider-nomad")]
    fn add_nomad(&mut self, settings: &Settings) -> Result<(), mesh_provider_nomad::SettingsError> {
        if let Some(block) = &settings.providers.nomad {
            for (name, nomad) in named("nomad", block, &block.instances) {
                let providers = mesh_provider_nomad::providers(&name, nomad, &environment)?;
                self.registrations.extend(providers);
            }
        }
        Ok(())
    }
}

/// Two providers of one name, or one that could find another of that name: nobody could tell their objects apart.
fn clash(registrations: &[Registration]) -> Option<Problem> {
    let named: Vec<_> = registrations
        .iter()
        .map(|registration| (registration.provider.name(), &registration.provider))
        .collect();
    named.iter().enumerate().find_map(|(index, (name, provider))| {
        let mut others = named.iter().enumerate().filter(|(other, _)| *other != index);
        let (_, (other, _)) =
            others.find(|(_, (other, _))| other == name || provider.member(other).is_some())?;
        let message = format!(
            "{other} would be the name of two providers: an instance, and another instance's namespace or \
             datacenter; give one of the instances another name"
        );
        Some(Problem::new(Origin::new("settings"), "providers", message))
    })
}

/// A block by its own name, or each of its `instances`; then the block around them is only what they inherit.
#[cfg(any(
    feature = "provider-consul",
    feature = "provider-ecs",
    feature = "provider-nomad"
))]
fn named<'a, S>(
    kind: &str,
    block: &'a S,
    instances: &'a std::collections::BTreeMap<String, S>,
) -> Vec<(ProviderName, &'a S)> {
    let named = |(name, instance)| (ProviderName::new(format!("{kind}-{name}")), instance);
    match instances.is_empty() {
        true => vec![(ProviderName::new(kind), block)],
        false => instances.iter().map(named).collect(),
    }
}

#[cfg(any(feature = "provider-consul", feature = "provider-nomad"))]
fn environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// A file provider of one path, a file or a directory.
#[cfg(feature = "provider-file")]
pub(crate) fn of_path(path: &Path) -> Result<Arc<dyn Provider>, Problem> {
    let mut settings = mesh_provider_file::Settings::default();
    let place = if path.is_dir() {
        &mut settings.directory
    } else {
        &mut settings.filename
    };
    *place = Some(path.to_owned());
    let provider = mesh_provider_file::FileProvider::new(settings, static_keys());
    let provider = provider.map_err(|error| Problem::new(origin(path), "", error.to_string()))?;
    Ok(Arc::new(provider))
}

/// Nobody is here to read the path.
#[cfg(not(feature = "provider-file"))]
pub(crate) fn of_path(path: &Path) -> Result<Arc<dyn Provider>, Problem> {
    Err(Problem::new(
        origin(path),
        "",
        "this build of Mesh has no file provider",
    ))
}

fn origin(path: &Path) -> Origin {
    Origin::new(path.display().to_string())
}

/// Root keys of a static file, which the file provider passes over where it reads the same file.
#[cfg(feature = "provider-file")]
fn static_keys() -> std::collections::BTreeSet<String> {
    use crate::settings::Node;
    match Node::of::<Settings>() {
        Node::Block(options) => options.into_keys().map(str::to_owned).collect(),
        _ => std::collections::BTreeSet::new(),
    }
}

fn problem(key: &str, error: &dyn std::error::Error) -> Problem {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    Problem::new(Origin::new("settings"), key, message)
}

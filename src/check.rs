//! `mesh check`: everything that is wrong, before it is deployed.

use std::{path::PathBuf, sync::Arc};

use mesh_config::{Configuration, Entry, Kind, Origin, Problem, ProviderName, QualifiedName};
use mesh_proxy::Status;
use mesh_tls::Keeper;

use crate::{exit::Exit, offline::Offline, report, settings::Plan};

/// Checks what `plan` and `files` would serve.
pub(crate) async fn check(plan: &Plan, files: &[PathBuf]) -> Exit {
    report::problems("warning", &plan.warnings);
    let offline = match Offline::read(plan, files).await {
        Ok(offline) => offline,
        Err(problems) => {
            report::problems("error", &problems);
            return Exit::Failure;
        }
    };
    report::problems("warning", &warnings(&offline));
    let problems = problems(&offline);
    report::problems("error", &problems);
    let count = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let runtime = offline.table.runtime();
    let declared = |name: &&QualifiedName| name.provider.as_str() != ProviderName::INTERNAL;
    let counted = |serving: usize, kind: Kind| {
        let broken = runtime.set_aside.keys().filter(|(broken, _)| *broken == kind);
        count(serving + broken.count(), &kind.to_string())
    };
    let found = [
        counted(runtime.routers.keys().filter(declared).count(), Kind::Router),
        counted(runtime.services.keys().filter(declared).count(), Kind::Service),
        counted(
            runtime.middlewares.keys().filter(declared).count(),
            Kind::Middleware,
        ),
    ]
    .join(", ");
    if problems.is_empty() {
        report::output(&format!("ok: {found}\n"));
        Exit::Clean
    } else {
        report::output(&format!("{} in {found}\n", count(problems.len(), "problem")));
        Exit::Failure
    }
}

/// All problems, each once, in the order of their places.
fn problems(offline: &Offline) -> Vec<Problem> {
    let runtime = offline.table.runtime();
    let routers = runtime.routers.iter().flat_map(|(name, info)| {
        let errors = but(&info.errors, &info.warnings);
        of_object("http.routers", name, Some(&info.entry), info.status, &errors)
    });
    let services = runtime.services.iter().flat_map(|(name, info)| {
        let errors = but(&info.errors, &info.warnings);
        of_object("http.services", name, info.entry.as_ref(), info.status, &errors)
    });
    let middlewares = runtime.middlewares.iter().flat_map(|(name, info)| {
        let entry = &info.entry;
        let problems = of_object("http.middlewares", name, Some(entry), info.status, &info.errors);
        problems
            .into_iter()
            .map(|problem| match problem.origin == entry.origin.alone() {
                true => Problem {
                    origin: entry.place_of(&problem.message),
                    ..problem
                },
                false => problem,
            })
    });
    let tls_options = runtime.tls_options.iter().flat_map(|(name, info)| {
        let errors = but(&info.errors, &info.warnings);
        of_object("tls.options", name, Some(&info.entry), info.status, &errors)
    });
    let general = offline.unreadable.iter().chain(offline.configuration.unusable());
    let general = general.cloned().chain(certificates(&offline.configuration));
    let mut problems: Vec<Problem> = Vec::new();
    for problem in general
        .chain(routers)
        .chain(services)
        .chain(middlewares)
        .chain(tls_options)
    {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems.sort_by(|one, other| place(&one.origin).cmp(&place(&other.origin)));
    problems
}

/// The errors that are no warnings.
fn but(errors: &[String], warnings: &[String]) -> Vec<String> {
    let errors = errors.iter().filter(|error| !warnings.contains(error));
    errors.cloned().collect()
}

/// What somebody should look at although it serves.
fn warnings(offline: &Offline) -> Vec<Problem> {
    let runtime = offline.table.runtime();
    let routers = runtime.routers.iter().flat_map(|(name, info)| {
        told("http.routers", name, &info.warnings, |_| {
            info.entry.origin.clone()
        })
    });
    let services = runtime.services.iter().flat_map(|(name, info)| {
        let entry = info.entry.as_ref();
        let place = |warning: &str| entry.map_or_else(Origin::default, |entry| entry.place_of(warning));
        told("http.services", name, &info.warnings, place)
    });
    let tls_options = runtime
        .tls_options
        .iter()
        .flat_map(|(name, info)| told("tls.options", name, &info.warnings, |_| info.entry.origin.clone()));
    routers.chain(services).chain(tls_options).collect()
}

/// The warnings of one object, each with its place.
fn told(
    section: &str,
    name: &QualifiedName,
    warnings: &[String],
    place: impl Fn(&str) -> Origin,
) -> Vec<Problem> {
    let key = format!("{section}.{}", name.name);
    let problems = warnings.iter();
    problems
        .map(|warning| Problem::new(place(warning), key.clone(), warning))
        .collect()
}

/// What is wrong with the files of certificates.
fn certificates(configuration: &Configuration) -> Vec<Problem> {
    let mut keeper = match Keeper::new() {
        Ok(keeper) => keeper,
        Err(error) => return vec![Problem::new(Origin::default(), "tls", error.to_string())],
    };
    keeper.update(configuration);
    let troubles = keeper.troubles().into_iter();
    troubles
        .map(|trouble| Problem::new(trouble.origin, "tls.certificates", trouble.error.to_string()))
        .collect()
}

/// The problems of an object's definition, and what the compiler found besides.
fn of_object<T>(
    section: &str,
    name: &QualifiedName,
    entry: Option<&Arc<Entry<T>>>,
    status: Status,
    errors: &[String],
) -> Vec<Problem> {
    if status == Status::Enabled {
        return Vec::new();
    }
    let mut problems = entry.map_or_else(Vec::new, |entry| entry.problems.clone());
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let origin = entry.map_or_else(Origin::default, |entry| entry.origin.clone());
    let key = format!("{section}.{}", name.name);
    let further = errors.iter().filter(|error| !told.contains(error));
    problems.extend(further.map(|error| Problem::new(origin.clone(), key.clone(), error.clone())));
    problems
}

/// `routes.yml:12` as file and line, so that line 9 comes before line 12.
fn place(origin: &Origin) -> (&str, u64) {
    let text = origin.as_str();
    text.rsplit_once(':')
        .and_then(|(file, line)| Some((file, line.parse().ok()?)))
        .unwrap_or((text, 0))
}

//! The routing table that a run would have, without running: for `check` and `explain`.
//!
//! Goes the way of a run: the same provider reads, the same catalog merges, the same compiler compiles.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::StreamExt;
use mesh_config::{Configuration, Origin, Problem};
use mesh_discovery::{Catalog, Content, DiscoverySettings, Provider, Report, ScopeState};
use mesh_proxy::{InternalService, InternalServices, RoutingTable};
use mesh_tls::Keeper;

use crate::{
    internal::Internal,
    models::Models,
    providers::{self, Providers},
    settings::Plan,
};

/// Files are local; what takes longer than this is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a run would serve from files.
#[derive(Debug)]
pub(crate) struct Offline {
    /// All that the files declare.
    pub(crate) configuration: Arc<Configuration>,
    /// The table made of it.
    pub(crate) table: Arc<RoutingTable>,
    /// Files that could not be read.
    pub(crate) unreadable: Vec<Problem>,
}

impl Offline {
    /// Reads `files`, or what the file provider of `plan` names when there are none.
    pub(crate) async fn read(plan: &Plan, files: &[PathBuf]) -> Result<Self, Vec<Problem>> {
        let mut catalog = Catalog::new(&DiscoverySettings::default());
        let internal = Internal::new(&plan.settings);
        catalog.apply(internal.name(), internal.report(), SystemTime::now());
        let mut unreadable = Vec::new();
        if files.is_empty() {
            for provider in Providers::files_only(&plan.settings)? {
                unreadable.extend(drive(&mut catalog, &*provider, false).await);
            }
        }
        for file in files {
            let provider = providers::of_path(file).map_err(|problem| vec![problem])?;
            unreadable.extend(drive(&mut catalog, &*provider, true).await);
        }
        let configuration = Arc::new(catalog.configuration());
        let configuration = Models::new(&plan.settings, &plan.entry_points()).apply(&configuration);
        let tls = Keeper::new().and_then(|keeper| keeper.tls());
        let tls = tls.map_err(|error| vec![Problem::new(Origin::default(), "tls", error.to_string())])?;
        let table = plan.compiler(stand_ins(plan), &tls).compile(&configuration);
        Ok(Self {
            configuration,
            table,
            unreadable,
        })
    }
}

/// Takes reports until every scope has been heard of once. `several` keeps one file from unlisting another.
async fn drive(catalog: &mut Catalog, provider: &dyn Provider, several: bool) -> Vec<Problem> {
    let name = provider.name().clone();
    let mut reports = provider.reports();
    let mut unreadable = Vec::new();
    let mut awaited: Option<usize> = None;
    let mut heard = 0;
    while awaited.is_none_or(|awaited| heard < awaited) {
        let Ok(Some(report)) = tokio::time::timeout(PATIENCE, reports.next()).await else {
            break;
        };
        match &report {
            Report::Replace {
                content: Content::Scopes(scopes),
                ..
            } => {
                awaited = Some(scopes.len());
                if several {
                    continue;
                }
            }
            Report::Replace { .. } => heard += 1,
            Report::History { .. } => {}
            Report::Failed { scope, error } => {
                heard += 1;
                unreadable.push(Problem::new(Origin::new(scope.as_str()), "", error.to_string()));
            }
        }
        catalog.apply(&name, report, SystemTime::now());
        let status = catalog.status().into_iter().find(|status| status.name == name);
        let scopes = status.map(|status| status.scopes).unwrap_or_default();
        let all_heard = scopes.iter().all(|scope| scope.state != ScopeState::Starting);
        if awaited.is_none() && all_heard && !scopes.is_empty() {
            break;
        }
    }
    unreadable
}

/// Which of `files` do not exist; when there are none, whether what the settings name does not.
pub(crate) fn missing(plan: &Plan, files: &[PathBuf]) -> Vec<Problem> {
    let configured = plan.settings.provided_path().filter(|_| files.is_empty());
    let missing = configured
        .into_iter()
        .chain(files.iter().map(PathBuf::as_path))
        .filter(|path| !path.exists());
    missing
        .map(|path| Problem::new(Origin::new(path.display().to_string()), "", "does not exist"))
        .collect()
}

/// The services of Mesh itself that a run would have.
fn stand_ins(plan: &Plan) -> InternalServices {
    let settings = &plan.settings;
    let services = [
        (true, "noop"),
        (settings.api.is_some(), "api"),
        (settings.ping.is_some(), "ping"),
        (settings.ping.is_some(), "ready"),
        (settings.prometheus().is_some(), "prometheus"),
    ];
    let service: Arc<dyn InternalService> = Arc::new(mesh_api::Noop);
    services
        .into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| (name.to_owned(), service.clone()))
        .collect()
}

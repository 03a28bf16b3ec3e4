//! How connections to the servers of a service are made.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use mesh_config::model::ServersTransport;
use mesh_tls::{ClientKeeper, ClientTls, Renewal};
use parking_lot::Mutex;

/// A servers transport with what is made of it once.
#[derive(Debug, Default)]
pub struct Transport {
    settings: ServersTransport,
    /// Made when the first server needs it: reading whom the system believes takes a while.
    tls: OnceLock<Result<ClientTls, String>>,
    /// Looks after the files that `tls` was made of. Workers never ask it.
    keeper: Mutex<Option<ClientKeeper>>,
}

/// What came of looking at the files of a transport again.
#[derive(Debug)]
pub(crate) enum Renewed {
    /// Nothing.
    Same,
    /// What is wrong with them is something else, or nothing any more.
    Trouble,
    /// Connections are to be made by this one from now on.
    New(Arc<Transport>),
}

impl Transport {
    pub(crate) fn new(settings: ServersTransport) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// TLS to servers.
    ///
    /// # Errors
    /// When the settings cannot be used; the text says which.
    pub(crate) fn tls(&self) -> Result<&ClientTls, String> {
        let made = self.tls.get_or_init(|| {
            let keeper = ClientKeeper::new(self.settings.clone());
            let tls = keeper.tls();
            self.keeper.lock().replace(keeper);
            tls
        });
        made.as_ref().map_err(Clone::clone)
    }

    /// Reads its files again if they have changed. Once there is a new one, this one is not asked again.
    pub(crate) fn renewed(&self) -> Renewed {
        let mut kept = self.keeper.lock();
        let Some(keeper) = &mut *kept else {
            return Renewed::Same;
        };
        match keeper.refresh() {
            Renewal::Same => Renewed::Same,
            Renewal::Trouble => Renewed::Trouble,
            Renewal::New => Renewed::New(Arc::new(Self {
                settings: self.settings.clone(),
                tls: OnceLock::from(keeper.tls()),
                keeper: Mutex::new(kept.take()),
            })),
        }
    }

    /// Why its files cannot be used as they are now, though there are some from before.
    pub(crate) fn trouble(&self) -> Option<String> {
        let serves = matches!(self.tls.get(), Some(Ok(_)));
        let kept = self.keeper.lock();
        let trouble = kept.as_ref()?.trouble().filter(|_| serves)?;
        Some(format!("{trouble}; what was read before serves on"))
    }
}

impl Deref for Transport {
    type Target = ServersTransport;

    fn deref(&self) -> &ServersTransport {
        &self.settings
    }
}

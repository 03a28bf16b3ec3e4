//! How connections to the servers of a service are made.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
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
    /// No connection is made to what tells about this machine.
    shuns_metadata: bool,
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

    /// The same for servers that somebody named who may not know what tells about this machine.
    pub(crate) fn shunning_metadata(settings: ServersTransport) -> Self {
        Self {
            shuns_metadata: true,
            ..Self::new(settings)
        }
    }

    /// True if connections to `ip` may be made.
    pub(super) fn reaches(&self, ip: IpAddr) -> bool {
        !(self.shuns_metadata && is_metadata(ip))
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
                shuns_metadata: self.shuns_metadata,
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

/// True for addresses where clouds tell about a machine, and give its credentials away.
pub(crate) fn is_metadata(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local() || ip == Ipv4Addr::new(100, 100, 100, 200),
        IpAddr::V6(ip) => {
            ip == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254) || ip.is_unicast_link_local()
        }
    }
}

impl Deref for Transport {
    type Target = ServersTransport;

    fn deref(&self) -> &ServersTransport {
        &self.settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_transport_that_may_reaches_what_tells_about_the_machine() {
        let shunning = Transport::shunning_metadata(ServersTransport::default());
        for (ip, tells) in [
            ("169.254.169.254", true),
            ("169.254.170.2", true),
            ("::ffff:169.254.169.254", true),
            ("fd00:ec2::254", true),
            ("10.0.0.1", false),
            ("fd00::1", false),
        ] {
            let ip = ip.parse().unwrap();
            assert_eq!(shunning.reaches(ip), !tells, "{ip}");
            assert!(Transport::default().reaches(ip));
        }
    }
}

//! TLS towards servers, made anew when the files of a servers transport change.

use mesh_config::model::{Pem, ServersTransport};

use crate::{
    ClientTls, Renewal,
    client::Files,
    kept::{Kept, Recipe},
};

/// Keeps what connections to servers are made with, as settings and files say.
#[derive(Debug)]
pub struct ClientKeeper(Kept<ServersTransport>);

impl Recipe for ServersTransport {
    type Files = Files;
    type Made = ClientTls;

    fn pems(&self) -> impl Iterator<Item = &Pem> {
        let own = self.certificates.iter();
        let own = own.flat_map(|pair| [&pair.cert_file, &pair.key_file]);
        self.root_cas.iter().chain(own)
    }

    fn read(&self) -> Result<Files, String> {
        Files::read(self)
    }

    fn make(&self, files: &Files) -> Result<ClientTls, String> {
        ClientTls::new(self, files)
    }
}

impl ClientKeeper {
    /// Reads the files of `settings`.
    pub fn new(settings: ServersTransport) -> Self {
        Self(Kept::new(settings))
    }

    /// What connections are made with.
    ///
    /// # Errors
    /// When the settings or their files could never be used; the text says which.
    pub fn tls(&self) -> Result<ClientTls, String> {
        self.0.made()
    }

    /// What is wrong with the files as they are now; those before serve on, if there were any.
    pub fn trouble(&self) -> Option<&str> {
        self.0.trouble()
    }

    /// Reads files again that look changed, and those that could not be used.
    pub fn refresh(&mut self) -> Renewal {
        self.0.refresh()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use mesh_config::model::CertificatePair;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// As careful programs do: aside, then by rename. The clock of a file system may be coarse; another file is another
    /// one.
    fn put(path: &Path, text: impl AsRef<[u8]>) {
        let aside = path.with_extension("aside");
        fs::write(&aside, text).unwrap();
        fs::rename(&aside, path).unwrap();
    }

    fn write(directory: &Path) {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(["mesh.test".to_owned()]).unwrap();
        let certificate = made.self_signed(&key).unwrap();
        put(&directory.join("own.pem"), certificate.pem());
        put(&directory.join("own.key"), key.serialize_pem());
        put(&directory.join("roots.pem"), certificate.pem());
    }

    fn keeper(directory: &Path) -> ClientKeeper {
        let file = |name| Pem::File(directory.join(name));
        ClientKeeper::new(ServersTransport {
            root_cas: vec![file("roots.pem")],
            certificates: vec![CertificatePair {
                cert_file: file("own.pem"),
                key_file: file("own.key"),
            }],
            ..ServersTransport::default()
        })
    }

    #[test]
    fn files_that_change_are_used_and_files_that_only_look_changed_are_not() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path());
        let mut keeper = keeper(directory.path());
        assert!(keeper.tls().is_ok());
        assert_eq!(keeper.refresh(), Renewal::Same);
        for name in ["own.pem", "own.key", "roots.pem"] {
            let path = directory.path().join(name);
            put(&path, fs::read(&path).unwrap());
            assert_eq!(keeper.refresh(), Renewal::Same, "{name}");
        }
        write(directory.path());
        assert_eq!(keeper.refresh(), Renewal::New);
        assert_eq!(keeper.refresh(), Renewal::Same);
    }

    #[test]
    fn a_broken_file_keeps_what_was_read_before_and_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path());
        let mut keeper = keeper(directory.path());
        for name in ["roots.pem", "own.pem", "own.key"] {
            let path = directory.path().join(name);
            let good = fs::read(&path).unwrap();
            put(&path, "rubbish");
            assert_eq!(keeper.refresh(), Renewal::Trouble);
            assert_eq!(keeper.refresh(), Renewal::Same);
            assert!(keeper.trouble().unwrap().contains(name), "{:?}", keeper.trouble());
            assert!(keeper.tls().is_ok());
            put(&path, good);
            assert_eq!(keeper.refresh(), Renewal::Trouble, "it is the one before");
            assert_eq!(keeper.trouble(), None);
        }
    }

    #[test]
    fn files_that_come_late_are_used_when_they_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let mut keeper = keeper(directory.path());
        assert!(keeper.tls().unwrap_err().contains("roots.pem"));
        assert_eq!(keeper.refresh(), Renewal::Same);
        write(directory.path());
        assert_eq!(keeper.refresh(), Renewal::New);
        assert!(keeper.tls().is_ok());
    }
}

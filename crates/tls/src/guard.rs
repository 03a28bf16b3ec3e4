//! What a connection may be used for, once its handshake is made.

use mesh_config::{
    QualifiedName,
    model::{ClientAuth, Pem},
};
use sha2::{Digest, Sha256};

/// Tells TLS options apart, as far as those must know who serve requests: by their name, and by what they ask of
/// clients. A connection whose handshake was made by others is no way to what they guard. Any other change of
/// options leaves open connections as good as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionsGuard(u128);

impl OptionsGuard {
    /// Of the options called `name`.
    pub(crate) fn new(name: &QualifiedName, auth: &ClientAuth) -> Self {
        let mut print = Sha256::new();
        let mut add = |text: &[u8]| {
            print.update(text.len().to_le_bytes());
            print.update(text);
        };
        // Whoever defines those that are called `default`: there is one of them.
        match &*name.name {
            "default" => add(b"default"),
            _ => add(name.to_string().as_bytes()),
        }
        add(format!("{:?}", auth.effective()).as_bytes());
        for authority in &auth.ca_files {
            match authority {
                Pem::File(path) => add(path.as_os_str().as_encoded_bytes()),
                Pem::Inline(text) => add(text.as_bytes()),
            }
        }
        let print: [u8; 32] = print.finalize().into();
        let (half, _) = print.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        Self(u128::from_le_bytes(*half))
    }
}

#[cfg(test)]
mod tests {
    use mesh_config::{ProviderName, model::ClientAuthType};

    use super::*;

    fn guard(name: &str, provider: &str, auth: &ClientAuth) -> OptionsGuard {
        OptionsGuard::new(&QualifiedName::new(name, ProviderName::new(provider)), auth)
    }

    #[test]
    fn options_differ_by_their_name_and_by_what_they_ask_of_clients() {
        let open = ClientAuth::default();
        let closed = ClientAuth {
            ca_files: vec![Pem::File("ca.pem".into())],
            client_auth_type: None,
        };
        let written = ClientAuth {
            client_auth_type: Some(ClientAuthType::RequireAndVerify),
            ..closed.clone()
        };
        let others = ClientAuth {
            ca_files: vec![Pem::File("other.pem".into())],
            client_auth_type: None,
        };
        assert_eq!(guard("a", "file", &closed), guard("a", "file", &written));
        assert_eq!(
            guard("default", "file", &open),
            guard("default", "internal", &open)
        );
        let all = [
            guard("a", "file", &open),
            guard("b", "file", &open),
            guard("a", "http", &open),
            guard("a", "file", &closed),
            guard("a", "file", &others),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(!all[..place].contains(one), "{place}");
        }
    }
}

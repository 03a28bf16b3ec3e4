//! What the settings may name.

use std::collections::BTreeSet;

use mesh_config::ProviderName;
use mesh_discovery::Provider as _;
use mesh_provider_file::{FileProvider, Settings, SettingsError};

#[test]
fn settings_name_exactly_one_source_of_a_known_kind() {
    let of = |filename: Option<&str>, directory: Option<&str>| {
        let (filename, directory) = (filename.map(Into::into), directory.map(Into::into));
        FileProvider::new(
            Settings {
                filename,
                directory,
                ..Settings::default()
            },
            BTreeSet::new(),
        )
    };
    assert_eq!(of(None, None).unwrap_err(), SettingsError::NoSource);
    assert_eq!(
        of(Some("a.yml"), Some("b")).unwrap_err(),
        SettingsError::TwoSources
    );
    assert!(matches!(
        of(Some("a.conf"), None),
        Err(SettingsError::UnknownFormat(_))
    ));
    assert_eq!(of(None, Some("b")).unwrap().name(), &ProviderName::new("file"));
}

//! The section `tls` of a document.

use figment::value::Value;
use serde::Deserialize;

use super::Reader;
use crate::{
    fragment::{Declared, Kind, SetAside},
    layer::{KeyPath, Lists},
    model::{Certificate, CertificatePair},
    origin::Problem,
    outline::Outline,
};

/// What `tls` holds.
const SECTIONS: [&str; 3] = ["certificates", "stores", "options"];

/// The one store that serves, and the name of its own certificate.
const DEFAULT: &str = "default";

/// A store as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Store {
    default_certificate: Option<CertificatePair>,
}

impl Reader<'_> {
    pub(super) fn tls(&mut self, value: Value, path: &KeyPath<'_>) {
        for (section, key, value) in self.sections(value, path, &SECTIONS) {
            let path = KeyPath::Key(path, &key);
            match section {
                "certificates" => self.certificates(value, &path),
                "stores" => self.stores(value, &path),
                _ => {
                    let mut options = self.objects(Kind::TlsOptions, value, &path);
                    self.fragment.tls_options.append(&mut options);
                }
            }
        }
    }

    /// Certificates have no names: they are known by their files.
    fn certificates(&mut self, value: Value, path: &KeyPath<'_>) {
        let Value::Array(_, items) = value else {
            self.problem(&value, path, "a list expected", None, &[Kind::Certificate]);
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let path = KeyPath::Index(path, index);
            let decoded = self.merged.decode_part::<Certificate>(item, &path, Lists::Commas);
            let read = decoded.and_then(|certificate| {
                match certificate.stores.iter().find(|store| *store != DEFAULT) {
                    None => Ok((certificate.name(), certificate)),
                    Some(other) => {
                        let message =
                            format!("store {other:?} serves nobody: leave stores out, or name `{DEFAULT}`");
                        Err(vec![self.told(item, &path, message)])
                    }
                }
            });
            self.certificate(item, &path, &path.to_string(), read);
        }
    }

    fn stores(&mut self, value: Value, path: &KeyPath<'_>) {
        for (name, value) in self
            .block(value, path, &[Kind::Certificate])
            .into_iter()
            .flatten()
        {
            let path = KeyPath::Key(path, &name);
            if !name.eq_ignore_ascii_case(DEFAULT) {
                self.problem(
                    &value,
                    &path,
                    "serves nobody: the only store is `default`",
                    None,
                    &[],
                );
                continue;
            }
            let read = match self.merged.decode_part::<Store>(&value, &path, Lists::Commas) {
                Err(problems) => Err(problems),
                Ok(Store {
                    default_certificate: None,
                }) => continue,
                Ok(Store {
                    default_certificate: Some(pair),
                }) => Ok((
                    DEFAULT.to_owned(),
                    Certificate {
                        default: true,
                        ..pair.into()
                    },
                )),
            };
            self.certificate(&value, &path, DEFAULT, read);
        }
    }

    /// Takes in what was read, or sets it aside as `unread`.
    fn certificate(
        &mut self,
        value: &Value,
        path: &KeyPath<'_>,
        unread: &str,
        read: Result<(String, Certificate), Vec<Problem>>,
    ) {
        match read {
            Ok((name, value_read)) => {
                let origin = self.merged.origin(value, &path.place());
                let declared = Declared {
                    value: value_read,
                    origin,
                };
                self.fragment.certificates.entry(name).or_insert(declared);
            }
            Err(problems) => {
                let aside = SetAside::new(Kind::Certificate, unread, Outline::default(), problems);
                self.fragment.set_aside.push(aside);
                // Nobody can tell which of those before this one was.
                self.fragment.unread.insert(Kind::Certificate);
            }
        }
    }

    fn told(&self, value: &Value, path: &KeyPath<'_>, message: String) -> Problem {
        Problem::new(
            self.merged.origin(value, &path.place()),
            path.to_string(),
            message,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use crate::{
        fragment::Fragment,
        layer::Format,
        model::{ClientAuthType, TlsVersion},
    };

    #[test]
    fn certificates_are_known_by_their_files_and_a_bad_one_is_set_aside_alone() {
        let text = "tls:\n  certificates:\n  - {certFile: /a.pem, keyFile: /a.key}\n  - {certFile: /b.pem}\n  \
                    - {certFile: /c.pem, keyFile: /c.key, stores: [other]}\n  stores:\n    \
                    default: {defaultCertificate: {certFile: '-----BEGIN CERTIFICATE-----', keyFile: /d.key}}\n";
        let fragment = parse("x.yml", text, Format::Yaml).unwrap();
        assert_eq!(
            fragment.certificates.keys().collect::<Vec<_>>(),
            ["/a.pem", "default"]
        );
        assert!(fragment.certificates["default"].value.default);
        let told: Vec<_> = fragment
            .set_aside
            .iter()
            .map(|aside| aside.problem.to_string())
            .collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("x.yml:4") && told[0].contains("keyFile"),
            "{told:?}"
        );
        assert!(told[1].contains("other"), "{told:?}");
    }

    #[test]
    fn options_are_read_in_both_formats_and_a_bad_one_is_set_aside_alone() {
        let yaml = "tls:\n  options:\n    good:\n      minVersion: VersionTLS13\n      clientAuth: {caFiles: /ca.pem}\n    \
                    bad: {minVersion: TLS13}\n    worse: {clientAuth: {clientAuthType: Always}}\n";
        let fragment = parse("x.yml", yaml, Format::Yaml).unwrap();
        let good = &fragment.tls_options["good"];
        assert_eq!(good.value.min_version, Some(TlsVersion::Tls13));
        assert_eq!(
            good.value.client_auth.effective(),
            ClientAuthType::RequireAndVerify
        );
        let told: Vec<_> = fragment
            .set_aside
            .iter()
            .map(|aside| aside.problem.to_string())
            .collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("x.yml:6") && told[0].contains("VersionTLS12"),
            "{told:?}"
        );
        assert!(told[1].contains("RequireAndVerifyClientCert"), "{told:?}");
        let toml = "[tls.options.good]\nminVersion = \"VersionTLS13\"\n[tls.options.good.clientAuth]\ncaFiles = [\"/ca.pem\"]\n";
        let same = parse("x.toml", toml, Format::Toml).unwrap();
        assert_eq!(same.tls_options["good"].value, good.value);
        let saved = serde_json::to_value(&fragment).unwrap();
        assert_eq!(serde_json::from_value::<Fragment>(saved).unwrap(), fragment);
    }

    #[test]
    fn an_inline_key_is_not_in_debug() {
        let text =
            "tls: {certificates: [{certFile: /a.pem, keyFile: '-----BEGIN PRIVATE KEY----- hunter2'}]}";
        let fragment = parse("x.yml", text, Format::Yaml).unwrap();
        assert!(!format!("{fragment:?}").contains("hunter2"));
    }
}

//! Whom `forwardAuth` asks.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::{Uri, uri::PathAndQuery};
use mesh_config::{
    Origin, QualifiedName,
    model::{self, CertificatePair, Hash, LoadBalancer, ServerUrl, ServersTransport, Timeouts},
};
use parking_lot::Mutex;

use crate::{
    middleware::{Chain, InvalidMiddleware},
    service::{Balancer, Context, Kind, Service},
    upstream::{Renewed, Transport},
};

/// How long a question may take, its answer included.
const PATIENCE: Duration = Duration::from_secs(30);

/// The address of a middleware, with a service of one server to ask it by.
#[derive(Debug)]
pub(super) struct Target {
    /// `http://auth.test:80`, as users wrote it.
    base: String,
    path: PathAndQuery,
    url: ServerUrl,
    label: Arc<str>,
    name: QualifiedName,
    service: ArcSwap<Service>,
    transport: Mutex<Arc<Transport>>,
}

impl Target {
    pub(super) fn new(
        name: &QualifiedName,
        settings: &model::ForwardAuth,
    ) -> Result<Self, InvalidMiddleware> {
        let invalid = |key, found: &str, reason| InvalidMiddleware {
            key,
            found: found.to_owned(),
            reason,
        };
        let address = settings.address.trim();
        let shown = mesh_config::redact::text(address);
        let bad = |reason| invalid("address", &shown, reason);
        let uri: Uri = address
            .parse()
            .map_err(|_| bad("is no URL; write http://host:port/path"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(bad("is no URL; write http://host:port/path"));
        };
        let base = format!("{scheme}://{authority}");
        let url: ServerUrl = match scheme {
            "http" | "https" => base
                .parse()
                .map_err(|_| bad("is no URL of a server; write http://host:port/path, without a user"))?,
            _ => return Err(bad("is neither http nor https")),
        };
        // Files are the operator's; what else configures Mesh may be anybody's who runs something.
        let is_operators = ["file", "internal"].contains(&name.provider.as_str());
        if !is_operators && url.host.parse().is_ok_and(crate::upstream::is_metadata) {
            return Err(bad("tells about this machine, and may only be asked by a file"));
        }
        let transport = match is_operators {
            true => Transport::new(transport(settings.tls.as_ref())?),
            false => Transport::shunning_metadata(transport(settings.tls.as_ref())?),
        };
        if settings.tls.is_some() {
            let checked = transport.tls().map(drop);
            checked.map_err(|error| invalid("tls", &error, "cannot be used"))?;
        }
        let (label, transport) = (format!("{name} (forwardAuth)").into(), Arc::new(transport));
        let service = service(name, &label, &url, &transport, None);
        Ok(Self {
            base,
            path: uri
                .path_and_query()
                .cloned()
                .unwrap_or(PathAndQuery::from_static("/")),
            url,
            label,
            name: name.clone(),
            service: ArcSwap::from_pointee(service),
            transport: Mutex::new(transport),
        })
    }

    /// Where it is asked.
    pub(super) fn path(&self) -> &PathAndQuery {
        &self.path
    }

    /// By which it is asked.
    pub(super) fn service(&self) -> Arc<Service> {
        self.service.load_full()
    }

    /// `location`, which the one that was asked wrote, for clients, who do not know where that was.
    pub(super) fn resolved(&self, location: &str) -> String {
        let scheme = location.split_once(':').map(|(scheme, _)| scheme);
        let is_scheme = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        let base = &self.base;
        let path = self.path.path();
        if scheme.is_some_and(is_scheme) {
            location.to_owned()
        } else if location.starts_with("//") {
            let scheme = base.split_once("//").map_or("http:", |(scheme, _)| scheme);
            format!("{scheme}{location}")
        } else if location.starts_with('/') {
            format!("{base}{location}")
        } else if location.is_empty() || location.starts_with(['?', '#']) {
            format!("{base}{path}{location}")
        } else {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{base}{folder}/{location}")
        }
    }

    /// Takes over files that changed. True if there is anything to tell.
    pub(super) fn refresh(&self) -> bool {
        let mut transport = self.transport.lock();
        match transport.renewed() {
            Renewed::Same => false,
            Renewed::Trouble => {
                if let Some(error) = transport.trouble() {
                    tracing::warn!(middleware = %self.name, %error, "files of a middleware cannot be used");
                }
                true
            }
            Renewed::New(new) => {
                *transport = new;
                let before = self.service();
                let service = service(&self.name, &self.label, &self.url, &transport, Some(&before));
                self.service.store(Arc::new(service));
                tracing::info!(middleware = %self.name, "files of a middleware are in use");
                true
            }
        }
    }

    /// What is wrong with its files.
    pub(super) fn trouble(&self) -> Option<String> {
        self.transport.lock().trouble()
    }
}

fn transport(tls: Option<&model::ClientTls>) -> Result<ServersTransport, InvalidMiddleware> {
    let tls = tls.cloned().unwrap_or_default();
    let certificates = match (tls.cert, tls.key) {
        (Some(cert_file), Some(key_file)) => vec![CertificatePair { cert_file, key_file }],
        (None, None) => Vec::new(),
        (_, _) => {
            return Err(InvalidMiddleware {
                key: "tls",
                found: String::new(),
                reason: "has one of cert and key; write both or none",
            });
        }
    };
    Ok(ServersTransport {
        insecure_skip_verify: tls.insecure_skip_verify,
        root_cas: tls.ca.into_iter().collect(),
        certificates,
        ..ServersTransport::default()
    })
}

fn service(
    name: &QualifiedName,
    label: &Arc<str>,
    url: &ServerUrl,
    transport: &Arc<Transport>,
    before: Option<&Service>,
) -> Service {
    let definition = LoadBalancer {
        servers: vec![model::Server {
            url: url.clone(),
            weight: 1,
            preserve_path: false,
            zone: String::new(),
            lifecycle: mesh_config::instance::Lifecycle::default(),
            reason: None,
            canary: false,
            origin: None,
        }],
        hash: Hash::default(),
        pass_host_header: false,
        timeouts: Timeouts {
            request: PATIENCE,
            ..Timeouts::default()
        },
        ..LoadBalancer::default()
    };
    let context = Context {
        label,
        origin: &Origin::default(),
        transport,
        zone: "",
    };
    let before = match before.map(|before| &before.kind) {
        Some(Kind::Balancer(balancer)) => Some(balancer.as_ref()),
        _ => None,
    };
    Service {
        name: name.clone(),
        label: label.clone(),
        middlewares: Chain::default(),
        kind: Kind::Balancer(Balancer::new(context, &definition, before)),
        reports_health: false,
        depth: 1,
        size: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::name_of;

    fn target(name: &str, address: &str) -> Result<Target, String> {
        let settings = model::ForwardAuth {
            address: address.to_owned(),
            ..model::ForwardAuth::default()
        };
        Target::new(&name_of(name), &settings).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_no_url_is_refused_without_telling_a_password() {
        for bad in [
            "",
            "auth:80",
            "/verify",
            "ftp://a/",
            "h2c://a/",
            "http://u:hunter2@a/",
            "http://",
        ] {
            let error = target("a@file", bad).unwrap_err();
            assert!(
                error.starts_with("address") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_tells_about_the_machine_is_asked_by_files_alone() {
        for address in [
            "http://169.254.169.254/latest",
            "http://169.254.170.2",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:169.254.169.254]/",
        ] {
            assert!(target("a@consul", address).is_err(), "{address}");
            assert!(target("a@file", address).is_ok(), "{address}");
        }
        assert!(target("a@consul", "http://10.0.0.1/verify?x=1").is_ok());
    }

    #[test]
    fn locations_are_read_as_seen_from_the_address() {
        let target = target("a@file", "https://auth.test:444/app/verify?x=1").unwrap();
        for (location, resolved) in [
            ("https://other.test/", "https://other.test/"),
            ("//other.test/x", "https://other.test/x"),
            ("/login?next=a:b", "https://auth.test:444/login?next=a:b"),
            ("login", "https://auth.test:444/app/login"),
            ("?again", "https://auth.test:444/app/verify?again"),
        ] {
            assert_eq!(target.resolved(location), resolved, "{location}");
        }
    }

    #[test]
    fn a_certificate_has_a_key() {
        let tls = model::ClientTls {
            cert: Some(model::Pem::File("a.pem".into())),
            ..model::ClientTls::default()
        };
        assert!(transport(Some(&tls)).is_err());
    }
}

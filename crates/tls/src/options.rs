//! TLS options in the form in which handshakes meet them.

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use mesh_config::{
    QualifiedName,
    model::{Pem, TlsOptions, TlsVersion},
};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerSessionMemoryCache},
    sign::CertifiedKey,
};

use crate::{
    Certificates, OptionsGuard, Renewal,
    client_auth::verifier,
    kept::{Kept, Recipe},
    pair::read,
    server::{Tls, provider},
    spoken,
};

/// Sessions of TLS 1.2 that clients may come back to, for the whole process. Those of TLS 1.3, and clients that take
/// tickets, need no memory here.
const SESSIONS: usize = 4096;

/// Protocols that are offered, the better one first.
const PROTOCOLS: [&str; 3] = ["h2", "http/1.1", "http/1.0"];

/// By this protocol an authority looks whether a name is ours. Lists that were copied have it.
const CHALLENGE: &str = "acme-tls/1";

/// How handshakes with clients are made. All that use it share its sessions, and nobody else does.
#[derive(Debug)]
pub struct ServerOptions {
    name: QualifiedName,
    guard: OptionsGuard,
    requires: bool,
    strict: bool,
    certificates: Arc<ArcSwap<Certificates>>,
    config: Arc<ServerConfig>,
}

impl ServerOptions {
    /// As `settings` want it, with what was read of the files of their clients' authorities.
    pub(crate) fn new(
        name: &QualifiedName,
        settings: &TlsOptions,
        authorities: &[Vec<u8>],
        certificates: Arc<ArcSwap<Certificates>>,
    ) -> Result<Self, String> {
        let provider = crypto(settings)?;
        let resolver = Arc::new(Resolver(certificates.clone(), None));
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions(settings)?)
            .map_err(|error| format!("cipherSuites and curvePreferences leave nothing: {error}"))?;
        let auth = &settings.client_auth;
        let builder = match verifier(auth, authorities, provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = protocols(&settings.alpn_protocols)?;
        // A session stands for what was proved when it began. Whoever vouched for the client may not do so any more.
        if settings.disable_session_tickets || auth.effective().verifies() {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else {
            config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
            config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| error.to_string())?;
        }
        Ok(Self {
            name: name.clone(),
            guard: OptionsGuard::new(name, auth),
            requires: auth.effective().requires(),
            strict: settings.sni_strict,
            certificates,
            config: Arc::new(config),
        })
    }

    /// What they are called.
    pub fn name(&self) -> &QualifiedName {
        &self.name
    }

    /// What connections that were made by them may be used for.
    pub fn guard(&self) -> OptionsGuard {
        self.guard
    }

    /// True if clients without a certificate are turned away.
    pub fn requires_certificate(&self) -> bool {
        self.requires
    }

    /// What a handshake is made with.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// The same for a client that asks for no name: the address it came to is what it may have meant.
    pub fn config_at(&self, address: IpAddr) -> Arc<ServerConfig> {
        let mut config = self.config.as_ref().clone();
        config.cert_resolver = Arc::new(Resolver(self.certificates.clone(), Some(address)));
        Arc::new(config)
    }

    /// True if a client that asks for `name`, or for nobody at `address`, is turned away: there is no certificate for it.
    pub fn turns_away(&self, name: Option<&str>, address: IpAddr) -> bool {
        self.strict && !self.certificates.load().know(name, Some(address))
    }
}

/// Keeps TLS options as their settings and the files of authorities say.
#[derive(Debug)]
pub struct OptionsKeeper(Kept<OptionsRecipe>);

#[derive(Debug)]
struct OptionsRecipe {
    name: QualifiedName,
    settings: TlsOptions,
    certificates: Arc<ArcSwap<Certificates>>,
}

impl Recipe for OptionsRecipe {
    type Files = Vec<Vec<u8>>;
    type Made = Arc<ServerOptions>;

    fn pems(&self) -> impl Iterator<Item = &Pem> {
        self.settings.client_auth.ca_files.iter()
    }

    fn read(&self) -> Result<Self::Files, String> {
        let files = self.pems().map(read).collect::<Result<_, _>>();
        files.map_err(|error| format!("clientAuth.caFiles: {error}"))
    }

    fn make(&self, files: &Self::Files) -> Result<Self::Made, String> {
        let made = ServerOptions::new(&self.name, &self.settings, files, self.certificates.clone());
        made.map(Arc::new)
    }
}

impl OptionsKeeper {
    /// Reads the files of `settings`. Clients are shown the certificates of `tls`.
    pub fn new(name: &QualifiedName, settings: &TlsOptions, tls: &Tls) -> Self {
        Self(Kept::new(OptionsRecipe {
            name: name.clone(),
            settings: settings.clone(),
            certificates: tls.certificates().clone(),
        }))
    }

    /// What handshakes are made by.
    ///
    /// # Errors
    /// When the settings or their files could never be used; the text names the option.
    pub fn options(&self) -> Result<Arc<ServerOptions>, String> {
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

fn crypto(settings: &TlsOptions) -> Result<Arc<CryptoProvider>, String> {
    let mut crypto = provider().as_ref().clone();
    if !settings.cipher_suites.is_empty() {
        let named = settings.cipher_suites.iter().map(|name| spoken::suite(name));
        let named = named.collect::<Result<Vec<_>, _>>()?;
        // A client of TLS 1.3 chooses among its own, whatever is written.
        crypto
            .cipher_suites
            .retain(|suite| suite.tls13().is_some() || named.contains(suite));
    }
    if !settings.curve_preferences.is_empty() {
        let groups = settings.curve_preferences.iter().map(|name| spoken::group(name));
        crypto.kx_groups = groups.collect::<Result<_, _>>()?;
    }
    Ok(Arc::new(crypto))
}

/// Those that were asked for by name must be spoken: whoever writes 1.0 has clients that would be turned away.
fn versions(settings: &TlsOptions) -> Result<Vec<&'static rustls::SupportedProtocolVersion>, String> {
    let (least, most) = (settings.min_version, settings.max_version);
    for (option, version) in [("minVersion", least), ("maxVersion", most)] {
        let old = match version {
            Some(TlsVersion::Tls10) => "1.0",
            Some(TlsVersion::Tls11) => "1.1",
            Some(TlsVersion::Tls12 | TlsVersion::Tls13) | None => continue,
        };
        return Err(format!(
            "{option}: TLS {old} is not spoken; write VersionTLS12 or VersionTLS13, or leave it out"
        ));
    }
    spoken::versions(least, most)
}

fn protocols(named: &[String]) -> Result<Vec<Vec<u8>>, String> {
    if let Some(other) = named
        .iter()
        .find(|name| !PROTOCOLS.contains(&name.as_str()) && *name != CHALLENGE)
    {
        return Err(format!(
            "alpnProtocols: {other:?} is not spoken; there is {}",
            PROTOCOLS.join(", ")
        ));
    }
    let spoken = named.iter().filter(|name| *name != CHALLENGE);
    let spoken: Vec<_> = spoken.map(|name| name.as_bytes().to_vec()).collect();
    match (named.is_empty(), spoken.is_empty()) {
        (true, _) => Ok(PROTOCOLS.map(|name| name.as_bytes().to_vec()).to_vec()),
        (false, true) => Err(format!(
            "alpnProtocols: {CHALLENGE} alone serves nobody; add h2 or http/1.1"
        )),
        (false, false) => Ok(spoken),
    }
}

/// Chooses among the certificates of the moment.
#[derive(Debug)]
struct Resolver(Arc<ArcSwap<Certificates>>, Option<IpAddr>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.0.load();
        certificates.find(hello.server_name(), self.1, hello.signature_schemes())
    }
}

#[cfg(test)]
mod tests;

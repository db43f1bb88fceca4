//! The TLS side of upstream connections: which authorities are trusted, which protocols are offered.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The TLS configuration of all upstreams, made when the first one needs it: reading the system's authorities takes
/// longer than everything else at start.
pub(crate) struct Tls {
    extra: Vec<CertificateDer<'static>>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    /// Reads the file of extra authorities at once, so that a mistake in it shows at start.
    ///
    /// # Errors
    /// When `extra_ca_file` cannot be read or holds something else than PEM certificates; the text says which.
    pub(crate) fn new(extra_ca_file: Option<&Path>) -> Result<Tls, String> {
        let mut extra = Vec::new();
        if let Some(path) = extra_ca_file {
            let told = |error: rustls::pki_types::pem::Error| format!("{}: {error}", path.display());
            for certificate in CertificateDer::pem_file_iter(path).map_err(told)? {
                extra.push(certificate.map_err(told)?);
            }
        }
        let mut unused = RootCertStore::empty();
        for certificate in &extra {
            unused.add(certificate.clone()).map_err(|error| format!("an extra authority: {error}"))?;
        }
        Ok(Tls { extra, config: OnceLock::new() })
    }

    /// The configuration; the first call reads the system's authorities.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.config.get_or_init(|| client_config(&self.extra)).clone()
    }
}

/// Trusts the system's authorities (Mozilla's built-in list where the system has none) and the extra ones.
fn client_config(extra: &[CertificateDer<'static>]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots.add_parsable_certificates(extra.iter().cloned());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

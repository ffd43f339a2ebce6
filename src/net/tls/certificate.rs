//! The server's certificate and key: given by files, or made by itself once
//! and kept, so that clients who trusted it on first use find it again.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{CipherSuite, ServerConfig};
use tempfile::NamedTempFile;

use super::{Fingerprint, provider};
use crate::error::{Attempt, Error, Result};

/// One file for both the certificate and its key: renamed into its place, it
/// is there whole or not at all, and the two always fit.
const FILE: &str = "chat.pem";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Long enough for nobody to have to think of it during a course.
const VALID: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What a server needs to speak TLS. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    fingerprint: Fingerprint,
}

impl ServerTls {
    /// The certificate (and those that lead from it to its authority, if any)
    /// and its key, in PEM as `openssl req -x509` writes them.
    ///
    /// # Errors
    /// Exit status 2: a file that cannot be read, holds no certificate or no
    /// key, or a key of another certificate.
    pub fn load(certificate: &Path, key: &Path) -> Result<ServerTls> {
        let chain = read_chain(certificate)?;
        let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, "private key", error))?;
        ServerTls::new(chain, key_der).map_err(|error| {
            Error::other(Attempt::Read, key.display().to_string(), super::words(&error))
                .because(format!("it has to be the key of the certificate in {}", certificate.display()))
                .next("the two files that were made together")
                .unasked()
        })
    }

    /// The certificate kept in `dir`; made there if there is none.
    ///
    /// # Errors
    /// Exit status 2: `dir` cannot be written, or what it keeps cannot be
    /// read.
    pub fn self_signed(dir: &Path) -> Result<ServerTls> {
        let file = dir.join(FILE);
        if !file.exists() {
            make(dir, &file).map_err(|cause| {
                Error::new(Attempt::Write, file.display().to_string(), &cause)
                    .because("the certificate that the server makes for itself is kept there for its next start")
                    .next("--cert and --key, or a folder that can be written: XDG_STATE_HOME=/tmp/state")
                    .unasked()
            })?;
        }
        ServerTls::load(&file, &file).map_err(|error| {
            let next = format!("remove {}, and a new certificate is made; clients will ask about it", file.display());
            error.next(next)
        })
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> TlsResult<ServerTls> {
        let fingerprint = Fingerprint::of(chain.first().ok_or(rustls::Error::NoCertificatesPresented)?);
        let builder = ServerConfig::builder_with_provider(quickest_first()).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain, key)?;
        // A resumed session would save a chat client a millisecond once a
        // lesson, and cost the server memory for each.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.ignore_client_order = true;
        Ok(ServerTls { config: Arc::new(config), fingerprint })
    }

    /// The certificate's SHA-256.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// AES with a key of 128 bits before that of 256: ten rounds a block instead of
/// fourteen, for everything that is said to thousands; neither can be broken.
fn quickest_first() -> Arc<CryptoProvider> {
    let mut provider = CryptoProvider::clone(&provider());
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

type TlsResult<T> = std::result::Result<T, rustls::Error>;

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(|error| unreadable(file, "certificate", error))?;
    if chain.is_empty() {
        return Err(unreadable(file, "certificate", pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn unreadable(file: &Path, what: &str, error: pem::Error) -> Error {
    let subject = file.display().to_string();
    let error = match error {
        pem::Error::Io(cause) => Error::new(Attempt::Read, subject, &cause),
        pem::Error::NoItemsFound => Error::other(Attempt::Read, subject, format!("there is no {what} in it")),
        other => Error::other(Attempt::Read, subject, other.to_string()),
    };
    let next = "openssl req -x509 -newkey ed25519 -nodes -keyout key.pem -out cert.pem -subj /CN=chat makes both";
    error.because(format!("a {what} in PEM was expected: text between BEGIN and END lines")).next(next).unasked()
}

/// Makes key and certificate. Of two servers that start at once, the first
/// one's stay, and both use them.
fn make(dir: &Path, file: &Path) -> io::Result<()> {
    make_dir(dir)?;
    let (certificate, key) = self_signed().map_err(io::Error::other)?;
    // Born readable by nobody else (mode 0600), and complete when it gets its
    // name.
    let mut draft = NamedTempFile::new_in(dir)?;
    draft.write_all(format!("{certificate}{key}").as_bytes())?;
    draft.as_file().sync_all()?;
    match draft.persist_noclobber(file) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

/// Certificate and key in PEM.
fn self_signed() -> std::result::Result<(String, String), rcgen::Error> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(host_name().filter(|name| name.is_ascii() && name != "localhost"));
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "netlab chat");
    // A day ago: clocks in a classroom differ.
    params.not_before = (SystemTime::now() - DAY).into();
    params.not_after = (SystemTime::now() + VALID).into();
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

#[cfg(unix)]
fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok().filter(|name| !name.is_empty())
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    env::var("COMPUTERNAME").ok().filter(|name| !name.is_empty())
}

/// Where netlab keeps what is to outlast a run: `XDG_STATE_HOME/netlab`, or
/// `~/.local/state/netlab`; on Windows `%LOCALAPPDATA%\netlab`. `None` where
/// there is no home.
pub fn state_dir() -> Option<PathBuf> {
    // A relative path here is to be ignored (XDG base directory specification).
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else {
        absolute("XDG_STATE_HOME").or_else(|| Some(env::home_dir()?.join(".local/state")))
    };
    base.filter(|path| path.is_absolute()).map(|base| base.join("netlab"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_made_once_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state").join("netlab");
        let first = ServerTls::self_signed(&state).unwrap().fingerprint();
        assert_eq!(ServerTls::self_signed(&state).unwrap().fingerprint(), first);
        let files: Vec<_> = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, [FILE]);
    }

    // Not on Windows: a file's permissions are no three digits there.
    #[test]
    #[cfg(unix)]
    fn the_key_is_nobody_elses() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("netlab");
        ServerTls::self_signed(&state).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state.join(FILE)), 0o600);
        assert_eq!(mode(&state), 0o700);
    }

    #[test]
    fn twenty_servers_that_start_at_once_agree() {
        let dir = tempfile::tempdir().unwrap();
        let start = || ServerTls::self_signed(dir.path()).unwrap().fingerprint();
        let all: Vec<_> = std::thread::scope(|scope| {
            let servers: Vec<_> = (0..20).map(|_| scope.spawn(start)).collect();
            servers.into_iter().map(|server| server.join().unwrap()).collect()
        });
        assert!(all.iter().all(|fingerprint| *fingerprint == all[0]));
    }

    #[test]
    fn files_that_do_not_fit_are_refused_with_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name| dir.path().join(name);
        let (certificate, key) = self_signed().unwrap();
        let (_, other) = self_signed().unwrap();
        for (name, text) in [("cert", &certificate), ("key", &key), ("other", &other), ("empty", &String::new())] {
            fs::write(path(name), text).unwrap();
        }
        assert!(ServerTls::load(&path("cert"), &path("key")).is_ok());
        let table = [
            ("absent", "key", "not found"),
            ("cert", "absent", "not found"),
            ("empty", "key", "no certificate in it"),
            ("cert", "empty", "no private key in it"),
            ("key", "cert", "no certificate in it"),
            ("cert", "other", "keys may not be consistent"),
        ];
        for (cert, key, cause) in table {
            let error = ServerTls::load(&path(cert), &path(key)).err().unwrap();
            assert!(error.message().contains(cause), "{cert}, {key}: {error}");
            assert_eq!(error.status(), crate::error::Status::CannotAsk);
        }
    }
}

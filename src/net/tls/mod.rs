//! TLS, by the crate rustls: bytes that can be neither read nor changed on
//! the way, from a server that proves to have the key of its certificate.
//!
//! - [`certificate`]: the server's certificate, given or made by itself
//! - [`channel`]: the server's side of one connection, for sockets that do
//!   not block
//! - [`client`]: the client's side, for a thread that reads and one that
//!   writes
//!
//! Who the server *is* no authority says here: a certificate is known by its
//! [`Fingerprint`], as an ssh server by its key.

pub mod certificate;
pub mod channel;
pub mod client;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use sha2::{Digest, Sha256};

pub use self::certificate::{ServerTls, state_dir};
pub use self::channel::Channel;
pub use self::client::{ClientConnection, Trust};

/// The longest plaintext that one TLS record carries (RFC 8446, section 5.1).
const MAX_RECORD_BYTES: usize = 16 * 1024;

/// The first byte of a record that carries a handshake: what a TLS client
/// says first, and (but for an alert) what its server answers.
const HANDSHAKE: u8 = 0x16;

/// The first byte of a record that carries an alert.
const ALERT: u8 = 0x15;

/// A certificate's SHA-256, as `openssl x509 -fingerprint -sha256` prints it
/// after the `=`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of a certificate's DER bytes.
    pub fn of(certificate: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if place == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    /// With or without colons, in capitals or not, `SHA256:` before it or not.
    fn from_str(text: &str) -> Result<Fingerprint, String> {
        let text = text.trim();
        let hex = match text.get(..7) {
            Some(prefix) if prefix.eq_ignore_ascii_case("sha256:") => &text[7..],
            _ => text,
        };
        let digits: Option<Vec<u8>> = hex.chars().filter(|c| *c != ':').map(hex_digit).collect();
        let digits = digits.ok_or("a fingerprint has only the digits 0-9 and A-F, and colons")?;
        let wrong = || format!("a SHA-256 fingerprint has 64 digits, this one {}", digits.len());
        let bytes: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        <[u8; 32]>::try_from(bytes).ok().filter(|_| digits.len() == 64).map(Fingerprint).ok_or_else(wrong)
    }
}

fn hex_digit(digit: char) -> Option<u8> {
    digit.to_digit(16).map(|value| value as u8)
}

/// What does the cryptography: ring, which builds on every system without
/// cmake.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The bytes were no TLS that we agree with: always `InvalidData`, with
/// rustls' own words.
fn invalid(error: rustls::Error) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, words(&error))
}

fn words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::DecryptError => "a record was damaged or forged on the way (its checksum is wrong)".into(),
        rustls::Error::AlertReceived(alert) => format!("the peer ended TLS with the alert {alert:?}"),
        other => other.to_string(),
    }
}

//! A client's end of a connection that does not block, with TLS or without.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use anyhow::{Context, Result};
use mio::event::Source;
use mio::net::TcpStream;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

/// Sockets do not block: what the system does not take at once waits here.
pub struct Wire {
    stream: TcpStream,
    /// Boxed: thousands are held, most of them without.
    tls: Option<Box<ClientConnection>>,
    unsent: Vec<u8>,
}

impl Wire {
    pub fn new(stream: TcpStream, tls: Option<&Arc<ClientConfig>>) -> Result<Self> {
        let tls = tls.map(connection).transpose()?;
        Ok(Self { stream, tls: tls.map(Box::new), unsent: Vec::new() })
    }

    pub fn source(&mut self) -> &mut impl Source {
        &mut self.stream
    }

    /// Sends, or keeps for [`Wire::flush`] what finds no room now.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes)?,
            None => self.unsent.extend_from_slice(bytes),
        }
        self.flush()
    }

    pub fn flush(&mut self) -> Result<()> {
        let flushed = match &mut self.tls {
            Some(tls) => write_all(|| if tls.wants_write() { tls.write_tls(&mut self.stream) } else { Ok(0) }),
            None => write_all(|| {
                let count = if self.unsent.is_empty() { 0 } else { self.stream.write(&self.unsent)? };
                self.unsent.drain(..count);
                Ok(count)
            }),
        };
        flushed.context("cannot send")
    }

    /// Some bytes; `None` when nothing is there now.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        match self.receive_once(buffer) {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error).context("cannot receive"),
        }
    }

    fn receive_once(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.stream.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            tls.read_tls(&mut self.stream)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            if tls.wants_write() {
                write_all(|| if tls.wants_write() { tls.write_tls(&mut self.stream) } else { Ok(0) })?;
            }
        }
    }
}

/// Writes until nothing is left (0) or the system takes no more for now.
fn write_all(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<()> {
    loop {
        match write() {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            result => drop(result?),
        }
    }
}

/// One TLS connection to a server on this machine.
pub fn connection(config: &Arc<ClientConfig>) -> Result<ClientConnection> {
    Ok(ClientConnection::new(config.clone(), ServerName::try_from("localhost")?)?)
}

/// For servers started a moment ago with a certificate of their own: whose it is, is not asked.
pub fn tls_config() -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(default_provider());
    let verifier = Arc::new(Anyone(provider.signature_verification_algorithms));
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

type Verified<T> = Result<T, rustls::Error>;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Verified<ServerCertVerified> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Verified<HandshakeSignatureValid> {
        verify_tls12_signature(message, cert, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Verified<HandshakeSignatureValid> {
        verify_tls13_signature(message, cert, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

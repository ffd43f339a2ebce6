//! The client's side of a TLS connection, for blocking sockets: one thread
//! receives while another sends.

use std::fmt::Debug;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{ALERT, Fingerprint, HANDSHAKE, MAX_RECORD_BYTES, invalid, provider};
use crate::error::{Attempt, Error, Result};
use crate::net::socket::{Socket, is_timeout};

/// Whom to talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Only the server with this certificate; nobody else hears more of us
    /// than a greeting.
    Pinned(Fingerprint),
    /// Any server that has the key of its certificate. The caller compares
    /// [`ClientConnection::fingerprint`] with what it knows *before* it sends.
    Ask,
}

/// A connection on which bytes can be neither read nor changed by others. One
/// thread may receive while others send.
pub struct ClientConnection {
    socket: Arc<Socket>,
    /// Held for a computation, never while a call blocks.
    tls: Mutex<rustls::ClientConnection>,
    /// The receiving thread's alone.
    received: Mutex<Received>,
    /// Held from encrypting to the end of `send(2)`, for records count: they
    /// have to leave in the order in which they were made.
    turn_to_send: Mutex<()>,
    fingerprint: Fingerprint,
}

/// What the socket brought and rustls has not taken: it takes some, then wants
/// to be rid of the plaintext.
struct Received {
    bytes: Box<[u8; MAX_RECORD_BYTES]>,
    waiting: Range<usize>,
}

impl Received {
    fn nothing() -> Received {
        Received { bytes: Box::new([0; MAX_RECORD_BYTES]), waiting: 0..0 }
    }

    fn refill(&mut self, socket: &Socket) -> io::Result<()> {
        self.waiting = 0..socket.recv(&mut self.bytes[..])?;
        Ok(())
    }

    /// Once into rustls, which then may have plaintext; nothing is FIN.
    fn feed(&mut self, tls: &mut rustls::ClientConnection) -> io::Result<()> {
        self.waiting.start += tls.read_tls(&mut &self.bytes[self.waiting.clone()])?;
        tls.process_new_packets().map(|_| ()).map_err(invalid)
    }
}

impl ClientConnection {
    /// The handshake, on a connected socket; it may take `timeout`. No byte of
    /// the application is sent.
    ///
    /// # Errors
    /// In three parts: another certificate than the pinned one, one that is
    /// expired or not yet valid (with the dates), a server that does not speak
    /// TLS, none that answers in time.
    pub fn connect(socket: Arc<Socket>, peer: SocketAddr, trust: Trust, timeout: Duration) -> Result<ClientConnection> {
        let verifier = Arc::new(Verifier { trust, provider: provider(), seen: Mutex::default() });
        let connected = start(&verifier, peer).map_err(io::Error::other).and_then(|mut tls| {
            let received = shake_hands(&socket, &mut tls, Instant::now() + timeout)?;
            socket.wait_at_most(None)?;
            Ok((tls, received))
        });
        let seen = verifier.seen();
        match (connected, seen.fingerprint) {
            (Ok((tls, received)), Some(fingerprint)) => {
                let (tls, received) = (Mutex::new(tls), Mutex::new(received));
                Ok(ClientConnection { socket, tls, received, turn_to_send: Mutex::default(), fingerprint })
            }
            (Ok(_), None) => Err(explain(peer, &ErrorKind::InvalidData.into(), None)),
            (Err(cause), _) => Err(explain(peer, &cause, seen.objection)),
        }
    }

    /// The SHA-256 of the server's certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What the handshake agreed on, in words.
    pub fn agreed(&self) -> String {
        let tls = self.tls();
        let version = tls.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
        let cipher = tls.negotiated_cipher_suite().map(|suite| format!(", {:?}", suite.suite()));
        let group = tls.negotiated_key_exchange_group();
        let group = group.map(|group| format!(", its key agreed on by {:?} and never sent", group.name()));
        [version.replace("TLSv1_", "TLS 1."), cipher.unwrap_or_default(), group.unwrap_or_default()].concat()
    }

    /// As `recv(2)`: waits for bytes; 0 when the server said that no more will
    /// come (close_notify).
    ///
    /// # Errors
    /// `UnexpectedEof`: FIN without close_notify, so the end may be missing.
    /// `InvalidData`: a record that is damaged or forged. Others are the
    /// socket's.
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match self.tls().reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(cut_off()),
                result => return result,
            }
            if received.waiting.is_empty() {
                received.refill(&self.socket)?;
            }
            let taken = received.feed(&mut self.tls());
            let flushed = self.flush(); // the answer to a new key, or the alert
            taken.and(flushed)?;
        }
    }

    /// Encrypts and sends all of `bytes`.
    ///
    /// # Errors
    /// The socket's.
    pub fn send_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let turn = self.turn_to_send.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = self.tls().writer().write(&bytes[..bytes.len().min(MAX_RECORD_BYTES)])?;
            bytes = &bytes[taken..];
            self.drain(&turn)?;
            drop(turn);
            self.flush()?;
        }
        Ok(())
    }

    /// Says that no more will come (close_notify); FIN is the caller's.
    ///
    /// # Errors
    /// The socket's.
    pub fn close(&self) -> io::Result<()> {
        self.tls().send_close_notify();
        self.flush()
    }

    fn tls(&self) -> MutexGuard<'_, rustls::ClientConnection> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what rustls has to say of itself. Where another thread is at
    /// sending, that one sends this too: whoever gives up the turn looks once
    /// more.
    fn flush(&self) -> io::Result<()> {
        while self.tls().wants_write() {
            match self.turn_to_send.try_lock() {
                Ok(turn) => self.drain(&turn)?,
                Err(TryLockError::WouldBlock) => return Ok(()),
                Err(TryLockError::Poisoned(turn)) => self.drain(turn.get_ref())?,
            }
        }
        Ok(())
    }

    fn drain(&self, _turn: &MutexGuard<'_, ()>) -> io::Result<()> {
        let mut ciphertext = Vec::new();
        loop {
            write_out(&mut self.tls(), &mut ciphertext)?;
            if ciphertext.is_empty() {
                return Ok(());
            }
            self.socket.send_all(&ciphertext)?;
            ciphertext.clear();
        }
    }
}

fn write_out(tls: &mut rustls::ClientConnection, ciphertext: &mut Vec<u8>) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(ciphertext)?;
    }
    Ok(())
}

fn start(verifier: &Arc<Verifier>, peer: SocketAddr) -> std::result::Result<rustls::ClientConnection, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier.clone()).with_no_client_auth();
    config.resumption = Resumption::disabled();
    rustls::ClientConnection::new(Arc::new(config), ServerName::IpAddress(peer.ip().into()))
}

/// Returns what came after the handshake.
fn shake_hands(socket: &Socket, tls: &mut rustls::ClientConnection, deadline: Instant) -> io::Result<Received> {
    let (mut received, mut heard) = (Received::nothing(), false);
    loop {
        send_own(socket, tls)?;
        if !tls.is_handshaking() {
            return Ok(received);
        }
        if received.waiting.is_empty() {
            hear(socket, &mut received, deadline)?;
            if !std::mem::replace(&mut heard, true) && ![HANDSHAKE, ALERT].contains(&received.bytes[0]) {
                return Err(io::Error::new(ErrorKind::InvalidInput, "the server does not speak TLS"));
            }
        }
        if let Err(error) = received.feed(tls) {
            let _ = send_own(socket, tls); // the alert; the reason is the other error
            return Err(error);
        }
    }
}

fn hear(socket: &Socket, received: &mut Received, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    socket.wait_at_most(Some(left))?;
    received.refill(socket)?;
    if received.waiting.is_empty() { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

fn send_own(socket: &Socket, tls: &mut rustls::ClientConnection) -> io::Result<()> {
    let mut ciphertext = Vec::new();
    write_out(tls, &mut ciphertext)?;
    socket.send_all(&ciphertext)
}

fn cut_off() -> io::Error {
    io::Error::new(
        ErrorKind::UnexpectedEof,
        "the connection was cut: the server, or somebody on the way, closed it without TLS's goodbye",
    )
}

/// Why a certificate was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Objection {
    Other { pinned: Fingerprint, seen: Fingerprint },
    Expired { at: UnixTime },
    NotYet { from: UnixTime },
}

/// Looks at the server's certificate: at its dates, and that the server has
/// its key. Not at the names in it: nobody has vouched for them.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Seen>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    fingerprint: Option<Fingerprint>,
    objection: Option<Objection>,
}

impl Verifier {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn objection(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Option<Objection> {
        let seen = Fingerprint::of(certificate);
        match self.trust {
            Trust::Pinned(pinned) if pinned != seen => Some(Objection::Other { pinned, seen }),
            _ => self.dates(certificate, now),
        }
    }

    /// The dates as rustls' own verifier reads them. It looks at them before
    /// it looks for who has signed, and here nobody it knows has.
    fn dates(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Option<Objection> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone().into_owned()).ok()?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), self.provider.clone()).build().ok()?;
        let name = ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
        match verifier.verify_server_cert(certificate, &[], &name, &[], now) {
            Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                Some(Objection::Expired { at: not_after })
            }
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
                Some(Objection::NotYet { from: not_before })
            }
            _ => None,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let objection = self.objection(end_entity, now);
        *self.seen() = Seen { fingerprint: Some(Fingerprint::of(end_entity)), objection };
        match objection {
            None => Ok(ServerCertVerified::assertion()),
            Some(Objection::Other { .. }) => Err(CertificateError::ApplicationVerificationFailure.into()),
            Some(_) => Err(CertificateError::Expired.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A handshake that failed, in three parts.
fn explain(peer: SocketAddr, cause: &io::Error, objection: Option<Objection>) -> Error {
    let subject = format!("tls {peer}");
    let other = |words: String| Error::other(Attempt::Connect, subject.clone(), words);
    match (objection, cause.kind()) {
        (Some(Objection::Other { pinned, seen }), _) => {
            other("the server has another certificate than was asked for".into())
                .because(format!("asked for {pinned}, and it showed {seen}: another server, or somebody on the way"))
                .next("ask who runs the server for its fingerprint; it prints it when it starts")
        }
        (Some(Objection::Expired { at }), _) => other(format!("its certificate expired on {}", date(at)))
            .because(format!("a certificate is good until its last day; here today is {}", date(UnixTime::now())))
            .next("a new certificate at the server; or set this computer's clock, if that is wrong"),
        (Some(Objection::NotYet { from }), _) => other(format!("its certificate is not valid before {}", date(from)))
            .because(format!("here it is still {}", date(UnixTime::now())))
            .next("set the clock that is wrong: this computer's, or the one the certificate was made on"),
        (None, ErrorKind::InvalidInput) => other("the server does not speak TLS".into())
            .because("its answer to our hello was plain text")
            .next("the same without --tls, or a server started with --tls"),
        (None, _) if is_timeout(cause) => other("timed out".into())
            .because("somebody listens there, and did not answer our hello: a server without TLS waits for a line")
            .next("the same without --tls, or a server started with --tls"),
        (None, ErrorKind::UnexpectedEof) => other("the server closed during the handshake".into())
            .because("it may not speak TLS, or it is full or stopping")
            .next("look at what the server printed"),
        (None, ErrorKind::InvalidData) => other(cause.to_string())
            .because("the two ends could not agree on keys, so nothing was said")
            .next("look at what the server printed; TLS 1.2 and 1.3 are spoken here"),
        (None, _) => Error::new(Attempt::Connect, subject, cause),
    }
}

fn date(at: UnixTime) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(at.as_secs())).to_string()
}

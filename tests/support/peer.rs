//! A TCP peer written by hand: it can do what a well-behaved client does not.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::DEADLINE;

pub struct Peer(pub TcpStream);

impl Peer {
    pub fn connect(addr: SocketAddr) -> Peer {
        Peer::of(TcpStream::connect_timeout(&addr, DEADLINE).unwrap_or_else(|error| panic!("connect {addr}: {error}")))
    }

    /// With so little room for what it does not read that a server soon stalls.
    pub fn connect_small(addr: SocketAddr) -> Peer {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        socket.connect(&addr.into()).unwrap();
        Peer::of(socket.into())
    }

    /// The next client of a server written in the test.
    pub fn accept(listener: &TcpListener) -> Peer {
        listener.set_nonblocking(true).unwrap();
        let deadline = std::time::Instant::now() + DEADLINE;
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    return Peer::of(stream);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("accept: {error}"),
            }
            assert!(std::time::Instant::now() < deadline, "no client came within {DEADLINE:?}");
            std::thread::sleep(Duration::from_millis(1)); // std's accept has no timeout
        }
    }

    fn of(stream: TcpStream) -> Peer {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Peer(stream)
    }

    pub fn local(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap_or_else(|error| panic!("send: {error}"));
    }

    #[track_caller]
    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let mut got = 0;
        while got < count {
            match self.0.read(&mut bytes[got..]) {
                Ok(0) => panic!("FIN after {got} of {count} bytes: {:?}", shown(&bytes[..got])),
                Ok(more) => got += more,
                Err(error) => panic!("{error} after {got} of {count} bytes: {:?}", shown(&bytes[..got])),
            }
        }
        bytes
    }

    /// Reads as many bytes as `expected` has; they must be those.
    #[track_caller]
    pub fn expect(&mut self, expected: &[u8]) {
        let got = self.read(expected.len());
        assert!(got == expected, "expected {:?}, got {:?}", shown(expected), shown(&got));
    }

    /// A line with its end.
    #[track_caller]
    pub fn read_line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            line.extend(self.read(1));
        }
        String::from_utf8_lossy(&line).into_owned()
    }

    /// All that comes until the server's FIN; a reset is a failure.
    #[track_caller]
    pub fn read_to_fin(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = self.0.read_to_end(&mut bytes);
        read.unwrap_or_else(|error| panic!("{error} where a FIN was due, after {:?}", shown(&bytes)));
        bytes
    }

    /// Reads until FIN or reset: whichever ends a server that is stopped.
    pub fn read_to_any_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).map(|_| bytes)
    }

    /// FIN: nothing more will be sent, and all that comes will be read.
    pub fn half_close(&mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// RST instead of FIN.
    pub fn reset(self) {
        socket2::SockRef::from(&self.0).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned()
}

//! Waiting for a socket, for a while: `poll(2)`, and `WSAPoll` on Windows.
//!
//! On Linux `shutdown(2)` from another thread ends whatever waits on a socket. Elsewhere it wakes
//! some calls (BSD and macOS: those on connections) or none (Windows), and a server that is to stop
//! would wait for its clients for ever. So there a stream first waits here, a slice at a time, and
//! looks up between. (Not by SO_RCVTIMEO, as a datagram socket does: on Windows a stream whose
//! receive has timed out may not be used any more.)

use std::io;
use std::time::Duration;

use socket2::Socket;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// A receive would not wait: bytes, a datagram, an end or an error are there.
    ToReceive,
    /// A send would not wait.
    ToSend,
}

/// Whether the socket is ready, or gets so within `time`.
pub(super) fn is_ready(socket: &Socket, what: Readiness, time: Duration) -> io::Result<bool> {
    // At least one: a rest under a millisecond is not to be spent in turning round.
    let millis = i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1);
    system::poll(socket, what, millis)
}

/// As a blocking call says that its time is over.
pub(super) fn timed_out() -> io::Error {
    io::Error::from_raw_os_error(system::TIMED_OUT)
}

#[cfg(unix)]
mod system {
    use std::io::{self, ErrorKind};
    use std::os::fd::AsRawFd;

    use socket2::Socket;

    use super::Readiness;

    pub(super) const TIMED_OUT: i32 = libc::EAGAIN;

    #[allow(unsafe_code)]
    pub(super) fn poll(socket: &Socket, what: Readiness, millis: i32) -> io::Result<bool> {
        let events = match what {
            Readiness::ToReceive => libc::POLLIN,
            Readiness::ToSend => libc::POLLOUT,
        };
        let mut one = libc::pollfd { fd: socket.as_raw_fd(), events, revents: 0 };
        // SAFETY: `one` is the one entry that the call is told of, and outlives it. The descriptor
        // is open while `socket` is borrowed.
        match unsafe { libc::poll(&raw mut one, 1, millis) } {
            -1 => match io::Error::last_os_error() {
                error if error.kind() == ErrorKind::Interrupted => Ok(false),
                error => Err(error),
            },
            ready => Ok(ready > 0),
        }
    }
}

#[cfg(windows)]
mod system {
    use std::io;
    use std::os::windows::io::AsRawSocket;

    use socket2::Socket;
    use windows_sys::Win32::Networking::WinSock::{
        POLLRDNORM, POLLWRNORM, SOCKET, SOCKET_ERROR, WSAETIMEDOUT, WSAPOLLFD, WSAPoll,
    };

    use super::Readiness;

    pub(super) const TIMED_OUT: i32 = WSAETIMEDOUT;

    #[allow(unsafe_code)]
    pub(super) fn poll(socket: &Socket, what: Readiness, millis: i32) -> io::Result<bool> {
        let events = match what {
            Readiness::ToReceive => POLLRDNORM,
            Readiness::ToSend => POLLWRNORM,
        };
        let mut one = WSAPOLLFD { fd: socket.as_raw_socket() as SOCKET, events, revents: 0 };
        // SAFETY: `one` is the one entry that the call is told of, and outlives it. The handle is
        // open while `socket` is borrowed.
        match unsafe { WSAPoll(&raw mut one, 1, millis) } {
            SOCKET_ERROR => Err(io::Error::last_os_error()),
            ready => Ok(ready > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const AT_LAST: Duration = Duration::from_secs(30);

    fn connection() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Socket::from(listener.accept().unwrap().0), peer)
    }

    #[test]
    fn a_socket_is_ready_to_receive_when_bytes_or_the_end_have_come() {
        let (socket, mut peer) = connection();
        assert!(!is_ready(&socket, Readiness::ToReceive, SOON).unwrap());
        peer.write_all(b"x").unwrap();
        assert!(is_ready(&socket, Readiness::ToReceive, AT_LAST).unwrap());
        let (socket, peer) = connection();
        drop(peer);
        assert!(is_ready(&socket, Readiness::ToReceive, AT_LAST).unwrap());
    }

    #[test]
    fn a_socket_is_ready_to_send_until_its_peer_lets_the_buffers_fill() {
        let (socket, _peer) = connection();
        assert!(is_ready(&socket, Readiness::ToSend, AT_LAST).unwrap());
        socket.set_nonblocking(true).unwrap();
        while socket.send(&[0; 65_536]).is_ok() {}
        assert!(!is_ready(&socket, Readiness::ToSend, SOON).unwrap());
    }
}

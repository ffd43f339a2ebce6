//! The four calls that carry bytes, each made once and nothing beside it.
//!
//! They are made for every message. On Linux those of streams are made without
//! the C library: in a process of several threads its `send` and `recv` first
//! note that this thread could be cancelled, and then that it no longer can be
//! (pthreads(7)). Nobody cancels threads here, and the notes cost as much as
//! all else that is done outside the system for a short message. The calls are
//! the same ones to the system, and to `strace`.
//!
//! Tests put a library of their own before that of C, which makes calls fail
//! (`tests/faults`). A build with debug assertions that is started so makes them
//! by the C library.

use std::io;
use std::net::SocketAddr;

use socket2::Socket;

pub use self::system::{Origin, answer, recv, recv_from, send};

/// `sendto(2)`: one datagram.
pub fn send_to(socket: &Socket, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
    socket.send_to(bytes, &to.into())
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod system {
    use std::env;
    use std::io::Read;
    use std::mem;
    use std::os::fd::AsRawFd;
    use std::sync::OnceLock;

    use libc::{sockaddr_storage, socklen_t};
    use rustix::net::{RecvFlags, SendFlags};
    use socket2::{SockAddr, SockAddrStorage};

    use super::*;

    /// Where a datagram came from, as the system wrote it: an answer goes there
    /// without being translated twice.
    ///
    /// An address has 128 bytes, and no crate has `recvfrom` without passing
    /// them from hand to hand: for a short datagram that would be half of what
    /// is done outside the system.
    #[derive(Clone, Copy)]
    pub struct Origin {
        storage: sockaddr_storage,
        /// What of it is an address; 0 where `shutdown(2)` ended the wait.
        len: socklen_t,
    }

    impl Origin {
        /// Room for an address, and none in it yet.
        pub fn none() -> Origin {
            // SAFETY: all-zero bytes are a value of this structure of C.
            Origin { storage: unsafe { mem::zeroed() }, len: 0 }
        }

        /// The sender's address.
        pub fn addr(&self) -> Option<SocketAddr> {
            if self.len == 0 {
                return None;
            }
            // SAFETY: socket2's storage is this very structure, in which the
            // system wrote an address of that length.
            let storage = unsafe { mem::transmute::<sockaddr_storage, SockAddrStorage>(self.storage) };
            unsafe { SockAddr::new(storage, self.len) }.as_socket()
        }

        /// Where the system is to write an address, and how long it may be.
        pub fn room(&mut self) -> (*mut sockaddr_storage, socklen_t) {
            (&raw mut self.storage, size_of::<sockaddr_storage>() as socklen_t)
        }

        /// Takes down how long the address is that the system wrote.
        pub fn written(&mut self, len: socklen_t) {
            self.len = len.min(size_of::<sockaddr_storage>() as socklen_t);
        }

        fn bytes(&self) -> &[u8] {
            // SAFETY: the storage is at least as long, and zeroed at first.
            unsafe { std::slice::from_raw_parts((&raw const self.storage).cast(), self.len as usize) }
        }
    }

    impl PartialEq for Origin {
        fn eq(&self, other: &Origin) -> bool {
            self.bytes() == other.bytes()
        }
    }

    /// Whether a library before that of C is to see the calls.
    #[inline]
    fn is_watched() -> bool {
        static IS_WATCHED: OnceLock<bool> = OnceLock::new();
        cfg!(debug_assertions) && *IS_WATCHED.get_or_init(|| env::var_os("LD_PRELOAD").is_some())
    }

    /// `send(2)`: the system takes as many bytes as it has room for.
    #[inline]
    pub fn send(socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
        if is_watched() {
            return socket.send_with_flags(bytes, libc::MSG_NOSIGNAL);
        }
        Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?)
    }

    /// `recv(2)`: what has arrived, at most a buffer full.
    #[inline]
    pub fn recv(socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
        if is_watched() {
            let mut socket = socket;
            return socket.read(buffer);
        }
        Ok(rustix::net::recv(socket, buffer, RecvFlags::empty())?.0)
    }

    /// `recvfrom(2)`: one datagram, and where it came from.
    pub fn recv_from(socket: &Socket, buffer: &mut [u8], origin: &mut Origin) -> io::Result<usize> {
        let (from, mut len) = origin.room();
        let (fd, room) = (socket.as_raw_fd(), buffer.as_mut_ptr().cast());
        // SAFETY: the system writes at most as many bytes as it is told there
        // is room for, to the buffer and to the address.
        let got = unsafe { libc::recvfrom(fd, room, buffer.len(), 0, from.cast(), &raw mut len) };
        origin.written(if got < 0 { 0 } else { len });
        usize::try_from(got).map_err(|_| io::Error::last_os_error())
    }

    /// `sendto(2)`: one datagram, back to where another came from.
    pub fn answer(socket: &Socket, bytes: &[u8], to: &Origin) -> io::Result<usize> {
        let (fd, bytes, to) = (socket.as_raw_fd(), bytes, to.bytes());
        let (room, flags, len) = (bytes.as_ptr().cast(), libc::MSG_NOSIGNAL, to.len() as socklen_t);
        // SAFETY: the system reads the bytes of two slices.
        let sent = unsafe { libc::sendto(fd, room, bytes.len(), flags, to.as_ptr().cast(), len) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io::Read;

    use super::*;

    /// Where a datagram came from.
    #[derive(Clone, Copy, PartialEq)]
    pub struct Origin(Option<SocketAddr>);

    impl Origin {
        /// No address yet.
        pub fn none() -> Origin {
            Origin(None)
        }

        /// The sender's address.
        pub fn addr(&self) -> Option<SocketAddr> {
            self.0
        }
    }

    /// `send(2)`: the system takes as many bytes as it has room for.
    pub fn send(socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
        socket.send(bytes)
    }

    /// `recv(2)`: what has arrived, at most a buffer full.
    pub fn recv(mut socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
        socket.read(buffer)
    }

    /// `recvfrom(2)`: one datagram, and where it came from.
    #[allow(unsafe_code)]
    pub fn recv_from(socket: &Socket, buffer: &mut [u8], origin: &mut Origin) -> io::Result<usize> {
        let room: *mut [u8] = buffer;
        // SAFETY: initialised bytes may be seen as bytes that may be
        // uninitialised, and socket2 promises to write only initialised ones.
        // (std has this call safely, but not on a socket opened call by call.)
        let (got, from) = socket.recv_from(unsafe { &mut *(room as *mut [std::mem::MaybeUninit<u8>]) })?;
        *origin = Origin(from.as_socket());
        Ok(got)
    }

    /// `sendto(2)`: one datagram, back to where another came from.
    pub fn answer(socket: &Socket, bytes: &[u8], to: &Origin) -> io::Result<usize> {
        send_to(socket, bytes, to.0.ok_or(io::ErrorKind::NotConnected)?)
    }
}

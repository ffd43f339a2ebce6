//! Many datagrams in one call.
//!
//! A call to the system costs as much as some hundred instructions, whatever
//! it does, and a datagram's way down to the network and up again several
//! thousand. Where many datagrams wait, `recvmmsg(2)` takes them in one call;
//! and several answers of one length to one address go down together, by
//! `sendmsg(2)` with UDP_SEGMENT (udp(7)), cut apart only at the network's
//! edge: the other side receives the same datagrams as from as many `sendto`.
//!
//! Both calls are Linux's.

use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use super::calls::Origin;
use super::socket::{Socket, count, fd_of, retry};
use super::trace::Call;
use super::udp::MAX_DATAGRAM_ROOM;

/// Datagrams that one call receives at most. Twice as many were no faster: by
/// then the call itself costs a hundredth of them.
pub const MOST: usize = 64;

/// Datagrams longer than this are not sent together: each must fit into one
/// packet, and every link carries 1,280 bytes (RFC 8200, section 5).
pub const LONGEST_SEGMENT: usize = 1200;

/// The bytes that one call sends at most: the length of an IPv4 packet has 16
/// bits, headers included.
pub const MOST_SEGMENT_BYTES: usize = 65_507;

/// What one call receives.
///
/// Each datagram has 64 KiB, of which the system provides only the pages that
/// were ever written: a batch of small ones takes a page each.
pub struct Batch {
    room: Vec<u8>,
    received: Vec<(usize, SocketAddr)>,
    headers: Headers,
}

/// What `recvmmsg(2)` is told of the room, and writes the senders to.
struct Headers {
    from: Vec<Origin>,
    pieces: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl Headers {
    #[allow(unsafe_code)]
    fn new() -> Headers {
        // SAFETY: all-zero bytes are a value of each of these structures of C.
        let (piece, header) = unsafe { (mem::zeroed(), mem::zeroed()) };
        Headers { from: vec![Origin::none(); MOST], pieces: vec![piece; MOST], headers: vec![header; MOST] }
    }

    /// Points the first `most` headers at the room, a slot each.
    fn point_at(&mut self, room: &mut [u8], most: usize) {
        let slots = room.chunks_exact_mut(MAX_DATAGRAM_ROOM).take(most);
        let rest = self.from.iter_mut().zip(&mut self.pieces).zip(&mut self.headers);
        for (slot, ((from, piece), header)) in slots.zip(rest) {
            *piece = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
            let header = &mut header.msg_hdr;
            let (name, len) = from.room();
            (header.msg_name, header.msg_namelen) = (name.cast(), len);
            (header.msg_iov, header.msg_iovlen) = (piece, 1);
        }
    }
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Batch {
    /// Room for as many as one call may receive.
    pub fn new() -> Batch {
        let room = vec![0; MOST * MAX_DATAGRAM_ROOM];
        Batch { room, received: Vec::with_capacity(MOST), headers: Headers::new() }
    }

    /// The datagrams that were received, each with its sender.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], SocketAddr)> {
        let slots = self.room.chunks_exact(MAX_DATAGRAM_ROOM);
        self.received.iter().zip(slots).map(|((len, from), slot)| (&slot[..*len], *from))
    }

    /// `recvmmsg(2)`: waits for one datagram, and takes those with it that are
    /// there already, `most` in all.
    pub fn receive(&mut self, socket: &Socket, most: usize) -> io::Result<()> {
        retry(|| self.receive_once(socket, most.clamp(1, MOST)))
    }

    fn receive_once(&mut self, socket: &Socket, most: usize) -> io::Result<()> {
        self.received.clear();
        let span = socket.trace.begin("recvmmsg");
        let result = self.recvmmsg(socket, most);
        let call = || Call::RecvMmsg { fd: fd_of(socket.inner()), datagrams: self.iter().collect(), most };
        socket.trace.end(span, call, count(&result));
        result?;
        // No datagram has a sender: the wait was ended by shutdown(2).
        if self.received.is_empty() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    #[allow(unsafe_code)]
    fn recvmmsg(&mut self, socket: &Socket, most: usize) -> io::Result<usize> {
        self.headers.point_at(&mut self.room, most);
        let Headers { from, headers, .. } = &mut self.headers;
        let fd = socket.inner().as_raw_fd();
        let flags = libc::MSG_WAITFORONE as _; // with musl it has another type
        // SAFETY: each of the first `most` headers points to room for a sender
        // and for a datagram, which live in `self` and are as long as it says.
        // (nix's recvmmsg cannot tell a datagram without a sender.)
        let got = unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), most as u32, flags, std::ptr::null_mut()) };
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        for (header, from) in headers.iter().zip(from).take(got) {
            from.written(header.msg_hdr.msg_namelen);
            let Some(from) = from.addr() else { break };
            self.received.push((header.msg_len as usize, from));
        }
        Ok(got)
    }
}

/// Sends several datagrams of one length to one address, by one `sendmsg(2)`
/// with UDP_SEGMENT. All are sent, or none.
///
/// # Errors
/// EIO or EINVAL where the system, or the way the packets take, cannot do it;
/// what `sendto(2)` says.
pub fn send_segments(socket: &Socket, segments: &[&[u8]], to: SocketAddr) -> io::Result<usize> {
    use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
    let length = segments.first().map_or(0, |segment| segment.len()) as u16;
    let pieces: Vec<IoSlice<'_>> = segments.iter().map(|segment| IoSlice::new(segment)).collect();
    let fd = socket.inner().as_raw_fd();
    let span = socket.trace.begin("sendmsg");
    let result = sendmsg(
        fd,
        &pieces,
        &[ControlMessage::UdpGsoSegments(&length)],
        MsgFlags::empty(),
        Some(&SockaddrStorage::from(to)),
    )
    .map_err(io::Error::from);
    let call = || Call::SendSegments { fd: fd.into(), segments: segments.to_vec(), to };
    socket.trace.end(span, call, count(&result));
    result
}

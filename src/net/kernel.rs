//! What the kernel itself counts on a socket: TCP_INFO and SO_MEMINFO, on
//! Linux. Other systems answer `None`.
//!
//! Both are asked by `getsockopt(2)`. Their structs only ever grow at the end
//! (`include/uapi/linux/tcp.h`, `sock_diag.h`), so fields are read by their
//! place, and a kernel too old to fill one in leaves it out.

use super::socket::Socket;

/// `struct tcp_info`, as far as it is of use here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TcpInfo {
    /// Smoothed round trip, in microseconds.
    pub rtt_us: u32,
    /// Its variation, in microseconds.
    pub rttvar_us: u32,
    /// After how long without an ACK a segment is sent again, in microseconds.
    pub rto_us: u32,
    /// The largest segment it sends, in bytes.
    pub mss: u32,
    /// The congestion window, in segments.
    pub cwnd: u32,
    /// Where slow start ends, in segments; `None` while it has not.
    pub ssthresh: Option<u32>,
    /// Segments sent again, in all.
    pub retransmits: u32,
    /// Segments sent, those without data included.
    pub segments_out: u32,
    /// Segments received.
    pub segments_in: u32,
    /// Bytes of data sent, those sent again included.
    pub bytes_out: u64,
    /// Bytes of data received in order.
    pub bytes_in: u64,
    /// Whether each segment carries timestamps (RFC 7323), 12 bytes.
    pub timestamps: bool,
}

/// TCP_INFO of a connection; `None` where the system has none.
pub fn tcp_info(socket: &Socket) -> Option<TcpInfo> {
    system::tcp_info(socket)
}

/// TCP's congestion window in bytes, by TCP_INFO. Nothing of it is traced or
/// counted: who watches a window asks a thousand times a second.
pub fn window(socket: &Socket) -> Option<u64> {
    system::window(socket)
}

/// Packets that reached this socket and were thrown away, because its buffer
/// was full (SO_MEMINFO, `sk_drops`); `None` where the system does not tell.
pub fn drops(socket: &Socket) -> Option<u64> {
    system::drops(socket)
}

#[cfg(target_os = "linux")]
mod system {
    use super::{Socket, TcpInfo};
    use std::os::fd::AsRawFd;

    /// `struct tcp_info` up to `tcpi_bytes_sent`, and some of what follows.
    const INFO_BYTES: usize = 232;

    /// `ssthresh` before the first loss (`TCP_INFINITE_SSTHRESH`).
    const INFINITE: u32 = 0x7fff_ffff;

    /// `TCPI_OPT_TIMESTAMPS`.
    const TIMESTAMPS: u8 = 1;

    /// `SO_MEMINFO` (`asm-generic/socket.h`), which libc has not got.
    const SO_MEMINFO: i32 = 55;

    /// Nine counters of 32 bits, `SK_MEMINFO_DROPS` the last.
    const MEMINFO_BYTES: usize = 36;

    pub fn tcp_info(socket: &Socket) -> Option<TcpInfo> {
        let ask = |room: &mut [u8]| option(socket, libc::IPPROTO_TCP, libc::TCP_INFO, room);
        parsed(&socket.get_option("IPPROTO_TCP", "TCP_INFO", INFO_BYTES, ask).ok()?)
    }

    pub fn window(socket: &Socket) -> Option<u64> {
        let mut room = [0; INFO_BYTES];
        let filled = option(socket, libc::IPPROTO_TCP, libc::TCP_INFO, &mut room).ok()?;
        let info = parsed(room.get(..filled)?)?;
        Some(u64::from(info.cwnd) * u64::from(info.mss))
    }

    fn parsed(bytes: &[u8]) -> Option<TcpInfo> {
        let long = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes);
        let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
        Some(TcpInfo {
            timestamps: bytes.get(5)? & TIMESTAMPS != 0,
            rto_us: word(8)?,
            mss: word(16)?,
            rtt_us: word(68)?,
            rttvar_us: word(72)?,
            ssthresh: word(76).filter(|segments| *segments < INFINITE),
            cwnd: word(80)?,
            retransmits: word(100)?,
            bytes_in: long(128)?,
            segments_out: word(136)?,
            segments_in: word(140)?,
            bytes_out: long(200)?,
        })
    }

    pub fn drops(socket: &Socket) -> Option<u64> {
        let ask = |room: &mut [u8]| option(socket, libc::SOL_SOCKET, SO_MEMINFO, room);
        let bytes = socket.get_option("SOL_SOCKET", "SO_MEMINFO", MEMINFO_BYTES, ask).ok()?;
        bytes.get(MEMINFO_BYTES - 4..)?.try_into().ok().map(u32::from_ne_bytes).map(u64::from)
    }

    /// `getsockopt(2)` into `room`; how much of it was filled.
    #[allow(unsafe_code)]
    fn option(socket: &Socket, level: i32, name: i32, room: &mut [u8]) -> std::io::Result<usize> {
        let mut length = room.len() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes into `room`, which
        // has as many, and the descriptor is open as long as `socket` is.
        // (socket2 has neither of the two options.)
        let result = unsafe {
            libc::getsockopt(socket.inner().as_raw_fd(), level, name, room.as_mut_ptr().cast(), &raw mut length)
        };
        if result == 0 { Ok(length as usize) } else { Err(std::io::Error::last_os_error()) }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::{Socket, TcpInfo};

    pub fn tcp_info(_: &Socket) -> Option<TcpInfo> {
        None
    }

    pub fn window(_: &Socket) -> Option<u64> {
        None
    }

    pub fn drops(_: &Socket) -> Option<u64> {
        None
    }
}

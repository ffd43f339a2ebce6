//! What went over the link, as files that Wireshark opens.
//!
//! One file holds what arrived, when it arrived, copies and all; another one
//! what was lost, when it was sent. So the first is what captures at the two
//! receiving ends would have, and no capture could have the second.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, Endianness, PcapError};

use super::log::{Fate, Log, Packet};

/// Writes the packets of these logs, merged by time, to `path` and those lost
/// to [`lost_path`]. The logs must have kept all bytes.
///
/// # Errors
/// What creating or writing a file failed with, and which file it was.
pub fn write(path: &Path, logs: &[&Log]) -> Result<(), (PathBuf, io::Error)> {
    let packets = || logs.iter().flat_map(|log| log.packets());
    let lost = packets().filter(|packet| matches!(packet.fate, Fate::Lost(_)));
    write_file(path, packets().flat_map(arrivals).collect())?;
    write_file(&lost_path(path), lost.map(|packet| (packet.sent_at, packet)).collect())
}

/// `link.pcap` and `link.lost.pcap`.
pub fn lost_path(path: &Path) -> PathBuf {
    let extension = path.extension().map_or("pcap".into(), |extension| extension.to_string_lossy());
    path.with_extension(format!("lost.{extension}"))
}

/// Each time a packet arrived.
fn arrivals(packet: &Packet) -> Vec<(Duration, &Packet)> {
    match &packet.fate {
        Fate::Delivered { at, copies, .. } => [*at].iter().chain(copies).map(|at| (*at, packet)).collect(),
        Fate::Lost(_) | Fate::OnItsWay => Vec::new(),
    }
}

fn write_file(path: &Path, mut packets: Vec<(Duration, &Packet)>) -> Result<(), (PathBuf, io::Error)> {
    packets.sort_by_key(|(at, _)| *at); // stable: at the same time as they were sent
    let written = File::create(path).and_then(|file| write_packets(BufWriter::new(file), &packets));
    written.map_err(|cause| (path.to_owned(), cause))
}

fn write_packets(out: impl Write, packets: &[(Duration, &Packet)]) -> io::Result<()> {
    // The same bytes on every system: packets that begin with the IP header,
    // little-endian, microseconds.
    let header = PcapHeader { datalink: DataLink::RAW, endianness: Endianness::Little, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(out, header).map_err(io_error)?;
    for (at, packet) in packets {
        let packet = PcapPacket::new_owned(*at, packet.length as u32, Cow::Borrowed(&packet.bytes[..]).into_owned());
        writer.write_packet(&packet).map_err(io_error)?;
    }
    writer.into_writer().flush()
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lost_have_a_file_beside_the_other() {
        for (path, lost) in [("a/x.pcap", "a/x.lost.pcap"), ("x", "x.lost.pcap"), ("x.y.cap", "x.y.lost.cap")] {
            assert_eq!(lost_path(Path::new(path)), Path::new(lost));
        }
    }
}

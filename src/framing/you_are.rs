//! The one line in which the info labs tell a client what they see of it.

use std::net::{IpAddr, SocketAddr};

/// `you are 127.0.0.1 port 54321 (tcp)\n`.
pub fn encode(peer: SocketAddr, proto: &str) -> String {
    format!("you are {} port {} ({proto})\n", peer.ip(), peer.port())
}

/// The address in such a line; `None` for any other text.
pub fn decode(line: &[u8]) -> Option<SocketAddr> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    if (words.next()?, words.next()?) != ("you", "are") {
        return None;
    }
    let ip: IpAddr = words.next()?.parse().ok()?;
    if words.next()? != "port" {
        return None;
    }
    Some(SocketAddr::new(ip, words.next()?.parse().ok()?))
}

/// Whether a line of other words tells the same: address and port are in it.
pub fn tells(line: &[u8], addr: SocketAddr) -> bool {
    let text = String::from_utf8_lossy(line);
    let has = |part: &str| {
        text.split(|c: char| !c.is_ascii_alphanumeric() && !".:".contains(c)).any(|word| is_with_its_stops(word, part))
    };
    has(&addr.to_string()) || has(&addr.ip().to_string()) && has(&addr.port().to_string())
}

/// Whether a word is this address or port, but for the stops of a sentence. The
/// colons at the ends of `::1` and `fe80::` are their own.
fn is_with_its_stops(word: &str, part: &str) -> bool {
    let ended = word.trim_end_matches('.');
    if word.contains("::") {
        return ended == part || ended.strip_suffix(':') == Some(part);
    }
    word.trim_matches([':', '.']) == part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_the_address_it_tells() {
        for addr in ["127.0.0.1:54321", "[::1]:1"] {
            let addr: SocketAddr = addr.parse().unwrap();
            assert_eq!(decode(encode(addr, "udp").as_bytes()), Some(addr));
        }
    }

    #[test]
    fn other_words_tell_an_address_if_both_its_parts_are_in_them() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 54321));
        for line in ["hello 127.0.0.1, port 54321!", "127.0.0.1:54321", "('127.0.0.1', 54321)"] {
            assert!(tells(line.as_bytes(), addr), "{line}");
        }
        for line in ["", "hello", "127.0.0.1", "54321", "1127.0.0.1 54321", "127.0.0.1 543210"] {
            assert!(!tells(line.as_bytes(), addr), "{line}");
        }
    }

    #[test]
    fn the_colons_of_an_ipv6_address_are_its_own() {
        let table = [("::1", 5, "you are ::1 port 5"), ("fe80::", 5, "fe80::, 5."), ("::1", 5, "[::1]:5")];
        for (ip, port, line) in table.into_iter().chain([("::1", 5, "at ::1: 5"), ("2001:db8::1", 5, "5 2001:db8::1.")])
        {
            assert!(tells(line.as_bytes(), SocketAddr::new(ip.parse().unwrap(), port)), "{line}");
        }
        for line in ["::1", "::1 port 6", "1 5", "::11 5"] {
            assert!(!tells(line.as_bytes(), SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 5))), "{line}");
        }
        let port_of_one = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 1));
        assert!(!tells(b"::1", port_of_one), "the port is not told");
    }

    #[test]
    fn other_text_is_no_address() {
        for line in [&b""[..], b"you are", b"you are here port 1", b"you are 1.2.3.4 port 99999", b"\xff"] {
            assert_eq!(decode(line), None);
        }
    }
}

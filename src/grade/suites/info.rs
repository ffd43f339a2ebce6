//! Addresses on a terminal: found in any language and any order.

use std::net::{IpAddr, SocketAddr};

use crate::grade::causes;
use crate::grade::check::Finding;
use crate::grade::exam::{Exam, Server};
use crate::grade::transcript::{shortened, visible};

/// Whether `number` stands there, not as a part of a longer one.
pub fn says_number(text: &str, number: &str) -> bool {
    text.match_indices(number).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + number.len()..].chars().next();
        !before.is_some_and(|c| c.is_ascii_digit()) && !after.is_some_and(|c| c.is_ascii_digit())
    })
}

/// Whether the port stands there.
pub fn says_port(text: &str, port: u16) -> bool {
    says_number(text, &port.to_string())
}

/// Whether the address stands there, in any of its forms.
pub fn says_ip(text: &str, ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => says_number(text, &ip.to_string()),
        // Java writes all eight groups.
        IpAddr::V6(v6) => {
            let groups: Vec<String> = v6.segments().iter().map(|group| format!("{group:x}")).collect();
            let padded: Vec<String> = v6.segments().iter().map(|group| format!("{group:04x}")).collect();
            [v6.to_string(), groups.join(":"), padded.join(":")].iter().any(|form| text.contains(form.as_str()))
        }
    }
}

fn printed(exam: &Exam<'_>, server: &Server, text: &str) -> String {
    if text.trim().is_empty() {
        return match server.program.fate() {
            Some(fate) => format!("nothing is printed; the server {fate}{}", exam.last_words(&server.program)),
            None => "nothing is printed".to_owned(),
        };
    }
    let fate = server.program.fate().map(|fate| format!("; the server {fate}")).unwrap_or_default();
    format!("the terminal shows \"{}\"{fate}", shortened(&visible(text.trim().as_bytes()), 300))
}

/// The address is not there.
pub fn wrong_ip(exam: &Exam<'_>, server: &Server, from: SocketAddr, text: &str) -> Finding {
    let hint = if let Some(hint) = causes::hint(text) {
        hint
    } else if text.trim().is_empty() {
        "nothing is printed for a client: print the address that accept or recvfrom gives (in C, flush or end the line)"
    } else if says_ip(text, server.addr().ip()) || says_number(text, "0.0.0.0") || text.contains("localhost") {
        "this is the server's own address (or a constant): print the peer's, which accept or recvfrom gives, not getsockname or the address that was bound"
    } else {
        "no IP address of the client is printed: accept and recvfrom give it, together with the port (getpeername, getInetAddress, getAddress, remoteAddress)"
    };
    let expected = format!("the terminal shows the client's address, {}", from.ip());
    Finding::fail(expected, printed(exam, server, text)).hint(hint)
}

/// The port is not there.
pub fn wrong_port(exam: &Exam<'_>, server: &Server, from: SocketAddr, text: &str) -> Finding {
    let hint = if let Some(hint) = causes::hint(text) {
        hint
    } else if says_port(text, from.port().swap_bytes()) {
        "the two bytes of the port are swapped: ntohs turns the network's byte order into the host's"
    } else if says_port(text, server.addr().port()) {
        "this is the server's own, listening port: print the client's (the sender's), which accept or recvfrom gives (getPort, not getLocalPort)"
    } else if text.trim().is_empty() {
        "nothing is printed for a client: print the address that accept or recvfrom gives (in C, flush or end the line)"
    } else {
        "the client's port is not printed: accept and recvfrom give it, together with the IP address"
    };
    let expected = format!("the terminal shows the client's port, {}", from.port());
    Finding::fail(expected, printed(exam, server, text)).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_in_any_form_and_not_in_a_longer_number() {
        let ip: IpAddr = "127.33.4.5".parse().unwrap();
        for text in ["('127.33.4.5', 50000)", "/127.33.4.5:50000", "::ffff:127.33.4.5", "from 127.33.4.5."] {
            assert!(says_ip(text, ip), "{text}");
        }
        assert!(!says_ip("127.33.4.55", ip));
        assert!(says_port("port=5000)", 5000) && !says_port("50001", 5000));
        assert!(says_ip("/0:0:0:0:0:0:0:1:5000", "::1".parse().unwrap()));
    }
}

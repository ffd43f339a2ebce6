//! What the checks of UDP servers share.

use crate::grade::causes;
use crate::grade::exam::{Exam, Server};
use crate::grade::proc::{Proto, sockets};

/// What a server that owes something looks like from outside: in words, why,
/// and whether its socket has nothing left to read.
pub fn silence(exam: &Exam<'_>, server: &Server) -> (String, &'static str, bool) {
    let program = &server.program;
    let said = exam.last_words(program);
    let text = program.terminal.text();
    if let Some(fate) = program.fate() {
        return (format!("the server {fate}{said}"), causes::hint(&text).unwrap_or(causes::UDP_ENDED), false);
    }
    let port = server.addr().port();
    let unread = sockets().iter().find(|row| row.proto == Proto::Udp && row.local.port() == port).map(|row| row.unread);
    let (words, hint, was_read) = match unread {
        _ if program.activity().busy => ("nothing, while the server uses the processor", causes::SPINS, true),
        Some(0) => ("nothing: the server has taken the datagram from its socket, and waits", causes::UDP_SILENT, true),
        Some(_) => ("nothing: the datagram lies unread in the server's socket", causes::UDP_UNREAD, false),
        None => ("nothing: the server's socket is gone", causes::UDP_CLOSED, false),
    };
    (format!("{words}{said}"), causes::hint(&text).unwrap_or(hint), was_read)
}

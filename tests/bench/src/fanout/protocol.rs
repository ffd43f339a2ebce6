//! How a listener comes in, how a line is said, and how it arrives: in four protocols.

/// What is spoken with a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Protocol {
    Netlab,
    Nats,
    Irc,
    Mqtt,
}

/// The topic, subject or channel.
const PLACE: &str = "bench";

/// The speaker's name, where it has one.
const SPEAKER: &str = "s";

/// The host that `ngircd` is told to show for everyone.
pub const IRC_HOST: &str = "bench";

impl Protocol {
    /// What a client says first: its name, and that it wants to hear. `None` is the speaker.
    pub fn hello(self, listener: Option<usize>) -> Vec<u8> {
        let name = listener.map_or(SPEAKER.to_owned(), |number| format!("l{number}"));
        match self {
            Self::Netlab => format!("/name {name}\n/rooms\n").into_bytes(),
            Self::Irc => format!("NICK {name}\r\nUSER u 0 * :u\r\nJOIN #{PLACE}\r\n").into_bytes(),
            Self::Nats => {
                let subscribe = listener.map_or(String::new(), |_| format!("SUB {PLACE} 1\r\n"));
                format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\n{subscribe}").into_bytes()
            }
            Self::Mqtt => {
                // CONNECT: MQTT 3.1.1, clean session, no keep-alive. SUBSCRIBE: packet 1, QoS 0.
                let connect = mqtt(0x10, &[b"\x00\x04MQTT\x04\x02\x00\x00", &text(&name)[..]].concat());
                let place = if listener.is_some() { PLACE } else { "nothing" };
                [connect, mqtt(0x82, &[&[0, 1], &text(place)[..], &[0]].concat())].concat()
            }
        }
    }

    /// What has arrived once a client is in.
    pub fn welcome(self) -> &'static [u8] {
        match self {
            Self::Netlab => b"room: lobby (",
            Self::Nats => b"} \r\n",
            Self::Irc => b":End of NAMES list\r\n",
            Self::Mqtt => b"\x90\x03\x00\x01\x00",
        }
    }

    /// What every client is asked some time after it has come: in the middle of a turn, if nobody
    /// waits for it.
    pub fn question(self) -> Option<&'static [u8]> {
        (self == Self::Nats).then_some(b"PING\r\n")
    }

    /// How many may come at once. Behind ten, `ngircd` lets the system turn others away.
    pub fn at_once(self) -> usize {
        if self == Self::Irc { 10 } else { 500 }
    }

    /// The bytes by which the speaker says `line`.
    pub fn said(self, line: &str) -> Vec<u8> {
        match self {
            Self::Netlab => format!("{line}\n").into_bytes(),
            Self::Nats => format!("PUB {PLACE} {}\r\n{line}\r\n", line.len()).into_bytes(),
            Self::Irc => format!("PRIVMSG #{PLACE} :{line}\r\n").into_bytes(),
            Self::Mqtt => mqtt(0x30, &[&text(PLACE)[..], line.as_bytes()].concat()),
        }
    }

    /// The bytes by which every listener gets it.
    pub fn heard(self, line: &str) -> Vec<u8> {
        match self {
            Self::Netlab => format!("<{SPEAKER}> {line}\n").into_bytes(),
            Self::Nats => format!("MSG {PLACE} 1 {}\r\n{line}\r\n", line.len()).into_bytes(),
            Self::Irc => format!(":{SPEAKER}!~u@{IRC_HOST} PRIVMSG #{PLACE} :{line}\r\n").into_bytes(),
            Self::Mqtt => self.said(line),
        }
    }
}

/// A packet: its type, its length in base 128, its content.
fn mqtt(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let mut length = content.len();
    while length >= 128 {
        packet.push((length % 128) as u8 | 128);
        length /= 128;
    }
    packet.push(length as u8);
    [packet, content.to_vec()].concat()
}

/// Its length in two bytes, and the text.
fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_packet_is_as_the_standard_has_it() {
        assert_eq!(Protocol::Mqtt.said("hi"), b"\x30\x09\x00\x05benchhi");
        assert_eq!(mqtt(0x30, &[0; 200])[..3], [0x30, 0xc8, 0x01]);
    }

    #[test]
    fn a_line_is_heard_whole_in_every_protocol() {
        for protocol in [Protocol::Netlab, Protocol::Nats, Protocol::Irc, Protocol::Mqtt] {
            let heard = protocol.heard("sixty-four bytes");
            assert!(heard.windows(16).any(|part| part == b"sixty-four bytes"), "{protocol:?}");
        }
    }
}

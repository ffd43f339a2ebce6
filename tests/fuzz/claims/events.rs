//! Events: an object of JSON that says what happened and can be parsed back,
//! and a line for people that no terminal obeys.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use netlab::report::{Event, Look, Payload, Proto, Reason, human};
use serde_json::Value;

use super::choices::Choices;
use super::framing::is_harmless;

pub fn an_event_is_parsed_back_and_shown_harmlessly(bytes: &[u8]) {
    let mut choices = Choices::of(bytes);
    let kind = choices.below(9);
    let (client, seq, peer) = (choices.number(), choices.number(), address(&mut choices));
    let said = choices.bytes(usize::MAX);
    let payload = || Payload(said.to_vec());
    let text = String::from_utf8_lossy(said).into_owned();
    let (name, event) = match kind {
        0 => ("sent", Event::Sent { peer, client: Some(client), seq: None, payload: payload() }),
        1 => ("received", Event::Received { peer, client: None, payload: payload() }),
        2 => ("received", Event::Heard { peer, client, name: Some("alice".into()), payload: payload() }),
        3 => {
            let look = Look::Said { from: text, private: seq % 2 == 0 };
            ("received", Event::Spoken { peer, payload: payload(), look })
        }
        4 => {
            let rtt = Duration::from_micros(client >> 20);
            ("replied", Event::Replied { seq, rtt, note: None, payload: payload() })
        }
        5 => {
            let (seq, count) = (seq as u32, client as u32);
            ("received", Event::Numbered { peer, seq, count, note: Some("reordered"), payload: payload() })
        }
        6 => ("saved", Event::Saved { name: text.clone(), path: text, bytes: client }),
        7 => ("listening", Event::Listening { proto: Proto::Udp, addr: peer, group: Some(text), interface: None }),
        _ => ("closed", Event::Closed { peer, client: Some(client), reason: Reason::ServerStop }),
    };
    let line = serde_json::to_string(&event).unwrap();
    assert!(!line.contains(['\n', '\r', '\u{1b}']), "one line: {line}");
    let read: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read["event"], name);
    if kind <= 5 {
        assert_eq!(bytes_of(&read), said);
    }
    for (field, number) in [("client", client), ("seq", seq)] {
        if kind != 5 && !read[field].is_null() {
            assert_eq!(read[field], number);
        }
    }
    if !read["peer"].is_null() {
        assert_eq!(read["peer"].as_str().unwrap().parse::<SocketAddr>(), Ok(peer));
    }
    if let Some(line) = human::line_of(&event) {
        is_harmless(&without_styles(&line));
    }
}

fn address(choices: &mut Choices<'_>) -> SocketAddr {
    let port = choices.number_below(65_536) as u16;
    match choices.below(2) {
        0 => SocketAddr::from(([10, 0, 0, choices.byte()], port)),
        _ => SocketAddr::from((std::net::Ipv6Addr::from(u128::from(choices.number())), port)),
    }
}

/// A payload's bytes: as text where they are UTF-8, else in base64; and how many.
fn bytes_of(read: &Value) -> Vec<u8> {
    let bytes = match (&read["text"], &read["base64"]) {
        (Value::String(text), Value::Null) => text.clone().into_bytes(),
        (Value::Null, Value::String(base64)) => STANDARD.decode(base64).unwrap(),
        other => panic!("either text or base64: {other:?}"),
    };
    assert_eq!(read["bytes"], bytes.len());
    bytes
}

/// Without the colours that netlab itself adds: `ESC [ digits m`.
fn without_styles(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        text += rest.strip_prefix('m').unwrap_or("\u{1b}");
    }
    text
}

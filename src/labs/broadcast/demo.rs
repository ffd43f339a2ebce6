//! The demo of broadcast: three members in one process, each of whom says hello
//! once all three are there.
//!
//! They need to agree on three things beside what they broadcast, so that the
//! demo comes out the same each time: on a port, on when all are there, and on
//! when all have heard all. Each agreement is a channel, whose end of use is
//! the signal: so nobody waits for one who failed.

use std::num::NonZeroU64;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::{Common, DEFAULT_PORT, JoinArgs, join};
use crate::error::{Result, Status};
use crate::labs::stage::{Part, Seen, Stage};
use crate::net::addr::Addr;
use crate::net::host::Host;
use crate::report::{Event, Payload};
use crate::serve;
use crate::serve::group::GuardOptions;

/// A message that is lost on stage ends the demo after this, unfulfilled.
const LASTS: Duration = Duration::from_secs(30);

/// Three members each say hello; each is to hear the two others, and to throw
/// away what he himself said.
pub fn demo(stage: &Stage) -> Result<Seen> {
    let (tell_port, port) = channel();
    let (cue_alice, alice_waits) = channel();
    let (cue_bob, bob_waits) = channel();
    let (alice_listens, nobody_listens) = channel::<()>();
    let bob_listens = alice_listens.clone();
    let alice = move |host: &Host| {
        let _until_return = alice_listens;
        let ready = move |port| {
            let _ = tell_port.send(port); // bob has gone
        };
        join(host, &member("alice", 0), ready, |host| hello(host, alice_waits))
    };
    let bob = move |host: &Host| {
        let _until_return = bob_listens;
        let port = port.recv().unwrap_or(DEFAULT_PORT);
        join(host, &member("bob", port), |_| {}, |host| hello(host, bob_waits))
    };
    // Carol comes when both listen. When she returns they are stopped,
    // whatever they have heard.
    let carol = move |host: &Host, addr: &Addr| {
        let ready = move |_| drop((cue_alice, cue_bob));
        let (_, at_once) = channel();
        let port = addr.port.unwrap_or(DEFAULT_PORT);
        let status = join(host, &member("carol", port), ready, |host| hello(host, at_once));
        let _ = nobody_listens.recv_timeout(LASTS);
        status
    };
    let acts = stage.play_all(vec![part("alice", alice), part("bob", bob)], "carol", carol)?;
    Ok(Seen::new(
        acts.all_done() && each_heard_the_others(&acts.events),
        "three members said hello; each heard the two others, and threw his own away",
    ))
}

fn part<'a>(name: &'static str, play: impl FnOnce(&Host) -> Result<Status> + Send + 'a) -> Part<'a> {
    (name, Box::new(play))
}

/// One who listens to two others; alice's port is the system's choice, so that
/// two demos at once do not hear each other.
fn member(name: &str, port: u16) -> JoinArgs {
    JoinArgs {
        addr: Some(Addr { host: None, port: Some(port) }),
        name: name.to_owned(),
        options: serve::Options { run_for: None, accept: NonZeroU64::new(2) },
        common: Common { interface: Some("127.0.0.1".into()), guards: GuardOptions::plain() },
    }
}

/// Says hello once nobody holds the other end of `cue`; then nothing, until the
/// others are heard.
fn hello(host: &Host, cue: Receiver<()>) -> impl FnMut() -> Result<Option<Vec<u8>>> + Send + use<> {
    let (stop, mut said) = (host.stop.clone(), false);
    move || {
        if std::mem::replace(&mut said, true) {
            stop.wait(LASTS);
            return Ok(None);
        }
        let _ = cue.recv();
        Ok(Some(b"hello".to_vec()))
    }
}

fn each_heard_the_others(events: &[Event]) -> bool {
    let heard: Vec<&[u8]> = events.iter().filter_map(message_in).collect();
    let times = |message: &str| heard.iter().filter(|heard| **heard == message.as_bytes()).count();
    ["alice: hello", "bob: hello", "carol: hello"].map(times) == [2; 3] && heard.len() == 6
}

fn message_in(event: &Event) -> Option<&[u8]> {
    match event {
        Event::Received { payload: Payload(bytes), .. } => Some(bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_heard_by_its_own_sender_or_missed_by_another_is_seen() {
        let heard = |messages: &[&str]| {
            let peer = ([127, 0, 0, 1], 1).into();
            let payload = |message: &&str| Payload(message.as_bytes().to_vec());
            let received = |message| Event::Received { peer, client: None, payload: payload(message) };
            each_heard_the_others(&messages.iter().map(received).collect::<Vec<_>>())
        };
        let all = ["alice: hello", "bob: hello", "carol: hello"].repeat(2);
        assert!(heard(&all));
        assert!(!heard(&all[1..]));
        assert!(!heard(&[&all[..], &all[..1]].concat()));
        assert!(!heard(&[&all[..], &["mallory: hello"]].concat()));
    }
}

//! A hostile system: each socket call of each lab is made to fail once in every
//! way in which it can, and the lab goes on, or says why it cannot.
//!
//! The program is the one that people run. What makes its calls fail is a
//! library that the dynamic linker puts before libc (`faults/shim.c`), which
//! also counts the calls, so that none is left out.

// Not on Windows: the calls are made to fail by a library put before that of C.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

#[path = "faults/chat.rs"]
mod chat;
#[path = "faults/clients.rs"]
mod clients;
#[path = "support/group.rs"]
mod group;
#[path = "faults/groups.rs"]
mod groups;
#[path = "faults/seen.rs"]
mod seen;
#[path = "faults/servers.rs"]
mod servers;
mod support;
#[path = "faults/trial.rs"]
mod trial;
#[path = "support/chat.rs"]
mod users;

use groups::{BROADCAST, MULTICAST};

#[test]
fn no_call_that_is_traced_slips_past_the_library() {
    let labs = ["tcp-info", "udp-info", "tcp-echo", "udp-echo", "mt-server", "capitalize-server", "chat"];
    labs.into_iter().for_each(seen::in_the_demo_of);
}

#[test]
fn tcp_echo_survives_under_every_model() {
    ["iterative", "threads", "pool", "events"].into_iter().for_each(|model| servers::tcp("tcp-echo", model));
}

#[test]
fn tcp_info_survives() {
    ["threads", "events"].into_iter().for_each(|model| servers::tcp("tcp-info", model));
}

#[test]
fn mt_server_survives() {
    ["threads", "events"].into_iter().for_each(|model| servers::tcp("mt-server", model));
}

#[test]
fn capitalize_server_survives() {
    ["threads", "events"].into_iter().for_each(|model| servers::tcp("capitalize-server", model));
}

#[test]
fn udp_servers_survive() {
    ["udp-echo", "udp-info"].into_iter().for_each(servers::udp);
}

#[test]
fn clients_over_tcp_survive() {
    clients::asks("tcp-info", &[]);
    for lab in ["tcp-echo", "mt-server", "capitalize-server"] {
        clients::asks(lab, &["one", "two"]);
    }
}

#[test]
fn clients_over_udp_survive() {
    clients::asks("udp-info", &[]);
    clients::asks("udp-echo", &["one", "two"]);
}

#[test]
fn receivers_of_datagrams_to_many_survive() {
    [MULTICAST, BROADCAST].iter().for_each(groups::receives);
    groups::joins();
}

#[test]
fn senders_of_datagrams_to_many_survive() {
    [MULTICAST, BROADCAST].iter().for_each(groups::sends);
}

#[test]
fn the_chat_server_survives() {
    chat::serves(&[]);
}

#[test]
fn the_chat_server_survives_over_tls() {
    chat::serves(&["--tls"]);
}

#[test]
fn without_a_thread_for_files_an_order_is_refused_and_the_next_one_carried_out() {
    chat::finds_a_thread_later();
}

#[test]
fn who_serves_for_a_time_ends_by_then_or_says_why_not() {
    servers::serve_for_a_time();
}

#[test]
fn the_chat_client_survives() {
    chat::asks(&[]);
}

#[test]
fn the_chat_client_survives_over_tls() {
    chat::asks(&["--tls"]);
}

//! `netlab load`, from outside.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use support::{Server, refusing_port, run};

#[test]
fn every_message_of_many_clients_comes_back_and_is_compared() {
    let server = Server::start("tcp-echo", &["--quiet"]);
    let run = run(["load", &server.at_text(), "--clients", "50", "--for", "300ms", "--json"]).succeeded();
    let summary = run.event("summary");
    let count = |field: &str| summary[field].as_u64().unwrap();
    assert!(count("received") >= 50, "{summary}");
    assert_eq!(count("sent"), count("received"));
    assert_eq!((count("lost"), count("wrong"), count("failed"), count("clients")), (0, 0, 0, 50));
    let bars = summary["histogram"].as_array().unwrap();
    assert_eq!(bars.iter().map(|bar| bar["count"].as_u64().unwrap()).sum::<u64>(), count("received"));
}

#[test]
fn with_a_rate_messages_leave_by_the_clock() {
    let server = Server::start("tcp-echo", &["--quiet"]);
    let args = ["load", &server.at_text(), "--clients", "3", "--rate", "500", "--for", "400ms", "--json"];
    let summary = run(args).succeeded().event("summary");
    // One each 2 ms, the first at once; the last before the end.
    let sent = summary["sent"].as_u64().unwrap();
    assert!((195..=200).contains(&sent), "{summary}");
}

#[test]
fn datagrams_are_asked_too() {
    let server = Server::start("udp-echo", &["--quiet"]);
    let args = ["load", &server.at_text(), "--udp", "--clients", "4", "--size", "1000", "--for", "200ms", "--json"];
    let summary = run(args).succeeded().event("summary");
    assert_eq!(summary["sent"], summary["received"], "{summary}");
}

#[test]
fn a_server_that_changes_what_it_is_sent_is_found_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        while let Ok(got @ 1..) = stream.read(&mut buffer) {
            buffer[got - 1] ^= 1;
            if stream.write_all(&buffer[..got]).is_err() {
                return;
            }
        }
    });
    let run = run(["load", &addr, "--clients", "1", "--for", "100ms", "--json"]).ended(1);
    assert!(run.event("summary")["wrong"].as_u64().unwrap() > 0);
}

#[test]
fn where_nothing_listens_it_says_so() {
    let (_held, addr) = refusing_port();
    let run = run(["load", &addr.to_string(), "--clients", "2"]).ended(1);
    assert!(run.stderr.starts_with(&format!("error: cannot connect to tcp {addr}: connection refused")), "{run:#?}");
    assert!(run.stderr.contains(&format!("try: netlab tcp-echo server {addr}\n")), "{run:#?}");
}

#[test]
fn a_load_that_cannot_be_is_a_usage_error() {
    for args in [["--rate", "0"], ["--clients", "0"], ["--size", "4"], ["--for", "0s"]] {
        run(["load", "127.0.0.1:9", args[0], args[1]]).ended(2);
    }
}

//! tcp-echo: every byte comes back unchanged, in order, as it arrives
//! (RFC 862); both ends, alone and against programs that others wrote.
//! What it shares with the other TCP servers is in `tcp_contract.rs`.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::process::Stdio;
#[cfg(target_os = "linux")]
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

use serde_json::Value;
use support::peer::Peer;
use support::{Running, Server, check_client_summary, check_event, check_server_summary, command, netlab, payload};
use support::{listening_port, python, refusing_port, run, run_command, run_on, tool};

const LAB: &str = "tcp-echo";

fn server() -> Server {
    Server::start(LAB, &[])
}

/// A server of the test's own: its first client is given to `serve`.
fn own_server(serve: impl FnOnce(Peer) + Send + 'static) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    (addr, thread::spawn(move || serve(Peer::accept(&listener))))
}

// Both ends are netlab's

#[test]
fn a_client_sends_messages_and_prints_each_that_comes_back() {
    let server = server();
    let run = run([LAB, "client", &server.at_text(), "hello", "is anybody there?"]).succeeded();
    for reply in ["reply 1: 6 bytes \"hello\\n\"", "reply 2: 18 bytes \"is anybody there?\\n\""] {
        assert!(run.stdout.contains(reply), "{run:#?}");
    }
    assert!(run.stdout.contains("2 sent, 2 answered, 0 unanswered"), "{run:#?}");
    assert_eq!(run.stderr, "");
}

#[test]
fn the_servers_text_names_the_clients_address_and_port_and_what_was_said() {
    let mut running = Running::start(netlab([LAB, "server", "127.0.0.1:0", "--accept", "1"]));
    let ready = running.next_line().unwrap();
    let addr = ready.strip_prefix("listening on tcp ").unwrap_or_else(|| panic!("{ready}")).parse().unwrap();
    let mut peer = Peer::connect(addr);
    let port = peer.local().port();
    peer.send(b"hello\n");
    peer.expect(b"hello\n");
    peer.half_close();
    peer.read_to_fin();
    let run = running.wait().succeeded();
    assert!(run.stdout.contains(&format!("client 1: connected from 127.0.0.1 port {port}")), "{run:#?}");
    assert!(run.stdout.contains("client 1: received 6 bytes \"hello\\n\""), "{run:#?}");
    assert!(run.stdout.contains("client 1: sent 6 bytes \"hello\\n\""), "{run:#?}");
    assert!(run.stdout.contains("client 1: closed, the peer sent FIN"), "{run:#?}");
    assert!(run.stdout.ends_with("served 1 client: 6 bytes in, 6 bytes out\n"), "{run:#?}");
}

#[test]
fn messages_that_are_too_many_for_the_screen_are_counted_before_the_summary() {
    let mut running = Running::start(netlab([LAB, "server", "127.0.0.1:0", "--accept", "1"]));
    let ready = running.next_line().unwrap();
    let addr = ready.strip_prefix("listening on tcp ").unwrap().to_owned();
    run([LAB, "client", &addr, "--count", "1000", "-q", "--timeout", "25s"]).succeeded();
    let run = running.wait().succeeded();
    let lines: Vec<&str> = run.stdout.lines().collect();
    let said = |line: &&&str| line.starts_with("client 1: received ") || line.starts_with("client 1: sent ");
    let shown = lines.iter().filter(said).count();
    let hidden = |line: &&str| line.strip_prefix('(')?.split_once(" messages more ")?.0.parse::<usize>().ok();
    let counted: usize = lines.iter().filter_map(hidden).sum();
    assert!(counted > 0, "1000 messages are more than a screen takes: {run:#?}");
    assert_eq!(shown + counted, 2000, "each is shown or counted");
    let last_said = lines.iter().rposition(|line| said(&line) || hidden(line).is_some());
    assert!(last_said < Some(lines.len() - 1) && lines.last().unwrap().starts_with("served 1 client"), "{run:#?}");
}

#[test]
fn a_clients_events_are_the_contracts() {
    let server = server();
    let run = run([LAB, "client", &server.at_text(), "hello", "gr\u{fc}\u{df} dich", "--json"]).succeeded();
    let events = run.events();
    events.iter().for_each(|event| check_event(event, LAB));
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["connected", "sent", "replied", "sent", "replied", "closed", "summary"]);
    assert_eq!(events[0]["peer"], server.at_text());
    assert_eq!((&events[1]["bytes"], &events[1]["text"]), (&6.into(), &"hello\n".into()));
    assert_eq!((&events[2]["seq"], &events[2]["text"]), (&1.into(), &"hello\n".into()));
    assert_eq!((&events[4]["seq"], &events[4]["bytes"]), (&2.into(), &12.into()));
    assert_eq!(events[5]["reason"], "fin");
    check_client_summary(&events[6]);
    assert_eq!((&events[6]["sent"], &events[6]["received"], &events[6]["lost"]), (&2.into(), &2.into(), &0.into()));
    let times: Vec<f64> = events.iter().map(|event| event["t"].as_f64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn a_servers_events_are_the_contracts() {
    let server = Server::start(LAB, &["--accept", "1"]);
    let addr = server.at_text();
    let mut peer = Peer::connect(server.addr());
    let own = peer.local().to_string();
    peer.send(b"hi\n\xff");
    peer.expect(b"hi\n\xff");
    peer.half_close();
    peer.read_to_fin();
    let run = server.wait().succeeded();
    let events = run.events();
    events.iter().for_each(|event| check_event(event, LAB));
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["listening", "accepted", "received", "sent", "closed", "summary"]);
    assert_eq!((&events[0]["proto"], &events[0]["addr"]), (&"tcp".into(), &addr.clone().into()));
    assert_eq!(
        (&events[1]["client"], &events[1]["peer"], &events[1]["local"]),
        (&1.into(), &own.clone().into(), &addr.into())
    );
    for event in &events[2..4] {
        assert_eq!((&event["client"], &event["peer"], &event["bytes"]), (&1.into(), &own.clone().into(), &4.into()));
        assert_eq!(event["base64"], "aGkK/w==", "no UTF-8, so base64: {event}");
        assert_eq!(payload(event), b"hi\n\xff");
    }
    assert_eq!((&events[4]["client"], &events[4]["reason"]), (&1.into(), &"fin".into()));
    check_server_summary(&events[5]);
    assert_eq!(
        (&events[5]["clients"], &events[5]["bytes_in"], &events[5]["bytes_out"]),
        (&1.into(), &4.into(), &4.into())
    );
}

#[test]
fn piped_lines_are_sent_one_by_one_and_the_end_of_input_ends_the_client() {
    let server = server();
    let run = run_on(b"one\n\ntwo\r\nthree", [LAB, "client", &server.at_text(), "--json"]).succeeded();
    let replies: Vec<Value> = run.all("replied");
    let texts: Vec<&str> = replies.iter().map(|event| event["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["one\n", "\n", "two\n", "three\n"]);
}

#[test]
fn no_input_at_all_is_a_connection_without_a_message() {
    let server = server();
    let run = run([LAB, "client", &server.at_text(), "--json"]).succeeded();
    assert_eq!(run.event("summary")["sent"], 0);
    assert_eq!(run.event("closed")["reason"], "fin");
}

// Standard input

/// What every client that reads lines keeps to: a program may write faster
/// than a network takes it.
const READERS: [&str; 4] = ["tcp-echo", "udp-echo", "mt-server", "capitalize-server"];

/// The longest line that is taken.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Memory in use, as the kernel tells it.
#[cfg(target_os = "linux")]
fn resident_bytes(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kib.unwrap_or_else(|| panic!("no VmRSS, it has ended: {status}")).trim().parse::<usize>().unwrap() * 1024
}

// Not on Windows: memory is read from /proc.
#[cfg(target_os = "linux")]
#[test]
fn input_without_end_is_read_no_faster_than_it_is_sent() {
    const MAX_RESIDENT: usize = 64 * 1024 * 1024;
    for lab in READERS {
        for line in [&b"y\n"[..], &[&[b'x'; 1000][..], b"\n"].concat()] {
            let server = Server::start(lab, &["-q"]);
            let mut command = netlab([lab, "client", &server.at_text(), "--interval", "1s"]);
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut client = support::spawn(&mut command);
            let mut stdin = client.stdin.take().unwrap();
            let (taken, flood) = (Arc::new(AtomicUsize::new(0)), line.repeat(20_000));
            let total = taken.clone();
            // Until the client is gone.
            let writer = thread::spawn(move || {
                while stdin.write_all(&flood).is_ok() {
                    total.fetch_add(1, Ordering::Relaxed);
                }
            });
            // It is held back once nothing is taken for half a second. One that
            // reads on and on comes to the limit first.
            let (mut before, mut since) = (0, Instant::now());
            let deadline = Instant::now() + support::DEADLINE;
            let mut resident = 0;
            while since.elapsed() < Duration::from_millis(500) && Instant::now() < deadline {
                let now = taken.load(Ordering::Relaxed);
                if now != before {
                    (before, since) = (now, Instant::now());
                }
                resident = resident.max(resident_bytes(client.id()));
                if resident >= MAX_RESIDENT {
                    break;
                }
                thread::sleep(Duration::from_millis(5)); // it is watched, not waited for
            }
            client.kill().unwrap();
            client.wait().unwrap();
            writer.join().unwrap();
            assert!(resident < MAX_RESIDENT, "{lab}: {resident} bytes for lines of {} bytes", line.len());
            assert!(Instant::now() < deadline, "{lab}: it reads on and on, {before} floods so far");
        }
    }
}

#[test]
fn a_line_without_end_is_an_error_that_names_the_limit() {
    for lab in READERS {
        let server = Server::start(lab, &["-q"]);
        let mut command = netlab([lab, "client", &server.at_text()]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut client = support::spawn(&mut command);
        let mut stdin = client.stdin.take().unwrap();
        thread::spawn(move || while stdin.write_all(&[0; 64 * 1024]).is_ok() {});
        let status = support::wait(&mut client);
        let output = client.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(status.code(), Some(2), "{lab}: {stderr}");
        assert!(stderr.starts_with("error: cannot read standard input: "), "{lab}: {stderr}");
        assert!(stderr.contains("1 MiB") || stderr.contains("1,048,576"), "it names the limit: {lab}: {stderr}");
        assert_eq!(stderr.lines().count(), 3, "{lab}: {stderr}");
    }
}

#[test]
fn the_longest_line_is_sent_and_one_byte_more_is_an_error() {
    let server = Server::start(LAB, &["-q"]);
    let longest = vec![b'x'; MAX_LINE_BYTES];
    let line = [LAB, "client", &server.at_text(), "--json", "-q", "--timeout", "25s"];
    for end in [&b""[..], b"\n"] {
        let run = run_on(&[&longest[..], end].concat(), line).succeeded();
        assert_eq!(run.event("summary")["received"], 1, "{run:#?}");
        let run = run_on(&[&longest[..], b"x", end].concat(), line).ended(2);
        assert_eq!(run.event("summary")["sent"], 0, "{run:#?}");
    }
    // What was typed before it has been sent by then.
    let run = run_on(&[&b"hello\n"[..], &longest, b"x\n"].concat(), line).ended(2);
    assert_eq!(run.event("summary")["received"], 1, "{run:#?}");
}

#[test]
#[cfg_attr(windows, ignore = "a folder cannot be opened as a file there")]
fn a_folder_as_standard_input_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    for lab in READERS {
        let server = Server::start(lab, &["-q"]);
        let at = server.at_text();
        let raw: &[&str] = if lab == LAB { &["--raw"] } else { &[] };
        for more in [raw, &[]] {
            let mut command = netlab([&[lab, "client", &at], more].concat());
            command.stdin(File::open(dir.path()).unwrap()).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut client = support::spawn(&mut command);
            let status = support::wait(&mut client);
            let output = client.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(status.code(), Some(2), "{lab} {more:?}: {stderr}");
            assert!(stderr.starts_with("error: cannot read standard input: "), "{lab} {more:?}: {stderr}");
            assert_eq!(stderr.lines().count(), 3, "{lab} {more:?}: {stderr}");
        }
    }
}

// On the wire

#[test]
fn each_line_ending_is_what_is_added_on_the_wire() {
    for (ending, bytes) in [("lf", &b"hello\n"[..]), ("crlf", b"hello\r\n"), ("none", b"hello")] {
        let (addr, served) = own_server(move |mut peer| {
            peer.expect(bytes);
            peer.send(bytes);
            assert_eq!(peer.read_to_fin(), b"", "nothing more is sent");
        });
        let run = run([LAB, "client", &addr, "hello", "--line-ending", ending, "--json"]).succeeded();
        assert_eq!(payload(&run.event("replied")), bytes);
        served.join().unwrap();
    }
}

#[test]
fn count_and_size_make_up_messages_of_that_number_and_length() {
    let server = server();
    let run = run([LAB, "client", &server.at_text(), "--count", "20", "--size", "1000", "--json"]).succeeded();
    let replies = run.all("replied");
    assert_eq!(replies.len(), 20);
    assert!(replies.iter().all(|event| event["bytes"] == 1001), "1000 and the line end: {run:#?}");
    let seqs: Vec<u64> = replies.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=20).collect::<Vec<u64>>());
    let summary = run.event("summary");
    check_client_summary(&summary);
    assert_eq!(summary["sent"], 20);
}

#[test]
fn a_message_larger_than_all_buffers_comes_back_whole() {
    let server = server();
    let at = server.at_text();
    let run =
        run([LAB, "client", &at, "--size", "20000000", "--line-ending", "none", "--timeout", "60s", "-q", "--json"]);
    assert_eq!(run.succeeded().event("summary")["received"], 1);
}

#[test]
fn count_repeats_a_given_message() {
    let server = server();
    let run = run([LAB, "client", &server.at_text(), "hello", "--count", "3", "--json"]).succeeded();
    assert!(run.all("replied").iter().all(|event| event["text"] == "hello\n"), "{run:#?}");
    assert_eq!(run.event("summary")["received"], 3);
}

#[test]
fn interval_is_the_wait_between_messages() {
    let server = server();
    let run = run([LAB, "client", &server.at_text(), "--count", "4", "--interval", "60ms", "--json"]).succeeded();
    let sent = run.all("sent");
    let gaps: Vec<f64> =
        sent.windows(2).map(|two| two[1]["t"].as_f64().unwrap() - two[0]["t"].as_f64().unwrap()).collect();
    assert!(gaps.iter().all(|gap| *gap >= 0.059), "{gaps:?}");
}

#[test]
fn bind_is_the_address_the_client_comes_from() {
    let mut server = server();
    let own = support::own_loopback().to_string();
    run([LAB, "client", &server.at_text(), "hello", "--bind", &own]).succeeded();
    let peer = server.event("accepted")["peer"].as_str().unwrap().to_owned();
    assert!(peer.starts_with(&format!("{own}:")), "{peer}");
}

#[test]
fn a_server_that_answers_something_else_is_told_of_and_the_status_is_1() {
    let (addr, served) = own_server(|mut peer| {
        peer.expect(b"hello\n");
        peer.send(b"hullo\n");
        peer.read_to_fin();
    });
    let run = run([LAB, "client", &addr, "hello", "--json"]).ended(1);
    let message = run.event("error")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("byte 1 was sent as 0x65 and came as 0x75"), "{message}");
    served.join().unwrap();
}

#[test]
fn a_server_that_stays_silent_is_given_up_after_the_timeout() {
    let (addr, served) = own_server(|mut peer| drop(peer.read_to_any_end()));
    let run = run([LAB, "client", &addr, "hello", "--timeout", "100ms", "--json"]).ended(1);
    let error = run.event("error");
    assert_eq!(error["message"], format!("cannot receive from tcp {addr}: timed out"));
    let summary = run.event("summary");
    check_client_summary(&summary);
    assert_eq!((&summary["sent"], &summary["lost"]), (&1.into(), &1.into()));
    served.join().unwrap();
}

#[test]
fn a_server_that_closes_early_is_told_of() {
    let (addr, served) = own_server(|mut peer| {
        peer.expect(b"hello\n");
        peer.send(b"hel");
        peer.half_close();
        peer.read_to_fin();
    });
    let run = run([LAB, "client", &addr, "hello"]).ended(1);
    support::check_error(
        &run.stderr,
        &format!("cannot receive from tcp {addr}: the peer closed before its reply was whole"),
    );
    served.join().unwrap();
}

#[test]
fn the_part_of_a_reply_that_came_before_the_servers_fin_is_shown() {
    let (addr, served) = own_server(|mut peer| {
        peer.expect(b"hello\n");
        peer.send(b"hel");
        peer.half_close();
        peer.read_to_fin();
    });
    let run = run([LAB, "client", &addr, "hello", "--json"]).ended(1);
    assert_eq!(run.event("received")["text"], "hel", "{run:#?}");
    check_event(&run.event("received"), LAB);
    assert_eq!((&run.event("closed")["reason"], run.all("replied").len()), (&"fin".into(), 0), "{run:#?}");
    let summary = run.event("summary");
    assert_eq!((&summary["sent"], &summary["received"], &summary["lost"]), (&1.into(), &0.into(), &1.into()));
    served.join().unwrap();
}

#[test]
fn ctrl_c_while_a_reply_is_due_blames_nobody() {
    for more in [&["--json"][..], &[], &["--trace"]] {
        let (told, asked) = std::sync::mpsc::channel();
        let (addr, served) = own_server(move |mut peer| {
            peer.expect(b"hello\n");
            told.send(()).unwrap();
            let _ = peer.read_to_any_end();
        });
        let waiting = Running::start(netlab([&[LAB, "client", &addr, "hello", "--timeout", "1h"], more].concat()));
        asked.recv_timeout(support::DEADLINE).unwrap();
        waiting.signal("INT");
        let run = waiting.wait();
        served.join().unwrap();
        if more == ["--json"] {
            assert_eq!(run.event("closed")["reason"], "asked", "{run:#?}");
            assert_eq!(run.events().last().unwrap()["event"], "summary", "{run:#?}");
        }
        for blame in ["the peer sent FIN", "reset", "sent RST", "timed out"] {
            assert!(!run.stdout.contains(blame) && !run.stderr.contains(blame), "{blame}: {run:#?}");
        }
    }
}

#[test]
fn a_reset_is_told_of() {
    if support::wine_lacks(support::RESETS) {
        return;
    }
    let (addr, served) = own_server(|mut peer| {
        peer.expect(b"hello\n");
        peer.reset();
    });
    let run = run([LAB, "client", &addr, "hello", "--json"]).ended(1);
    assert_eq!(run.event("error")["message"], format!("cannot receive from tcp {addr}: connection reset by the peer"));
    assert_eq!(run.event("closed")["reason"], "reset");
    served.join().unwrap();
}

#[test]
fn a_reply_in_single_bytes_is_put_together() {
    let (addr, served) = own_server(|mut peer| {
        for byte in peer.read(6) {
            peer.send(&[byte]);
        }
        peer.read_to_fin();
    });
    let run = run([LAB, "client", &addr, "hello", "--json"]).succeeded();
    assert_eq!(run.event("replied")["text"], "hello\n");
    served.join().unwrap();
}

#[test]
fn nothing_listening_is_told_in_three_parts() {
    let (_held, addr) = refusing_port();
    let run = run([LAB, "client", &addr.to_string(), "hello"]).ended(1);
    let expected = format!(
        "error: cannot connect to tcp {addr}: connection refused\n  why: the host answered, and nothing listens on that port\n  try: netlab tcp-echo server {addr}\n"
    );
    assert_eq!(run.stderr, expected);
    assert_eq!(run.stdout, "");
}

// --raw

/// Every byte value, and lengths that are no power of two.
fn film(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|n| (n ^ (n >> 8) ^ (n >> 15)) as u8).collect()
}

#[test]
fn raw_brings_back_several_megabytes_byte_by_byte_the_same() {
    for model in ["iterative", "threads", "pool", "events"] {
        let server = Server::start(LAB, &["--model", model, "-q"]);
        let film = film(8_000_001);
        let run = run_on(&film, [LAB, "client", &server.at_text(), "--raw"]).succeeded();
        assert!(run.bytes == film, "{model}: {} of {} bytes", run.bytes.len(), film.len());
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn raw_of_nothing_is_nothing() {
    let server = server();
    let run = run_on(b"", [LAB, "client", &server.at_text(), "--raw"]).succeeded();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}

#[test]
fn raw_half_closes_at_the_end_of_input_and_takes_what_still_comes() {
    let (addr, served) = own_server(|mut peer| {
        assert_eq!(peer.read_to_fin(), b"no line end");
        peer.send(b"and all that comes after\nyour FIN");
    });
    let run = run_on(b"no line end", [LAB, "client", &addr, "--raw"]).succeeded();
    assert_eq!(run.stdout, "and all that comes after\nyour FIN");
    served.join().unwrap();
}

#[test]
fn raw_and_messages_exclude_each_other() {
    for more in [&["hello"][..], &["--count", "2"], &["--json"]] {
        run([&[LAB, "client", "127.0.0.1:1", "--raw"], more].concat()).ended(2);
    }
}

// A terminal

/// Runs its arguments on a pseudo-terminal, types the first line at each
/// prompt and then Ctrl-D, and prints all that the terminal shows.
const ON_A_TERMINAL: &str = r#"
import os, pty, sys, select
lines = sys.argv[1].split(",")
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
shown, prompts = b"", 0
while True:
    if not select.select([fd], [], [], 30)[0]:
        os.kill(pid, 9); sys.exit("nothing shown for 30 s: %r" % shown)
    try: got = os.read(fd, 65536)
    except OSError: break
    if not got: break
    shown += got
    while shown.count(b"> ") > prompts:
        prompts += 1
        os.write(fd, (lines.pop(0) + "\n").encode() if lines else b"\x04")
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn on_a_terminal_it_prompts_for_each_line_and_ends_at_ctrl_d() {
    if !tool("python3") {
        return;
    }
    let server = server();
    let line = [support::NETLAB, LAB, "client", &server.at_text(), "--color", "never"];
    let run = run_command(python(ON_A_TERMINAL, &[&["hello,world"][..], &line].concat()), b"").succeeded();
    assert_eq!(run.stdout.matches("> ").count(), 3, "one prompt for each line, one for the end: {run:#?}");
    for reply in ["reply 1: 6 bytes \"hello\\n\"", "reply 2: 6 bytes \"world\\n\"", "2 sent, 2 answered, 0 unanswered"]
    {
        assert!(run.stdout.contains(reply), "{run:#?}");
    }
}

#[test]
fn a_pipe_gets_no_prompt() {
    let server = server();
    let run = run_on(b"hello\n", [LAB, "client", &server.at_text()]).succeeded();
    assert!(!run.stdout.contains("> "), "{run:#?}");
}

#[test]
fn a_peers_escape_sequences_reach_no_terminal() {
    let server = server();
    let run = run_on(b"\x1b[2J\x07\n", [LAB, "client", &server.at_text()]).succeeded();
    assert!(!run.stdout.contains('\x1b') && run.stdout.contains("\\x1b[2J\\x07"), "{run:#?}");
}

// Programs that others wrote, against netlab's server

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn openbsd_nc_is_served() {
    if !tool("nc.openbsd") {
        return;
    }
    let server = server();
    let port = server.addr().port().to_string();
    let run = run_command(command("nc.openbsd", &["-N", "127.0.0.1", &port]), b"hello\nworld").succeeded();
    assert_eq!(run.stdout, "hello\nworld");
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn ncat_is_served() {
    if !tool("ncat") {
        return;
    }
    let server = server();
    let port = server.addr().port().to_string();
    let run = run_command(command("ncat", &["127.0.0.1", &port]), b"hello\nworld").succeeded();
    assert_eq!(run.stdout, "hello\nworld");
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn socat_is_served() {
    if !tool("socat") {
        return;
    }
    let server = server();
    let film = film(1_000_003);
    let run = run_command(command("socat", &["-t30", "-", &format!("TCP:{}", server.at_text())]), &film).succeeded();
    assert!(run.bytes == film, "{} bytes", run.bytes.len());
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn ten_lines_of_python_that_never_send_a_newline_are_served() {
    if !tool("python3") {
        return;
    }
    let server = server();
    let script = r#"
import socket, sys
s = socket.socket()
s.connect(("127.0.0.1", int(sys.argv[1])))
for word in ("hello", "again"):
    s.send(word.encode())
    print(s.recv(1024).decode())
s.close()
"#;
    let run = run_command(python(script, &[&server.addr().port().to_string()]), b"").succeeded();
    assert_eq!(run.stdout, "hello\nagain\n");
}

// netlab's client, against servers that others wrote

/// What a program of others' says when it listens; their port is chosen here.
fn asks(running: Running, port: u16) {
    let at = format!("127.0.0.1:{port}");
    let run = run([LAB, "client", &at, "hello", "again", "--json"]).succeeded();
    assert_eq!(run.event("summary")["received"], 2, "{run:#?}");
    drop(running);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn socats_echo_is_asked() {
    if !tool("socat") {
        return;
    }
    // socat tells on stderr which port the system gave it.
    let args = ["-d", "-d", "-lf/dev/stdout", "TCP-LISTEN:0,bind=127.0.0.1", "SYSTEM:cat"];
    let mut running = Running::start(command("socat", &args));
    let line = running.line_where(|line| line.contains("listening on"));
    let port = line.rsplit(':').next().unwrap().parse().unwrap();
    asks(running, port);
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_python_echo_server_is_asked() {
    if !tool("python3") {
        return;
    }
    let script = r#"
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1])
c, _ = s.accept()
while data := c.recv(3):
    c.sendall(data)
c.close()
"#;
    let mut running = Running::start(python(script, &[]));
    let port = running.next_line().unwrap().parse().unwrap();
    asks(running, port);
}

#[test]
#[cfg_attr(windows, ignore = "driven by a Unix shell")]
fn ncats_echo_is_asked() {
    if !tool("ncat") {
        return;
    }
    let script = "exec ncat -v -l 127.0.0.1 0 --exec /bin/cat 2>&1";
    let mut running = Running::start(command("sh", &["-c", script]));
    running.line_where(|line| line.contains("Listening on 127.0.0.1:"));
    let port = listening_port(&running); // ncat itself says 0
    asks(running, port);
}

#[test]
#[cfg_attr(windows, ignore = "driven by a Unix shell")]
fn nc_with_a_loop_back_through_a_pipe_is_asked() {
    if !tool("nc.openbsd") {
        return;
    }
    // The classic: nc's output is its own input, through a named pipe.
    let dir = tempfile::tempdir().unwrap();
    let script = "cd \"$1\" && mkfifo loop && exec nc.openbsd -v -l 127.0.0.1 0 0<>loop 2>&1 1>loop";
    let mut running = Running::start(command("sh", &["-c", script, "sh", dir.path().to_str().unwrap()]));
    running.line_where(|line| line.contains("Listening on"));
    let port = listening_port(&running);
    asks(running, port);
}

#[test]
fn the_demo_shows_both_ends_on_one_timeline() {
    let run = run([LAB, "demo", "--json"]).succeeded();
    let names: Vec<String> = run.events().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    for name in ["listening", "accepted", "connected", "received", "replied", "closed", "summary"] {
        assert!(names.iter().any(|other| other == name), "{name} in {names:?}");
    }
    let who: Vec<String> = support::strace::traced_calls(&run.stderr).into_iter().map(|call| call.thread).collect();
    assert!(who.iter().any(|who| who == "server") && who.iter().any(|who| who == "client"), "{who:?}");
}

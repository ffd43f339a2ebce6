//! mt-server: every client on a thread of its own, numbered; `SLEEP`,
//! `CLIENTS` and `QUIT`; what is lost without threads, and without a lock.
//! What it shares with the other TCP servers is in `tcp_contract.rs`.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::thread;

use serde_json::Value;
use support::peer::Peer;
use support::{Running, Server, check_client_summary, check_event, check_server_summary, command, netlab, python};
use support::{refusing_port, run, run_command, run_on, tool};

const LAB: &str = "mt-server";

fn server() -> Server {
    Server::start(LAB, &[])
}

#[track_caller]
fn says(peer: &mut Peer, message: &str, answer: &str) {
    peer.send(message.as_bytes());
    peer.expect(answer.as_bytes());
}

#[test]
fn without_a_role_it_is_the_server() {
    let server = Server::of(netlab([LAB, "127.0.0.1:0", "--json"]));
    let mut peer = Peer::connect(server.addr());
    says(&mut peer, "hello\n", "client 1: hello\n");
    assert_eq!(server.stops_in_order().event("summary")["clients"], 1);
}

#[test]
fn nobody_is_greeted() {
    let server = server();
    let mut peer = Peer::connect(server.addr());
    peer.half_close();
    assert_eq!(peer.read_to_fin(), b"");
}

#[test]
fn each_client_is_served_by_a_thread_of_its_own_and_the_server_says_by_which() {
    let mut server = server();
    let mut threads = BTreeSet::new();
    let peers: Vec<Peer> = (1..=5)
        .map(|client| {
            let mut peer = Peer::connect(server.addr());
            says(&mut peer, "hello\n", &format!("client {client}: hello\n"));
            let event = server.event("accepted");
            assert_eq!(event["client"], client);
            threads.insert(event["thread"].as_str().unwrap().to_owned());
            peer
        })
        .collect();
    assert_eq!(threads.len(), 5, "{threads:?}");
    drop(peers);
    let mut running = Running::start(netlab([LAB, "server", "127.0.0.1:0", "--accept", "1"]));
    let addr = running.next_line().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    let mut peer = Peer::connect(addr);
    says(&mut peer, "hello\n", "client 1: hello\n");
    running.line_where(|line| line.contains("client 1: connected from 127.0.0.1 port ") && line.contains("thread"));
}

#[test]
fn twenty_clients_at_once_get_their_own_answers_and_nobody_elses() {
    let server = server();
    let addr = server.addr();
    let clients: Vec<_> = (0..20)
        .map(|client| {
            thread::spawn(move || {
                let mut peer = Peer::connect(addr);
                peer.send(b"who\n");
                let number =
                    peer.read_line().strip_prefix("client ").unwrap().strip_suffix(": who\n").unwrap().to_owned();
                for round in 0..20 {
                    says(&mut peer, &format!("{client} {round}\n"), &format!("client {number}: {client} {round}\n"));
                }
                number.parse::<u64>().unwrap()
            })
        })
        .collect();
    let numbers: BTreeSet<u64> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert_eq!(numbers, (1..=20).collect());
}

#[test]
fn one_clients_sleep_holds_up_nobody_else() {
    for model in ["threads", "pool", "events"] {
        let mut server = Server::start(LAB, &["--model", model]);
        let (mut sleeper, mut other) = (Peer::connect(server.addr()), Peer::connect(server.addr()));
        sleeper.send(b"SLEEP 10m\n");
        server.event_where("received", |event| event["text"] == "SLEEP 10m\n");
        other.send(b"hello\n");
        let answer = other.read_line();
        assert!(answer.ends_with(": hello\n"), "{model}: {answer}");
    }
}

#[test]
fn a_sleep_is_answered_when_it_is_over_and_what_came_meanwhile_after_it() {
    for model in ["iterative", "threads", "pool", "events"] {
        let server = Server::start(LAB, &["--model", model]);
        let mut peer = Peer::connect(server.addr());
        let started = std::time::Instant::now();
        peer.send(b"SLEEP 200ms\nSLEEP 1ms\nhello\n");
        peer.expect(b"client 1: slept 200ms\n");
        assert!(started.elapsed().as_millis() >= 200, "{model}");
        peer.expect(b"client 1: slept 1ms\nclient 1: hello\n");
    }
}

#[test]
fn a_stop_does_not_wait_for_a_sleepers_end() {
    for model in ["iterative", "threads", "pool", "events"] {
        let mut server = Server::start(LAB, &["--model", model]);
        let mut sleeper = Peer::connect(server.addr());
        sleeper.send(b"SLEEP 10m\n");
        server.event_where("received", |event| event["text"] == "SLEEP 10m\n");
        server.stops_in_order();
        let _ = sleeper.read_to_any_end();
    }
}

#[test]
fn under_iterative_the_second_client_waits_for_the_first_ones_sleep() {
    let server = Server::start(LAB, &["--model", "iterative"]);
    let (mut sleeper, mut other) = (Peer::connect(server.addr()), Peer::connect(server.addr()));
    other.send(b"hello\n");
    says(&mut sleeper, "SLEEP 100ms\n", "client 1: slept 100ms\n");
    says(&mut sleeper, "QUIT\n", "");
    assert_eq!(sleeper.read_to_fin(), b"");
    drop(sleeper);
    other.expect(b"client 2: hello\n");
}

#[test]
fn a_sleep_that_is_no_time_or_too_long_is_refused_and_the_client_goes_on() {
    let server = server();
    let mut peer = Peer::connect(server.addr());
    for sleep in ["SLEEP soon\n", "SLEEP -1s\n", "SLEEP 400d\n", "SLEEP 99999999999999999999s\n"] {
        peer.send(sleep.as_bytes());
        let answer = peer.read_line();
        assert!(answer.starts_with("client 1: cannot sleep"), "{sleep}: {answer}");
    }
    says(&mut peer, "SLEEPY\n", "client 1: SLEEPY\n");
}

#[test]
fn clients_tells_how_many_are_connected() {
    let mut server = server();
    let mut first = Peer::connect(server.addr());
    says(&mut first, "CLIENTS\n", "client 1: 1\n");
    let mut second = Peer::connect(server.addr());
    says(&mut second, "CLIENTS\n", "client 2: 2\n");
    second.half_close();
    second.read_to_fin();
    server.event_where("closed", |event| event["client"] == 2);
    says(&mut first, "CLIENTS\n", "client 1: 1\n");
    let reset = Peer::connect(server.addr());
    server.event_where("accepted", |event| event["client"] == 3);
    reset.reset();
    server.event_where("closed", |event| event["client"] == 3);
    says(&mut first, "CLIENTS\n", "client 1: 1\n");
}

#[test]
fn quit_closes_that_connection_and_no_other() {
    for model in ["threads", "pool", "events"] {
        let mut server = Server::start(LAB, &["--model", model]);
        let mut other = Peer::connect(server.addr());
        says(&mut other, "first\n", "client 1: first\n");
        for (client, quit) in [(2, &b"QUIT\n"[..]), (3, b"QUIT\r\nnever answered\r\n"), (4, b"QUIT")] {
            let mut peer = Peer::connect(server.addr());
            peer.send(quit);
            assert_eq!(peer.read_to_fin(), b"", "{model}");
            peer.half_close();
            assert_eq!(server.event_where("closed", |event| event["client"] == client)["reason"], "asked");
        }
        says(&mut other, "quit\n", "client 1: quit\n");
        says(&mut other, "QUIT now\n", "client 1: QUIT now\n");
    }
}

#[test]
fn without_a_lock_clients_that_come_at_once_get_the_same_number() {
    let server = Server::start(LAB, &["--racy"]);
    let addr = server.addr();
    // The more come at once, the surer some read the counter together.
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(32));
    let clients: Vec<_> = (0..32)
        .map(|_| {
            let barrier = barrier.clone();
            thread::spawn(move || {
                barrier.wait();
                let mut peer = Peer::connect(addr);
                peer.send(b"who\n");
                peer.read_line()
            })
        })
        .collect();
    let numbers: BTreeSet<String> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert!(numbers.len() < 32, "32 clients, 32 numbers: nothing was lost");
}

#[test]
fn the_events_of_both_ends_are_the_contracts() {
    let server = Server::start(LAB, &["--accept", "1"]);
    let run = run([LAB, "client", &server.at_text(), "hello", "CLIENTS", "--json"]).succeeded();
    let events = run.events();
    events.iter().for_each(|event| check_event(event, LAB));
    let texts: Vec<Value> = run.all("replied").iter().map(|event| event["text"].clone()).collect();
    assert_eq!(texts, ["client 1: hello\n", "client 1: 1\n"]);
    check_client_summary(&run.event("summary"));
    let run = server.wait().succeeded();
    run.events().iter().for_each(|event| check_event(event, LAB));
    check_server_summary(&run.event("summary"));
    assert_eq!((&run.event("summary")["bytes_in"], &run.event("summary")["bytes_out"]), (&14.into(), &28.into()));
}

#[test]
fn the_client_that_quits_exits_0() {
    let server = server();
    for ending in ["lf", "crlf", "none"] {
        let at = server.at_text();
        let run = run([LAB, "client", &at, "hello", "QUIT", "--line-ending", ending, "--json"]).succeeded();
        assert_eq!(run.all("replied").len(), 1, "{ending}: {run:?}");
        assert_eq!(run.event("closed")["reason"], "asked");
    }
}

#[test]
fn the_client_takes_piped_lines_and_made_up_messages() {
    let server = server();
    let run = run_on(b"one\ntwo\n", [LAB, "client", &server.at_text(), "--json"]).succeeded();
    let texts: Vec<Value> = run.all("replied").iter().map(|event| event["text"].clone()).collect();
    assert_eq!(texts, ["client 1: one\n", "client 1: two\n"]);
    let line = [LAB, "client", &server.at_text(), "--count", "50", "--size", "500", "--interval", "1ms", "--json"];
    assert_eq!(support::run(line).succeeded().event("summary")["received"], 50);
}

#[test]
fn a_client_of_a_slow_server_waits_for_its_timeout_and_no_longer() {
    let server = server();
    let run = run([LAB, "client", &server.at_text(), "SLEEP 10m", "--timeout", "100ms"]).ended(1);
    support::check_error(&run.stderr, &format!("cannot receive from tcp {}: timed out", server.at_text()));
    let (_held, addr) = refusing_port();
    let run = support::run([LAB, "client", &addr.to_string(), "hello"]).ended(1);
    assert!(run.stderr.ends_with(&format!("try: netlab mt-server server {addr}\n")), "{run:?}");
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn on_a_terminal_the_server_shows_a_table_of_its_clients() {
    if !tool("python3") {
        return;
    }
    let script = r#"
import os, pty, sys, select, socket, re, signal
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
shown = b""
def until(pattern):
    global shown
    while not re.search(pattern, shown):
        if not select.select([fd], [], [], 30)[0]:
            os.kill(pid, 9); sys.exit("not shown: %r in %r" % (pattern, shown))
        shown += os.read(fd, 65536)
until(rb"listening on\S* tcp 127.0.0.1:(\d+)\r\n")
port = int(re.search(rb"tcp 127.0.0.1:(\d+)\r\n", shown).group(1))
a = socket.create_connection(("127.0.0.1", port))
b = socket.create_connection(("127.0.0.1", port))
a.send(b"hello\n")
until(b"client +address +thread +messages +since")
until(rb"1  127.0.0.1:%d +thread-1 +1" % a.getsockname()[1])
until(rb"2  127.0.0.1:%d +thread-2 +0" % b.getsockname()[1])
os.kill(pid, signal.SIGINT)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status)
"#;
    run_command(python(script, &[support::NETLAB, LAB, "127.0.0.1:0", "--color", "never"]), b"").succeeded();
}

/// A terminal with a screen as long as it takes: lines that the table has been
/// drawn over are not on it.
const TRACED_ON_A_TERMINAL: &str = r#"
import fcntl, os, pty, re, signal, socket, struct, sys, termios, threading
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 500, 0, 0))
output, more = b"", threading.Condition()
def read():
    global output
    got = b"-"
    while got:
        try: got = os.read(fd, 65536)
        except OSError: got = b""
        with more:
            output += got
            more.notify()
# A terminal takes what comes, or the program would wait for it.
reader = threading.Thread(target=read, daemon=True)
reader.start()
def until(pattern):
    with more:
        if not more.wait_for(lambda: re.search(pattern, output), 25):
            os.kill(pid, 9); sys.exit("not shown: %r in %r" % (pattern, output))
until(rb"listening on\S* tcp 127.0.0.1:(\d+)\r\n")
port = int(re.search(rb"tcp 127.0.0.1:(\d+)\r\n", output).group(1))
clients = []
for round in range(8):
    clients.append(socket.create_connection(("127.0.0.1", port)))
    clients[-1].settimeout(30)
    # Until the table has this client's row, which comes with a redrawing.
    until(rb"\n +%d  127.0.0.1:%d +thread-" % (len(clients), clients[-1].getsockname()[1]))
    for n, client in enumerate(clients):
        client.sendall(b"hello\n" * 3)
        got = b""
        while got.count(b"\n") < 3:
            got += client.recv(1024)
for client in clients:
    client.close()
os.kill(pid, signal.SIGINT)
reader.join()
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

# What a terminal makes of it.
rows, row, col = [""], 0, 0
for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", output.decode()):
    if part == "\r": col = 0
    elif part == "\n":
        row += 1
        if row == len(rows): rows.append("")
    elif part.startswith("\x1b["):
        count = int(re.sub(r"\D", "", part) or 1) if part[-1] in "AB" else 0
        if part[-1] == "A": row = max(0, row - count)
        elif part[-1] == "K": rows[row] = rows[row][:col] if part != "\x1b[2K" else ""
        elif part[-1] == "J": rows[row:] = [rows[row][:col]]
        elif part[-1] != "m": sys.exit("unknown to this terminal: %r" % part)
    else:
        line = rows[row].ljust(col)
        rows[row] = line[:col] + part + line[col + len(part):]
        col += len(part)
print("\n".join(rows))
sys.exit(status)
"#;

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn on_a_terminal_no_traced_call_is_drawn_over_by_the_table() {
    if !tool("python3") {
        return;
    }
    let line = [support::NETLAB, LAB, "127.0.0.1:0", "--trace", "--color", "never"];
    let run = run_command(python(TRACED_ON_A_TERMINAL, &line), b"").succeeded();
    let number = |line: &str| line.strip_prefix('#')?.split_once(' ')?.0.parse::<usize>().ok();
    let numbers: Vec<usize> = run.stdout.lines().filter_map(number).collect();
    // socket, setsockopt, bind, listen, getsockname; and for each of 8 clients
    // accept, recv, send, shutdown or close.
    assert!(numbers.len() > 5 + 8 * 4, "{run:?}");
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "each call, in order: {run:?}");
    let stray = run.stdout.lines().filter(|line| line.contains('#') && number(line).is_none());
    assert_eq!(stray.collect::<Vec<_>>(), Vec::<&str>::new(), "each on a line of its own");
    assert!(run.stdout.lines().any(|line| line.starts_with("served 8 clients")), "{run:?}");
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn nc_ncat_socat_and_python_without_a_newline_are_served() {
    let mut server = server();
    let (at, port) = (server.at_text(), server.addr().port().to_string());
    let others = [
        command("nc.openbsd", &["-N", "127.0.0.1", &port]),
        command("ncat", &["127.0.0.1", &port]),
        command("socat", &["-t30", "-", &format!("TCP:{at}")]),
    ];
    let mut client = 0;
    for other in others {
        if tool(other.get_program().to_str().unwrap()) {
            client += 1;
            let run = run_command(other, b"one\r\ntwo").succeeded();
            assert_eq!(run.stdout, format!("client {client}: one\r\nclient {client}: two"));
        }
    }
    if tool("python3") {
        let script = r#"
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for word in ("hello", "again"):
    s.send(word.encode())
    print(s.recv(1024).decode())
"#;
        let run = run_command(python(script, &[&port]), b"").succeeded();
        client += 1;
        assert_eq!(run.stdout, format!("client {client}: hello\nclient {client}: again\n"));
    }
    if client > 0 {
        server.event_where("closed", |event| event["client"] == client);
    }
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn netlabs_client_asks_a_server_in_python() {
    if !tool("python3") {
        return;
    }
    let script = r#"
import socket, threading
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1])
def serve(c):
    while data := c.recv(1024):
        c.sendall(b"client 7: I got " + data)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"#;
    let mut running = Running::start(python(script, &[]));
    let at = format!("127.0.0.1:{}", running.next_line().unwrap());
    for ending in ["lf", "none"] {
        let run = run([LAB, "client", &at, "hello", "again", "--line-ending", ending, "--json"]).succeeded();
        assert_eq!(run.event("summary")["received"], 2, "{run:?}");
        assert!(run.all("replied")[0]["text"].as_str().unwrap().starts_with("client 7: I got hello"), "{run:?}");
    }
}

#[test]
fn a_reply_that_neither_numbers_the_client_nor_contains_the_message_is_told_of_and_the_status_is_1() {
    let answers = [("hullo\n", 1), ("client 3: hello\n", 0), ("client 3: hi\n", 0), ("I got hello.\n", 0)];
    for (answer, code) in answers {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let served = std::thread::spawn(move || {
            let mut peer = Peer::accept(&listener);
            peer.expect(b"hello\n");
            peer.send(answer.as_bytes());
            peer.read_to_fin();
        });
        let run = run([LAB, "client", &at, "hello", "--json"]).ended(code);
        assert_eq!(run.all("replied").len(), 1, "{run:?}");
        assert_eq!(run.all("error").len(), code as usize, "{run:?}");
        if code == 1 {
            let told = run.event("error")["message"].as_str().unwrap().to_owned();
            assert!(told.starts_with(&format!("cannot receive from tcp {at}: ")), "{told}");
            assert!(told.contains("client"), "it says what was due: {told}");
        }
        served.join().unwrap();
    }
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn replies_without_a_line_end_are_received_one_after_the_other() {
    if !tool("python3") {
        return;
    }
    let script = r#"
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
print(s.getsockname()[1])
while True:
    c, _ = s.accept()
    while d := c.recv(1024):
        c.send(b"client 1: " + d.strip().upper())
    c.close()
"#;
    let mut running = Running::start(python(script, &[]));
    let at = format!("127.0.0.1:{}", running.next_line().unwrap());
    for ending in ["lf", "crlf", "none"] {
        let line = [LAB, "client", &at, "hello", "again", "--line-ending", ending, "--json", "--timeout", "25s"];
        let run = run(line).succeeded();
        let texts: Vec<Value> = run.all("replied").iter().map(|event| event["text"].clone()).collect();
        assert_eq!(texts, ["client 1: HELLO", "client 1: AGAIN"], "{ending}: {run:?}");
    }
}

#[test]
fn a_server_that_closes_early_is_told_of() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let mut peer = Peer::accept(&listener);
        peer.expect(b"hello\n");
        peer.half_close();
        peer.read_to_fin();
    });
    let run = run([LAB, "client", &addr.to_string(), "hello", "--json"]).ended(1);
    let expected = format!("cannot receive from tcp {addr}: the peer closed before its reply was whole");
    assert_eq!(run.event("error")["message"], expected);
    served.join().unwrap();
}

#[test]
fn the_demo_shows_a_sleeper_and_one_that_does_not_wait() {
    let run = run([LAB, "demo", "--json"]).succeeded();
    let replies: Vec<Value> = run.all("replied").iter().map(|event| event["text"].clone()).collect();
    assert!(replies[0].as_str().unwrap().ends_with(": hello\n"), "{run:?}");
    assert!(replies[1].as_str().unwrap().contains("slept"), "{run:?}");
}

//! One address grammar for every lab, and what is said where an address is
//! wrong, taken, forbidden, unknown or silent: three lines, and a status.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use support::peer::Peer;
use support::strace::Strace;
use support::{NETLAB, Run, Running, Server, command, netlab, refusing_port, run, run_command, skipped, tool};

const TCP: [&str; 4] = ["tcp-info", "tcp-echo", "mt-server", "capitalize-server"];
const UDP: [&str; 2] = ["udp-info", "udp-echo"];

fn proto(lab: &str) -> &'static str {
    if UDP.contains(&lab) { "udp" } else { "tcp" }
}

fn labs() -> impl Iterator<Item = &'static str> {
    TCP.into_iter().chain(UDP)
}

// What is understood

#[test]
fn port_zero_in_every_form_listens_where_the_form_says_and_prints_the_real_port() {
    let forms = [
        ("0", "127.0.0.1:"),
        (":0", "127.0.0.1:"),
        ("127.0.0.1:0", "127.0.0.1:"),
        ("0.0.0.0:0", "0.0.0.0:"),
        ("[::1]:0", "[::1]:"),
        ("[::]:0", "[::]:"),
        ("[::1%lo]:0", "[::1]:"),
    ];
    let known = if support::wine_lacks(support::V6_OF_INTERFACES) { forms.len() - 1 } else { forms.len() };
    for lab in labs() {
        for (form, prefix) in &forms[..known] {
            let server = Server::at(lab, form, &[]);
            let at = server.at_text();
            assert!(at.starts_with(*prefix), "{lab} {form}: {at}");
            assert_ne!(server.addr().port(), 0);
            let text = Running::start(netlab([lab, "server", form, "--for", "1ms"])).wait().succeeded().stdout;
            assert!(text.starts_with(&format!("listening on {} {prefix}", proto(lab))), "{lab} {form}: {text}");
        }
    }
}

#[test]
fn localhost_is_this_host() {
    for lab in labs() {
        let server = Server::at(lab, "localhost:0", &[]);
        assert!(server.addr().ip().is_loopback(), "{}", server.at_text());
    }
}

#[test]
fn a_host_alone_means_the_labs_own_port() {
    let ports = [
        ("tcp-info", 5001),
        ("udp-info", 5002),
        ("tcp-echo", 5003),
        ("udp-echo", 5004),
        ("mt-server", 5009),
        ("capitalize-server", 5605),
    ];
    for (lab, port) in ports {
        if proto(lab) == "udp" && support::wine_lacks(support::DATAGRAM_ADDRESSES) {
            continue;
        }
        // An address of this test's own, so that the port is free on it.
        let host = support::own_loopback().to_string();
        let server = Server::at(lab, &host, &[]);
        assert_eq!(server.at_text(), format!("{host}:{port}"));
        let messages: &[&str] = if lab.ends_with("info") { &[] } else { &["hello"] };
        run([&[lab, "client", &host], messages].concat()).succeeded();
    }
}

#[test]
fn a_client_takes_every_form_of_its_servers_address() {
    let server = Server::start("tcp-echo", &[]);
    let port = server.addr().port();
    let forms = [format!("{port}"), format!(":{port}"), format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    for form in &forms {
        let run = run(["tcp-echo", "client", form, "hello", "--json"]).succeeded();
        assert_eq!(run.event("connected")["peer"], server.at_text(), "{form}");
    }
    let server = Server::at("tcp-echo", "[::1]:0", &[]);
    let port = server.addr().port();
    for form in [format!("[::1]:{port}"), format!("[0:0::1]:{port}")] {
        run(["tcp-echo", "client", &form, "hello"]).succeeded();
    }
    if !support::wine_lacks(support::V6_OF_INTERFACES) {
        run(["tcp-echo", "client", &format!("[::1%lo]:{port}"), "hello"]).succeeded();
    }
}

#[test]
fn an_address_in_use_by_its_other_name_is_the_same_service() {
    // [::] serves IPv4 as well.
    let server = Server::at("tcp-echo", "[::]:0", &[]);
    run(["tcp-echo", "client", &server.addr().port().to_string(), "hello"]).succeeded();
    run(["tcp-echo", "client", &format!("[::1]:{}", server.addr().port()), "hello"]).succeeded();
}

#[test]
fn a_port_may_be_a_services_name() {
    for (service, port) in [("http", 80), ("echo", 7), ("https", 443), ("domain", 53)] {
        let host = support::own_loopback();
        let run = run(["tcp-echo", "client", &format!("{host}:{service}"), "hello"]).ended(1);
        support::check_error(&run.stderr, &format!("cannot connect to tcp {host}:{port}: connection refused"));
    }
}

// What is not

#[test]
fn a_wrong_address_is_a_usage_error_that_names_what_is_wrong() {
    let table = [
        ("99999", "99999"),
        ("127.0.0.1:65536", "65536"),
        (":99999", "99999"),
        ("[::1]:70000", "70000"),
        ("127.0.0.1:", "no port"),
        ("[::1]:", "no port"),
        ("[::1", "[::1"),
        ("[::1]5003", "[::1]5003"),
        ("[127.0.0.1]:80", "127.0.0.1"),
        ("1.2.3.256:80", "1.2.3.256"),
        ("01.2.3.4.5", "01.2.3.4.5"),
        ("::1:5003:zz", "::1:5003:zz"),
        ("two words:80", "two words"),
        ("a/b:80", "a/b"),
        ("localhost:no-such-service", "no-such-service"),
        ("localhost:-1", "-1"),
        ("[::1%]:80", "%"),
        ("", "empty"),
    ];
    for lab in labs() {
        for role in ["server", "client"] {
            for (wrong, named) in table {
                let run = run([lab, role, wrong]).ended(2);
                assert!(run.stderr.contains(named) && run.stderr.contains("[ADDR]"), "{lab} {role} {wrong:?}: {run:?}");
                assert_eq!(run.stdout, "");
            }
        }
    }
}

#[test]
fn an_interface_that_this_host_does_not_have_is_named() {
    let run = run(["tcp-echo", "server", "[fe80::1%nowhere0]:0"]);
    assert!([1, 2].contains(&run.code()), "{run:?}");
    assert!(run.stderr.contains("nowhere0"), "{run:?}");
    for lab in labs() {
        let run = support::run([lab, "client", "[fe80::1%nope]:5"]);
        assert!([1, 2].contains(&run.code()), "{lab}: {run:?}");
        let message = run.stderr.lines().next().unwrap();
        assert!(message.contains("nope") && message.contains("interface"), "{lab}: {run:?}");
        assert!(!message.contains("unknown name"), "{lab}: an address is no name: {run:?}");
    }
}

#[test]
fn an_address_of_one_link_without_a_zone_is_told_so() {
    for lab in labs() {
        for role in ["client", "server"] {
            let run = run([lab, role, "[fe80::1]:5"]).ended(1);
            let [why, next] = [1, 2].map(|line| run.stderr.lines().nth(line).unwrap().to_owned());
            assert!(why.contains("link"), "{lab} {role}: {run:?}");
            assert!(next.contains("[fe80::1%"), "it says where the zone goes: {lab} {role}: {run:?}");
        }
    }
}

#[test]
fn an_address_to_send_from_must_be_of_the_servers_ip_version() {
    for lab in labs() {
        let server = Server::start(lab, &[]);
        let run = run([lab, "client", &server.at_text(), "--bind", "[::1]:0"]).ended(1);
        assert!(run.stderr.contains("IP version") && run.stderr.contains("[::1]:0"), "{lab}: {run:?}");
        assert_eq!(run.stderr.lines().count(), 3, "{lab}: {run:?}");
        let server = Server::at(lab, "[::1]:0", &[]);
        let run = support::run([lab, "client", &server.at_text(), "--bind", "127.0.0.1"]).ended(1);
        assert!(run.stderr.contains("IP version"), "{lab}: {run:?}");
    }
}

#[test]
fn wrong_options_are_usage_errors_that_name_the_option() {
    let table: &[&[&str]] = &[
        &["tcp-echo", "server", "--for", "soon"],
        &["tcp-echo", "server", "--accept", "0"],
        &["tcp-echo", "server", "--accept=-1"],
        &["tcp-echo", "server", "--backlog", "many"],
        &["tcp-echo", "server", "--model", "magic"],
        &["tcp-echo", "client", "--timeout", "0s"],
        &["tcp-echo", "client", "--timeout", "5"],
        &["tcp-echo", "client", "--count", "0"],
        &["tcp-echo", "client", "--size=-5"],
        &["tcp-echo", "client", "--interval", "x"],
        &["tcp-echo", "client", "--bind", "127.0.0.1:99999"],
        &["tcp-echo", "client", "--line-ending", "lfcr"],
        &["udp-echo", "client", "--retries", "some"],
        &["udp-echo", "server", "--accept", "x"],
        &["tcp-echo", "server", "--color", "sometimes"],
        // Longer than any clock here can count.
        &["tcp-echo", "server", "--for", "500000000000y"],
        &["udp-echo", "server", "--for", "500000000000y"],
        &["mt-server", "client", "--timeout", "500000000000y"],
        &["udp-echo", "client", "--timeout", "500000000000y"],
        &["tcp-echo", "client", "--interval", "500000000000y"],
        &["udp-echo", "client", "--interval", "500000000000y"],
    ];
    for line in table {
        let run = run(*line).ended(2);
        let option = line[2].split('=').next().unwrap();
        assert!(run.stderr.contains(option), "{line:?}: {run:?}");
        assert!(!run.stderr.contains("panicked"), "{line:?}: {run:?}");
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn a_time_of_centuries_is_taken_or_refused_and_never_a_panic() {
    let server = Server::start("tcp-echo", &[]);
    let at = server.at_text();
    for time in ["500y", "292277026596y", "584000000000y", "18446744073709551615s", "99999999999999999999s"] {
        let lines: &[&[&str]] = &[
            &["tcp-echo", "client", &at, "hello", "--timeout", time],
            &["tcp-echo", "client", &at, "hello", "--interval", time],
            &["tcp-echo", "server", "127.0.0.1:0", "--accept", "1", "--for", time, "--no-such-option"],
        ];
        for line in lines {
            let run = run(*line);
            assert!([0, 2].contains(&run.code()) && !run.stderr.contains("panicked"), "{line:?}: {run:?}");
        }
    }
}

#[test]
fn a_wrong_count_or_time_is_told_what_a_right_one_is() {
    for lab in labs() {
        let run = run([lab, "server", "--accept", "0"]).ended(2);
        assert!(run.stderr.contains("1 or more"), "{lab}: {run:?}");
    }
    for line in
        [["tcp-echo", "server", "--for"], ["udp-echo", "client", "--timeout"], ["mt-server", "client", "--interval"]]
    {
        let run = run([&line[..], &["soon"]].concat()).ended(2);
        let examples = ["250ms", "500ms", "2s", "5s", "30s", "1m30s"];
        assert!(examples.iter().any(|example| run.stderr.contains(example)), "{line:?}: {run:?}");
    }
}

#[test]
#[cfg_attr(windows, ignore = "held against strace")]
fn nothing_is_opened_for_a_wrong_address() {
    let Some(strace) = Strace::new() else { return };
    for line in [
        &["tcp-echo", "server", "99999"][..],
        &["tcp-echo", "client", "127.0.0.1:99999", "x"],
        &["udp-echo", "client", "a b"],
    ] {
        run_command(strace.netlab(line), b"").ended(2);
        assert!(strace.calls().is_empty(), "{}", strace.raw());
        assert!(!strace.raw().contains("socket("), "{}", strace.raw());
    }
}

// What fails

/// The same failure in both forms: three lines on stderr, and with --json an
/// event besides; the same status.
#[track_caller]
fn fails(line: &[&str], message: &str) -> Run {
    fails_as(|args| netlab(args), line, message)
}

#[track_caller]
fn fails_as(command: impl Fn(&[&str]) -> Command, line: &[&str], message: &str) -> Run {
    let text = run_command(command(line), b"").ended(1);
    support::check_error(&text.stderr, message);
    let json = run_command(command(&[line, &["--json"]].concat()), b"").ended(1);
    let event = json.event("error");
    support::check_event(&event, line[0]);
    assert_eq!(event["message"], message);
    let (why, next) = (event["why"].as_str().unwrap(), event["try"].as_str().unwrap());
    assert_eq!(text.stderr, format!("error: {message}\n  why: {why}\n  try: {next}\n"));
    assert_eq!(json.stderr, text.stderr, "the text form goes to stderr as well");
    text
}

#[test]
fn refused() {
    let (_held, addr) = refusing_port();
    for lab in TCP {
        let run =
            fails(&[lab, "client", &addr.to_string()], &format!("cannot connect to tcp {addr}: connection refused"));
        assert!(run.stderr.contains("why: the host answered, and nothing listens on that port\n"), "{run:?}");
        assert!(run.stderr.ends_with(&format!("try: netlab {lab} server {addr}\n")), "{run:?}");
    }
}

#[test]
fn port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    for lab in TCP {
        let run = fails(&[lab, "server", &addr.to_string()], &format!("cannot listen on tcp {addr}: port in use"));
        assert!(run.stderr.contains("why: another program has this port"), "{run:?}");
    }
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    for lab in UDP {
        fails(&[lab, "server", &addr.to_string()], &format!("cannot listen on udp {addr}: port in use"));
    }
}

#[test]
fn two_servers_of_netlab_cannot_share_a_port() {
    for lab in labs() {
        let server = Server::start(lab, &[]);
        let at = server.at_text();
        fails(&[lab, "server", &at], &format!("cannot listen on {} {at}: port in use", proto(lab)));
    }
}

#[test]
fn not_an_address_of_this_host() {
    for lab in labs() {
        if proto(lab) == "udp" && support::wine_lacks(support::DATAGRAM_ADDRESSES) {
            continue;
        }
        let message = format!("cannot listen on {} 203.0.113.1:5000: not an address of this host", proto(lab));
        fails(&[lab, "server", "203.0.113.1:5000"], &message);
    }
    let server = Server::start("tcp-echo", &[]);
    let at = server.at_text();
    let run = run(["tcp-echo", "client", &at, "hello", "--bind", "203.0.113.1"]).ended(1);
    assert!(run.stderr.contains("203.0.113.1") && run.stderr.contains("not an address of this host"), "{run:?}");
}

/// A command line that runs its arguments without a network and without any
/// privilege, if that can be had here.
fn apart() -> Option<Vec<&'static str>> {
    let apart = ["unshare", "--user", "--net"];
    let works = |line: &[&str]| {
        let done = Command::new(line[0]).args(&line[1..]).arg("true").output();
        done.is_ok_and(|output| output.status.success())
    };
    works(&apart).then(|| apart.to_vec())
}

fn within(before: &[&str], args: &[&str]) -> Command {
    let mut line = before.to_vec();
    line.push(NETLAB);
    let mut command = command(line[0], &line[1..]);
    command.args(args).env("RES_OPTIONS", "timeout:1 attempts:1").env_remove("NO_COLOR");
    command
}

#[test]
#[cfg_attr(windows, ignore = "looks into /proc")]
fn no_permission() {
    let start = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    let is_root = run_command(command("id", &["-u"]), b"").stdout.trim() == "0";
    let before = match apart() {
        Some(before) => before,
        None if start.trim() == "0" => return skipped("every port is free to all here, and no namespace can be made"),
        None if is_root => vec!["setpriv", "--reuid=65534", "--clear-groups"],
        None => vec!["env"],
    };
    for lab in labs() {
        let message = format!("cannot listen on {} 0.0.0.0:80: permission denied", proto(lab));
        let run = fails_as(|args| within(&before, args), &[lab, "server", "0.0.0.0:80"], &message);
        assert!(run.stderr.contains("ports under 1024"), "{run:?}");
    }
}

#[test]
fn unknown_name() {
    // RFC 6761: .invalid is guaranteed to be no name. Without a network, no
    // name server is asked.
    let before = apart().unwrap_or_default();
    for lab in labs() {
        for role in ["client", "server"] {
            let message = "cannot find the address of nowhere.invalid: unknown name";
            fails_as(|args| within(&before, args), &[lab, role, "nowhere.invalid:5003"], message);
        }
    }
}

/// A server whose backlog is full, so that the system answers no further SYN;
/// and what keeps it so.
fn full_backlog() -> (SocketAddr, socket2::Socket, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(500)) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "a backlog of 0 took 100 connections");
    }
    (addr, socket, waiting)
}

#[test]
fn timed_out() {
    let (addr, _listener, _waiting) = full_backlog();
    for lab in TCP {
        let line = [lab, "client", &addr.to_string(), "--timeout", "300ms"];
        let run = fails(&line, &format!("cannot connect to tcp {addr}: timed out"));
        assert!(run.stderr.contains("no answer at all"), "{run:?}");
    }
}

/// Waits until some socket of this host has sent a SYN to `addr` and waits for
/// the answer.
#[cfg(target_os = "linux")]
fn await_syn_to(addr: SocketAddr) {
    const SYN_SENT: &str = "02";
    let SocketAddr::V4(v4) = addr else { panic!("{addr}") };
    let ip = u32::from_ne_bytes(v4.ip().octets());
    let remote = format!("{ip:08X}:{:04X}", v4.port());
    let deadline = std::time::Instant::now() + support::DEADLINE;
    loop {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut words = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        if words.any(|words| words[2] == remote && words[3] == SYN_SENT) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "nobody connects to {addr}");
        std::thread::sleep(Duration::from_millis(1)); // the kernel tells nobody
    }
}

// Not on Windows: when it connects is read from /proc.
#[cfg(target_os = "linux")]
#[test]
fn a_client_stopped_while_it_connects_ends_at_once_and_blames_nobody() {
    for lab in TCP {
        for (signal, more) in [("INT", &[][..]), ("TERM", &[]), ("INT", &["--json"]), ("INT", &["--trace"])] {
            let (addr, _listener, _waiting) = full_backlog();
            let at = addr.to_string();
            let line = [&[lab, "client", &at, "--timeout", "1h"], more].concat();
            let waiting = Running::start(netlab(&line));
            await_syn_to(addr);
            waiting.signal(signal);
            // Long before the timeout, since this is waited for only 30 s.
            let run = waiting.wait().ended(1);
            let from = run.stderr.find("error: ").unwrap_or_else(|| panic!("no error: {run:?}"));
            let error = &run.stderr[from..];
            for blame in ["RST", "peer", "refused", "timed out", "panicked"] {
                assert!(!error.contains(blame), "{lab} {signal} {more:?}: {blame}: {run:?}");
            }
            assert!(error.contains("stopped"), "{lab} {signal} {more:?}: {run:?}");
        }
    }
}

#[test]
#[cfg_attr(windows, ignore = "driven by a Unix shell")]
fn without_a_route_an_interface_is_no_advice() {
    let Some(before) = apart() else { return skipped("no network namespace can be made here") };
    // With lo down, and with lo up: there is no route to 10.1.2.3 in either.
    let up = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
    let is_up = tool("ip") && tool("unshare");
    for before in [Some(&before[..]), is_up.then_some(&up[..])].into_iter().flatten() {
        for lab in labs() {
            let line: &[&str] = if lab.ends_with("info") { &[] } else { &["hello"] };
            let run = run_command(within(before, &[&[lab, "client", "10.1.2.3:5"], line].concat()), b"").ended(1);
            assert!(run.stderr.starts_with("error: cannot "), "{lab}: {run:?}");
            assert!(run.stderr.contains("10.1.2.3:5"), "{lab}: {run:?}");
            assert!(!run.stderr.contains("--interface"), "{lab} has no such option: {run:?}");
        }
    }
}

#[test]
fn reset() {
    if support::wine_lacks(support::RESETS) {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        for _ in 0..2 {
            let mut peer = Peer::accept(&listener);
            peer.expect(b"hello\n");
            peer.reset();
        }
    });
    let message = format!("cannot receive from tcp {addr}: connection reset by the peer");
    let line = ["tcp-echo", "client", &addr.to_string(), "hello"];
    let text = run(line).ended(1);
    support::check_error(&text.stderr, &message);
    let json = run([&line[..], &["--json"]].concat()).ended(1);
    assert_eq!(json.event("error")["message"], message);
    served.join().unwrap();
}

// Names with several addresses

/// A name of two loopback addresses, and how netlab is started so that it has
/// them: with a private /etc/hosts, or as things are where localhost is one.
struct TwoAddresses {
    name: &'static str,
    hosts: Option<tempfile::TempDir>,
}

impl TwoAddresses {
    fn new() -> Option<TwoAddresses> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hosts"), "127.0.0.1 localhost\n127.0.0.1 several.test\n::1 several.test\n")
            .unwrap();
        let private = TwoAddresses { name: "several.test", hosts: Some(dir) };
        if cfg!(unix) && tool("unshare") && run_command(private.command("true", &[]), b"").status.success() {
            return Some(private);
        }
        let addrs = std::net::ToSocketAddrs::to_socket_addrs(&("localhost", 1)).unwrap();
        if addrs.map(|addr| addr.ip()).collect::<std::collections::BTreeSet<_>>().len() == 2 {
            return Some(TwoAddresses { name: "localhost", hosts: None });
        }
        skipped("no private /etc/hosts can be mounted here, and localhost has one address");
        None
    }

    fn netlab(&self, args: &[&str]) -> Command {
        self.command(NETLAB, args)
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let Some(dir) = &self.hosts else { return command(program, args) };
        let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
        let mut command = command("unshare", &["--user", "--map-root-user", "--mount", "sh", "-c", script]);
        command.arg(dir.path().join("hosts")).arg(program).args(args);
        command
    }
}

#[test]
fn an_error_names_every_address_of_a_name_that_was_tried() {
    if support::wine_lacks(support::SECOND_LOCALHOST) {
        return;
    }
    let Some(host) = TwoAddresses::new() else { return };
    let (_held, addr) = refusing_port();
    let name = format!("{}:{}", host.name, addr.port());
    let run = run_command(host.netlab(&["tcp-echo", "client", &name, "hello"]), b"").ended(1);
    for tried in [format!("127.0.0.1:{}", addr.port()), format!("[::1]:{}", addr.port()), name] {
        assert!(run.stderr.lines().next().unwrap().contains(&tried), "{tried}: {run:?}");
    }
    assert_eq!(run.stderr.lines().count(), 3, "{run:?}");
}

#[test]
fn the_addresses_of_a_name_are_tried_one_after_the_other() {
    if support::wine_lacks(support::SECOND_LOCALHOST) {
        return;
    }
    let Some(host) = TwoAddresses::new() else { return };
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let server = Server::at("tcp-echo", at, &[]);
        let name = format!("{}:{}", host.name, server.addr().port());
        let run = run_command(host.netlab(&["tcp-echo", "client", &name, "hello", "--json"]), b"").succeeded();
        assert_eq!(run.event("connected")["peer"], server.at_text());
    }
}

/// A port of 127.0.0.1 that refuses datagrams: its socket is connected elsewhere.
fn refusing_datagrams() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect("127.0.0.1:9").unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn a_datagram_refused_by_one_address_of_a_name_goes_to_the_next() {
    if support::wine_lacks("refusals of datagrams") {
        return;
    }
    let Some(host) = TwoAddresses::new() else { return };
    for lab in UDP {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let server = Server::at(lab, at, &[]);
            let name = format!("{}:{}", host.name, server.addr().port());
            let messages: &[&str] = if lab == "udp-echo" { &["hello", "again"] } else { &[] };
            let line = [&[lab, "client", &name, "--timeout", "20s", "--json"], messages].concat();
            let run = run_command(host.netlab(&line), b"").succeeded();
            let replied = run.all("replied");
            assert_eq!(replied.len(), messages.len().max(1), "{lab} {at}: {run:?}");
            assert_eq!(run.event("summary")["lost"], 0, "{lab} {at}: {run:?}");
            assert_eq!(run.event("summary")["received"], replied.len(), "{lab} {at}: {run:?}");
        }
    }
}

#[test]
fn datagrams_refused_by_every_address_of_a_name_are_an_error_that_names_them_all() {
    if support::wine_lacks("refusals of datagrams") {
        return;
    }
    let Some(host) = TwoAddresses::new() else { return };
    let (_held, port) = refusing_datagrams();
    for lab in UDP {
        let messages: &[&str] = if lab == "udp-echo" { &["hello"] } else { &[] };
        let name = format!("{}:{port}", host.name);
        let line = [&[lab, "client", &name, "--timeout", "20s"], messages].concat();
        let run = run_command(host.netlab(&line), b"").ended(1);
        let message = run.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        for tried in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
            assert!(message.contains(&tried), "{tried}: {run:?}");
        }
        assert!(message.contains("connection refused"), "{run:?}");
    }
}

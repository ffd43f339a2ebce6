//! `netlab compare`, driven from outside.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
#[cfg(target_os = "linux")]
use support::skipped;
use support::{Run, Running, netlab, run, run_command, tool};

/// The figures of a column, in the contract's order.
const FIGURES: [&str; 15] = [
    "sent",
    "received",
    "lost",
    "duplicate",
    "reordered",
    "late",
    "setup_us",
    "first_byte_us",
    "rtt_us",
    "throughput_bps",
    "calls",
    "packets",
    "wire_bytes",
    "retransmits",
    "drops",
];

fn compare(args: &str) -> Run {
    run(["compare"].into_iter().chain(args.split_whitespace()))
}

/// Its one object.
fn object(args: &str) -> Value {
    parsed(&compare(&format!("--json {args}")).succeeded())
}

fn parsed(run: &Run) -> Value {
    assert_eq!(run.stdout.lines().count(), 1, "one object: {run:#?}");
    serde_json::from_str(&run.stdout).unwrap()
}

#[track_caller]
fn assert_shape(object: &Value) {
    for name in ["count", "size", "interval_us", "seed"] {
        assert!(object["workload"][name].is_u64(), "workload.{name}: {object:#}");
    }
    assert!(object["workload"]["one_way"].is_boolean());
    for proto in ["tcp", "udp"] {
        let column = &object[proto];
        for name in FIGURES {
            let origin = column["origin"][name].as_str().unwrap_or_else(|| panic!("{proto}.origin.{name}"));
            assert!(["measured", "kernel", "link", "unavailable"].contains(&origin), "{proto}.{name}: {origin}");
            assert_eq!(column[name].is_null(), origin == "unavailable", "{proto}.{name}: {object:#}");
        }
        assert_eq!(column["origin"].as_object().unwrap().len(), FIGURES.len());
    }
    if object["link"].is_null() {
        assert!(object.get("log").is_none());
        return;
    }
    for proto in ["tcp", "udp"] {
        for direction in ["forward", "backward"] {
            let counts = &object["log"][proto][direction];
            for name in ["packets", "delivered", "lost", "duplicated", "reordered"] {
                assert!(counts[name].is_u64(), "log.{proto}.{direction}.{name}: {object:#}");
            }
            let [packets, delivered, lost] =
                ["packets", "delivered", "lost"].map(|name| counts[name].as_u64().unwrap());
            assert_eq!(packets, delivered + lost, "{proto} {direction}: {object:#}");
        }
    }
}

#[test]
fn over_loopback_every_message_comes_by_both() {
    let object = object("--count 50 --size 200");
    assert_shape(&object);
    for proto in ["tcp", "udp"] {
        let column = &object[proto];
        assert_eq!((&column["sent"], &column["received"], &column["lost"]), (&50.into(), &50.into(), &0.into()));
        let trips = ["min", "p50", "p99", "max"].map(|name| column["rtt_us"][name].as_u64().unwrap());
        assert!(trips.is_sorted(), "{trips:?}");
        assert_eq!(column["origin"]["rtt_us"], "measured");
    }
    if cfg!(target_os = "linux") {
        assert_eq!(object["tcp"]["origin"]["retransmits"], "kernel");
        assert_eq!(object["udp"]["origin"]["drops"], "kernel");
        assert!(object["tcp"]["kernel"]["cwnd"].as_u64() > Some(0));
    }
}

#[test]
fn one_way_the_receiver_counts_and_there_are_no_round_trips() {
    for pace in ["", "--interval 200us"] {
        let object = object(&format!("--one-way --count 300 --size 100 {pace}"));
        assert_shape(&object);
        assert_eq!(object["workload"]["one_way"], true);
        assert_eq!(object["tcp"]["received"], 300);
        assert!(object["tcp"]["rtt_us"].is_null() && object["udp"]["rtt_us"].is_null());
        let udp = ["sent", "received", "lost"].map(|name| object["udp"][name].as_u64().unwrap());
        assert_eq!(udp[0], udp[1] + udp[2]);
    }
}

#[test]
fn at_intervals_replies_are_not_waited_for() {
    let object = object("--count 30 --interval 1ms --size 50");
    assert_shape(&object);
    for proto in ["tcp", "udp"] {
        assert_eq!(object[proto]["received"], 30);
    }
    assert_eq!(object["workload"]["interval_us"], 1000);
}

#[test]
fn servers_elsewhere_are_asked_where_they_are() {
    let server = |lab: &str| {
        let mut server = Running::start(netlab([lab, "server", "0"]));
        let line = server.line_where(|line| line.starts_with("listening on"));
        (server, line.split(' ').next_back().unwrap().to_owned())
    };
    let ((_tcp, tcp), (_udp, udp)) = (server("tcp-echo"), server("udp-echo"));
    let object = object(&format!("--tcp {tcp} --udp {udp} --count 20"));
    assert_shape(&object);
    assert_eq!((&object["tcp"]["received"], &object["udp"]["received"]), (&20.into(), &20.into()));
}

#[test]
fn a_server_that_is_not_there_is_told_and_the_other_column_stands() {
    let mut server = Running::start(netlab(["udp-echo", "server", "0"]));
    let line = server.line_where(|line| line.starts_with("listening on"));
    let udp = line.split(' ').next_back().unwrap();
    let run = compare(&format!("--json --tcp 127.0.0.1:1 --udp {udp} --count 3")).ended(1);
    let object = parsed(&run);
    assert_shape(&object);
    assert_eq!((&object["tcp"]["received"], &object["udp"]["received"]), (&0.into(), &3.into()));
    assert!(run.stderr.contains("error: cannot connect to tcp 127.0.0.1:1: connection refused"), "{run:#?}");
    assert!(run.stderr.contains("try: netlab tcp-echo server 127.0.0.1:1"), "{run:#?}");
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let link = "--link sim --loss 5% --jitter 3ms --duplicate 2% --reorder 3% --rate 1mbit --seed 7";
    for form in ["", "--json", "--csv", "--quiet"] {
        let [first, again] = [(); 2].map(|()| compare(&format!("{link} {form}")).succeeded());
        assert_eq!(first.stdout, again.stdout, "{form}");
        assert!(first.stderr.is_empty(), "{first:#?}");
    }
    assert_ne!(
        compare(&format!("{link} --json")).stdout,
        compare(&format!("{} --json", link.replace("7", "8"))).stdout
    );
}

#[test]
fn a_seed_that_was_drawn_can_be_given() {
    let drawn = object("--link sim --loss 20%");
    let seed = drawn["workload"]["seed"].as_u64().unwrap();
    assert_eq!(object(&format!("--link sim --loss 20% --seed {seed}")), drawn);
}

#[test]
fn an_option_of_a_link_makes_a_simulated_one() {
    assert_eq!(object("--loss 0 --count 2")["link"]["kind"], "sim");
    assert!(object("--count 2 --seed 7")["link"].is_null());
}

/// A small generator, so that each link has its line in a failure's message.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

#[test]
fn the_books_of_200_links_are_the_links_own() {
    for seed in 1..=200 {
        let mut drawn = numbers(seed);
        let mut link = format!(
            "--link sim --one-way --count {} --interval {}us --loss {}% --duplicate {}% --reorder {}% --jitter {}ms --seed {seed}",
            1 + drawn(200),
            drawn(5_000),
            drawn(60),
            drawn(50),
            drawn(50),
            drawn(20),
        );
        if drawn(3) == 0 {
            link += &format!(" --rate {}kbit --queue {}", 100 + drawn(2_000), 1 + drawn(50));
        }
        let object = object(&link);
        let (udp, forward) = (&object["udp"], &object["log"]["udp"]["forward"]);
        for (book, log) in
            [("lost", "lost"), ("duplicate", "duplicated"), ("reordered", "reordered"), ("received", "delivered")]
        {
            assert_eq!(udp[book], forward[log], "{book}: netlab compare {link}");
        }
        assert_eq!((&object["tcp"]["received"], &object["tcp"]["lost"]), (&object["tcp"]["sent"], &0.into()), "{link}");
    }
}

#[test]
fn impossible_links_are_usage_errors_and_nothing_is_opened() {
    let impossible = [
        "--loss 150%",
        "--loss=-1%",
        "--loss 5",
        "--loss 5x",
        "--loss nan%",
        "--duplicate 101%",
        "--reorder 1e9%",
        "--rate 0",
        "--rate 0mbit",
        "--rate 1parsec",
        "--rate 1",
        "--delay 20",
        "--delay 20lightyears",
        "--delay 2h",
        "--jitter=-5ms",
        "--burst 0",
        "--loss 90% --burst 2",
        "--queue 0",
        "--mtu 10",
        "--mtu 70000",
        "--size 1473 --link sim",
        "--size 600 --mtu 600",
        "--size 0",
        "--count 0",
        "--size 65508",
        "--count 256 --size 1",
        "--timeout 0s",
        "--seed x",
        "--link cable",
        "--one-way --reply",
        "--tcp 127.0.0.1:1",
        "--tcp 127.0.0.1:1 --udp 127.0.0.1:1 --loss 5%",
        "--tcp 127.0.0.1:1 --udp 127.0.0.1:1 --ladder",
        "--tcp 127.0.0.1:1 --udp 127.0.0.1:1 --pcap never.pcap",
        "--ladder --csv",
        "--csv --json",
    ];
    for args in impossible {
        let run = compare(&format!("--trace {args}")).ended(2);
        assert!(!run.stderr.contains("socket("), "{args}: {run:#?}");
        assert!(run.stderr.starts_with("error: "), "{args}: {run:#?}");
    }
}

#[test]
fn a_link_that_loses_all_ends_in_a_clear_report() {
    let run = compare("--link sim --loss 100% --seed 7").ended(1);
    assert!(run.stdout.contains("Nothing came through"), "{run:#?}");
    assert!(run.stderr.starts_with("error: cannot connect to "), "{run:#?}");
    let object = parsed(&compare("--link sim --loss 100% --seed 7 --json").ended(1));
    assert_shape(&object);
    assert_eq!((&object["udp"]["lost"], &object["tcp"]["received"]), (&100.into(), &0.into()));
}

#[test]
fn lost_datagrams_are_a_result_and_no_failure() {
    let object = object("--link sim --loss 30% --seed 7");
    assert!(object["udp"]["lost"].as_u64() > Some(0));
}

#[test]
fn the_table_is_no_wider_than_80_columns() {
    for args in
        ["", "--link sim --loss 50% --jitter 5ms --duplicate 10% --rate 9600bit --seed 1234567890123", "--loss 100%"]
    {
        let run = compare(&format!("--color always {args}"));
        let plain = anstream_free(&run.stdout);
        for line in plain.lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
            assert_eq!(line.trim_end(), line);
        }
    }
}

/// The text without its colours.
fn anstream_free(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split('\x1b');
    plain += parts.next().unwrap_or_default();
    for part in parts {
        plain += part.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain
}

/// The ladder's lines of one protocol.
fn ladder<'a>(run: &'a Run, name: &str) -> Vec<&'a str> {
    let lines = run.stdout.lines().skip_while(|line| !line.starts_with(&format!("{name}: ")));
    lines.take_while(|line| !line.is_empty()).skip(2).collect()
}

#[test]
fn the_ladder_has_a_line_for_each_packet_and_copy() {
    let link = "--loss 20% --duplicate 20% --reorder 10% --jitter 5ms --count 20 --interval 3ms --seed 7";
    let run = compare(&format!("{link} --ladder")).succeeded();
    let object = object(&format!("{link} --ladder"));
    for (name, proto) in [("TCP", "tcp"), ("UDP", "udp")] {
        let (lines, packets) = (ladder(&run, name), object["packets"][proto].as_array().unwrap());
        let sum = |field: &str| -> u64 {
            ["forward", "backward"].iter().map(|way| object["log"][proto][*way][field].as_u64().unwrap()).sum()
        };
        let with = |part: &str| lines.iter().filter(|line| line.contains(part)).count() as u64;
        assert_eq!(packets.len() as u64, sum("packets"));
        assert_eq!(lines.len() as u64, sum("packets") + sum("duplicated"), "{run:#?}");
        assert_eq!((with("✗ lost") + with("lost ✗"), with("a copy")), (sum("lost"), sum("duplicated")), "{run:#?}");
        assert_eq!(with("overtaken"), sum("reordered"), "{run:#?}");
        let again: u64 = packets.iter().map(|packet| packet["again"].as_u64().unwrap()).sum();
        assert_eq!(object[proto]["retransmits"].as_u64(), Some(again));
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{run:#?}");
    }
}

#[test]
fn a_sweep_tries_each_share_of_losses() {
    let args = "--rate 1mbit --one-way --interval 9ms --size 1000 --count 200 --seed 7 --sweep loss=0,2%,20%";
    let object = object(args);
    let points = object["sweep"].as_array().unwrap();
    assert_eq!(points.iter().map(|point| point["loss"].as_f64().unwrap()).collect::<Vec<_>>(), [0.0, 0.02, 0.2]);
    let rate = |at: usize, proto: &str| points[at][proto]["throughput_bps"].as_u64().unwrap();
    assert!(rate(0, "tcp") > 4 * rate(2, "tcp"), "losses slow TCP down: {object:#}");
    assert!(rate(0, "udp") < 2 * rate(2, "udp"), "and UDP hardly: {object:#}");
    assert_eq!(compare(args).succeeded().stdout.lines().filter(|line| line.contains("kbit/s  ")).count(), 3 + 1);
    compare("--sweep loss=0,150%").ended(2);
    compare("--sweep delay=1ms").ended(2);
}

#[test]
fn a_csv_has_a_line_for_each_figure() {
    let run = compare("--link sim --loss 5% --seed 7 --csv").succeeded();
    let lines: Vec<Vec<&str>> = run.stdout.lines().map(|line| line.split(',').collect()).collect();
    assert!(lines.iter().all(|cells| cells.len() == 5), "{run:#?}");
    assert_eq!(lines[0], ["figure", "tcp", "tcp_origin", "udp", "udp_origin"]);
    assert_eq!(lines.len(), 1 + FIGURES.len() + 3);
}

/// Where tshark is, the packets it reads in a file: source, protocol, length
/// of the payload.
fn tshark(path: &Path, filter: &str) -> Option<Vec<Vec<String>>> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(path).args(["-Y", filter, "-T", "fields"]);
    for field in ["ip.src", "tcp.len", "udp.length", "tcp.seq_raw", "tcp.flags", "frame.time_epoch"] {
        command.args(["-e", field]);
    }
    if !tool("tshark") {
        return None;
    }
    let run = run_command(command, b"").succeeded();
    Some(run.stdout.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn wireshark_reads_what_arrived_and_what_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("link.pcap");
    let link =
        "--link sim --loss 10% --duplicate 5% --reorder 5% --jitter 4ms --one-way --interval 2ms --count 300 --seed 7";
    let object = object(&format!("{link} --pcap {}", path.display()));
    let lost_path = dir.path().join("link.lost.pcap");
    for proto in ["tcp", "udp"] {
        for (direction, source) in [("forward", "10.0.0.1"), ("backward", "10.0.0.2")] {
            let filter = format!("{proto} && ip.src == {source}");
            let (Some(arrived), Some(lost)) = (tshark(&path, &filter), tshark(&lost_path, &filter)) else { return };
            let counts = &object["log"][proto][direction];
            let count = |name: &str| counts[name].as_u64().unwrap() as usize;
            assert_eq!(arrived.len(), count("delivered") + count("duplicated"), "{proto} {direction}");
            assert_eq!(lost.len(), count("lost"), "{proto} {direction}");
        }
    }
    let checks = "ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || _ws.malformed";
    assert_eq!(tshark(&path, checks).unwrap().len(), 0, "every packet is sound");
    // Each lost segment of data was sent again: its bytes are in a packet that
    // arrived.
    let mut arrived: BTreeMap<u32, u32> = BTreeMap::new();
    for packet in tshark(&path, "tcp.len > 0 && ip.src == 10.0.0.1").unwrap() {
        let (seq, length): (u32, u32) = (packet[3].parse().unwrap(), packet[1].parse().unwrap());
        let kept = arrived.entry(seq).or_default();
        *kept = length.max(*kept);
    }
    for packet in tshark(&lost_path, "tcp.len > 0 && ip.src == 10.0.0.1").unwrap() {
        let seq: u32 = packet[3].parse().unwrap();
        let covered = arrived.range(..=seq).any(|(begins, length)| seq < begins + length);
        assert!(covered, "the byte {seq} was lost, and never came");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_told() {
    let run = compare("--link sim --pcap /nonexistent/link.pcap").ended(1);
    assert!(run.stderr.starts_with("error: cannot write /nonexistent/link.pcap: not found"), "{run:#?}");
}

#[test]
fn the_trace_shows_the_calls_that_are_counted() {
    let run = compare("--json --trace --count 5").succeeded();
    let object = parsed(&run);
    let lines: Vec<Value> = run.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // The client's sockets are those that connect; descriptors are used again.
    let of_the_client = |kind: &str| {
        let (mut client, mut calls) = (None, 0);
        for line in lines.iter().filter(|line| line["event"] == "call" && line["call"] != "getsockopt") {
            let args = line["args"].as_str().unwrap();
            let fd = args.split(',').next().unwrap().to_owned();
            if line["call"] == "socket" {
                let opened = args.ends_with(kind);
                client = opened.then(|| line["result"].to_string());
                calls = if opened { 1 } else { calls };
            } else if client.as_ref() == Some(&fd) {
                calls += 1;
                if line["call"] == "close" {
                    return calls;
                }
            }
        }
        calls
    };
    for (proto, kind) in [("tcp", "SOCK_STREAM"), ("udp", "SOCK_DGRAM")] {
        assert_eq!(object[proto]["calls"].as_u64(), Some(of_the_client(kind)), "{proto}");
    }
}

/// Over the system's own stack; `None` where it allows no namespace or device.
#[cfg(target_os = "linux")]
fn over_the_kernel(args: &str) -> Option<Run> {
    let run = compare(&format!("--link kernel {args}"));
    if run.code() == 2 {
        skipped(&run.stderr);
        return None;
    }
    Some(run)
}

// Not on Windows: network namespaces and TUN devices are Linux.
#[cfg(target_os = "linux")]
#[test]
fn over_the_kernel_the_books_are_the_links_own_and_tcp_brings_2_megabytes() {
    let link = "--loss 2% --duplicate 2% --reorder 2% --jitter 2ms --seed 7";
    let Some(run) = over_the_kernel(&format!("--json --one-way --count 2000 --size 1000 {link}")) else { return };
    let object = parsed(&run.succeeded());
    assert_shape(&object);
    let (tcp, udp, forward) = (&object["tcp"], &object["udp"], &object["log"]["udp"]["forward"]);
    for (book, log) in
        [("lost", "lost"), ("duplicate", "duplicated"), ("reordered", "reordered"), ("received", "delivered")]
    {
        assert_eq!(udp[book], forward[log], "{book}: {object:#}");
    }
    assert_eq!((&tcp["received"], &tcp["lost"]), (&2000.into(), &0.into()));
    assert_eq!(tcp["origin"]["retransmits"], "kernel");
    // The kernel was asked before the server's FIN and the last ACK, which the
    // link may lose as well.
    let (kernel, log) =
        (tcp["retransmits"].as_u64().unwrap(), object["log"]["tcp"]["again_in_packets"].as_u64().unwrap());
    assert!(kernel > 0 && kernel.abs_diff(log) <= 2, "{kernel} by TCP_INFO, {log} by the log: {object:#}");
}

// Not on Windows: network namespaces and TUN devices are Linux.
#[cfg(target_os = "linux")]
#[test]
fn the_same_seed_has_the_same_fates_for_both_stacks() {
    let args = "--one-way --interval 1ms --count 200 --loss 20% --seed 7";
    let Some(run) = over_the_kernel(&format!("--json {args}")) else { return };
    let (kernel, sim) = (parsed(&run.succeeded()), object(&format!("--link sim {args}")));
    assert_eq!(kernel["udp"]["lost"], sim["udp"]["lost"]);
    assert_eq!(kernel["log"]["udp"]["forward"]["lost"], sim["log"]["udp"]["forward"]["lost"]);
}

#[cfg(not(target_os = "linux"))]
#[test]
fn without_namespaces_the_systems_own_stack_is_a_usage_error() {
    let run = compare("--link kernel").ended(2);
    assert!(run.stderr.starts_with("error: cannot compare over --link kernel: "), "{run:#?}");
}

/// What a page shows of a command is what the command prints, to the byte:
/// over a simulated link it always does.
#[test]
fn the_handouts_transcripts_are_what_is_printed() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("labs/compare/README.md")).unwrap();
    let mut shown = 0;
    for block in page.split("```console\n").skip(1) {
        let transcript = block.split("\n```").next().unwrap();
        let (command, printed) = transcript.split_once('\n').unwrap();
        let args = command.strip_prefix("$ netlab compare ").unwrap();
        let run = compare(args).succeeded();
        assert_eq!(run.stdout.trim_end(), printed, "{command}");
        shown += 1;
    }
    assert!(shown > 3, "{shown} transcripts");
}

//! `netlab compare --link kernel`: the system's own TCP and UDP over the
//! emulated link. The product makes its namespaces itself; where it may not,
//! nothing can be tried here but that it says so.

#![allow(clippy::unwrap_used, reason = "a failure is the test's")]
// Not on Windows: network namespaces and TUN devices are Linux.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{NETLAB, Run, command, netlab, run, run_command, skipped, tool};

fn compare(args: &str) -> Command {
    netlab(["compare", "--link", "kernel", "--json"].into_iter().chain(args.split_whitespace()))
}

/// What came of it; `None` where this system has no such link for us.
#[track_caller]
fn tried(command: Command) -> Option<Run> {
    let run = run_command(command, b"");
    if run.code() == 2 {
        skipped(run.stderr.lines().next().unwrap_or_default());
        return None;
    }
    Some(run)
}

#[track_caller]
fn object(args: &str) -> Option<Value> {
    tried(compare(args)).map(|run| parsed(&run.succeeded()))
}

fn parsed(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:#?}"))
}

fn count(object: &Value, path: &str) -> u64 {
    object.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} is no count: {object:#}"))
}

#[test]
fn two_megabytes_arrive_whole_over_a_link_that_loses_two_percent() {
    let Some(object) = object("--loss 2% --one-way --size 1000 --count 2000 --rate 50mbit --seed 7") else { return };
    assert_eq!(object["link"]["kind"], "kernel");
    assert_eq!(count(&object, "/tcp/received"), 2000);
    assert_eq!(count(&object, "/tcp/lost"), 0);
    let (kernel, link) = (count(&object, "/tcp/retransmits"), count(&object, "/log/tcp/again_in_packets"));
    let lost = count(&object, "/log/tcp/forward/lost");
    assert!(lost > 0 && kernel > 0 && kernel <= link && link >= lost, "{kernel} {link} {lost}");
    let origins = [("retransmits", "kernel"), ("packets", "link"), ("wire_bytes", "link"), ("received", "measured")];
    for (figure, origin) in origins {
        assert_eq!(object["tcp"]["origin"][figure], origin, "{figure}");
    }
    let info = &object["tcp"]["kernel"];
    assert!(info["cwnd"].is_u64() && info["rto_us"].is_u64() && info["rtt_us"].as_u64() >= Some(20_000), "{info}");
}

#[test]
fn the_books_of_udp_are_the_links() {
    for seed in 1..=3 {
        let args = format!(
            "--loss 5% --duplicate 4% --reorder 4% --jitter 3ms --one-way --size 500 --count 400 --interval 500us \
             --seed {seed}"
        );
        let Some(object) = object(&args) else { return };
        let forward = "/log/udp/forward";
        assert_eq!(count(&object, "/udp/sent"), count(&object, &format!("{forward}/packets")), "{args}");
        for (books, log) in [("lost", "lost"), ("duplicate", "duplicated"), ("reordered", "reordered")] {
            let counted = count(&object, &format!("/udp/{books}"));
            let expected = count(&object, &format!("{forward}/{log}"));
            // A socket's full buffer would lose some too, and be told of.
            let drops = count(&object, "/udp/drops");
            assert!(counted == expected || drops > 0, "{books} {counted}, log {expected}, seed {seed}");
        }
    }
}

#[test]
fn the_same_seed_has_the_same_fates_as_in_virtual_time() {
    let args = "--loss 10% --one-way --count 300 --seed 9";
    let Some(kernel) = object(args) else { return };
    let sim = parsed(&run(["compare", "--json", "--link", "sim"].into_iter().chain(args.split(' '))).succeeded());
    assert_eq!(kernel["log"]["udp"], sim["log"]["udp"]);
}

#[test]
fn nothing_is_faster_than_the_link() {
    let Some(object) = object("--delay 20ms --jitter 5ms --count 10 --seed 2") else { return };
    for proto in ["tcp", "udp"] {
        assert!(count(&object, &format!("/{proto}/rtt_us/min")) >= 30_000, "{object:#}");
    }
    assert!(count(&object, "/tcp/setup_us") >= 30_000, "the handshake is a round trip");
    let line = self::object("--rate 2mbit --queue 1000 --one-way --size 1000 --count 200 --seed 2");
    for proto in ["tcp", "udp"] {
        let rate = count(line.as_ref().unwrap(), &format!("/{proto}/throughput_bps"));
        assert!(rate <= 2_000_000, "{proto} {rate}");
    }
}

#[test]
fn what_the_link_carries_are_packets_as_on_a_wire() {
    let Some(object) = object("--mtu 600 --one-way --size 500 --count 100 --ladder --seed 1") else { return };
    let packets = object["packets"]["tcp"].as_array().unwrap();
    let longest = packets.iter().map(|packet| packet["bytes"].as_u64().unwrap()).max();
    assert_eq!(longest, Some(600), "a segment fills the MTU, and none is longer");
    assert!(packets[0]["flags"] == "SYN" && packets[1]["flags"] == "SYN,ACK", "nothing comes before: {:#}", packets[0]);
    assert_eq!(object["packets"]["udp"].as_array().unwrap().len(), 100, "and nothing but the messages");
}

#[test]
fn a_link_that_loses_all_ends_in_a_report() {
    let Some(run) = tried(compare("--loss 100% --count 3 --timeout 100ms --delay 1ms")) else { return };
    assert_eq!(run.code(), 1, "{run:#?}");
    let object = parsed(&run);
    assert_eq!((count(&object, "/tcp/received"), count(&object, "/udp/received")), (0, 0));
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(lines[0].contains("timed out") && lines[1].contains("the link lost packet after packet"), "{run:#?}");
}

#[test]
fn a_capture_of_it_is_read_by_others() {
    if !tool("tshark") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("link.pcap");
    let Some(object) = object(&format!("--loss 10% --count 50 --seed 3 --pcap {}", path.display())) else { return };
    let delivered = |way: &str| count(&object, &format!("/log/{way}/delivered"));
    let expected = ["tcp/forward", "tcp/backward", "udp/forward", "udp/backward"].map(delivered).iter().sum::<u64>();
    // With every checksum looked at: the kernel left none to a device.
    let checked = ["-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let bad = "tcp.checksum.status == 0 || udp.checksum.status == 0 || ip.checksum.status == 0";
    assert_eq!(read_by_tshark(&path, &checked).lines().count() as u64, expected);
    assert_eq!(read_by_tshark(&path, &[&checked[..], &["-Y", bad]].concat()), "");
}

fn read_by_tshark(path: &Path, args: &[&str]) -> String {
    let read = [&["-r", path.to_str().unwrap()], args].concat();
    run_command(command("tshark", &read), b"").succeeded().stdout
}

#[test]
fn tracing_threads_do_not_keep_a_user_from_his_namespaces() {
    let args = ["compare", "--link", "kernel", "--count", "5", "--trace", "--json"];
    let Some(run) = as_nobody("666", &args).map(|command| run_command(command, b"")) else { return };
    if run.stderr.contains("no network namespace may be made here") {
        return skipped("users may have no namespaces here");
    }
    let object = parsed(&run.succeeded());
    assert_eq!(count(&object, "/tcp/received"), 5);
    assert_eq!(object["tcp"]["origin"]["retransmits"], "kernel");
}

#[test]
fn a_user_who_may_not_open_the_device_is_told() {
    let Some(command) = as_nobody("600", &["compare", "--link", "kernel"]) else { return };
    let run = run_command(command, b"");
    assert_eq!(run.code(), 2, "{run:#?}");
    assert!(run.stdout.is_empty(), "{run:#?}");
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{run:#?}");
    let allowed = lines[0] == "error: cannot compare over --link kernel, by /dev/net/tun: permission denied";
    assert!(allowed || lines[0].ends_with("no network namespace may be made here"), "{run:#?}");
    assert!(lines[2].starts_with("  try: sudo ") && lines[2].contains("--link sim"), "{run:#?}");
}

#[test]
fn who_may_have_no_namespace_is_told() {
    if !tool("unshare") || !tool("setpriv") {
        return;
    }
    // A user namespace in which there may be no further ones.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
                  exec setpriv --bounding-set=-all --inh-caps=-all \"$0\" compare --link kernel";
    let run = run_command(command("unshare", &["--user", "--map-root-user", "sh", "-c", script, NETLAB]), b"");
    if !run.stderr.contains("cannot compare") {
        return skipped(&format!("no such namespace can be made: {}", run.stderr));
    }
    assert_eq!(run.code(), 2, "{run:#?}");
    assert!(run.stderr.contains("no network namespace may be made here\n  why: ") && run.stdout.is_empty(), "{run:#?}");
}

/// As a user without rights, with a `/dev/net/tun` of this mode: here if we are
/// one, else in a mount namespace that root makes for it.
fn as_nobody(mode: &str, args: &[&str]) -> Option<Command> {
    if !tool("unshare") || !tool("setpriv") {
        return None;
    }
    // The binary by descriptor: the way to it may be closed to others.
    let script = "mode=$1; shift; mount -t tmpfs none /dev/net && mknod /dev/net/tun c 10 200 && \
                  chmod \"$mode\" /dev/net/tun && exec 9< \"$0\" && \
                  exec setpriv --reuid=65534 --regid=65534 --clear-groups -- /proc/self/fd/9 \"$@\"";
    let root = run_command(command("unshare", &["--mount", "mount", "-t", "tmpfs", "none", "/dev/net"]), b"");
    if root.code() != 0 {
        skipped("only root can play another user");
        return None;
    }
    Some(command("unshare", &[&["--mount", "sh", "-c", script, NETLAB, mode], args].concat()))
}

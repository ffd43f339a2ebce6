//! multicast, where time and aim matter.

use super::{folder, grade_in, has, nothing_was_tried, object, verdict};

/// Joins a second after it has bound, and hears of nothing that others joined:
/// so does Java, only faster.
const LATE_RECEIVER: &str = r#"
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.IPPROTO_IP, 49, 0)  # IP_MULTICAST_ALL
s.bind(("", int(sys.argv[2])))
time.sleep(1)
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4s", socket.inet_aton(sys.argv[1]), bytes(4)))
while True:
    print(s.recv(2000).decode(), flush=True)
"#;

/// Sends what is typed to the right group, and to a port of its own.
const SENDER_THAT_MISSES: &str = r#"
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for line in sys.stdin:
    s.sendto(line.encode(), (sys.argv[1], 4711))
"#;

#[test]
fn receivers_that_are_slow_to_join_are_waited_for_each() {
    if !has("python3") {
        return;
    }
    let dir = folder(&[("receiver.py", LATE_RECEIVER)]);
    let run = grade_in(dir.path(), &["multicast", "--server", "python3 receiver.py {group} {port}", "--json"]);
    if nothing_was_tried(&run) {
        return;
    }
    let graded = object(&run.ended(0));
    assert_eq!(graded["score"], graded["max_score"], "{graded:#}");
}

#[test]
fn a_sender_that_misses_is_told_where_it_sent_to() {
    if !has("python3") {
        return;
    }
    let dir = folder(&[("sender.py", SENDER_THAT_MISSES)]);
    let run = grade_in(dir.path(), &["multicast", "--client", "python3 sender.py {group} {port}", "--json"]);
    let graded = object(&run);
    if verdict(&graded, "multicast/sends-to-group") == "skip" {
        return;
    }
    let check = &graded["checks"][0];
    assert!(check["actual"].as_str().unwrap().contains("port 4711"), "{check:#}");
    assert!(check["hint"].as_str().unwrap().contains("another port"), "{check:#}");
}

//! Programs that mean harm, or do it: graded or reported, the grader unharmed,
//! nothing left running, nothing written but to copies.

use std::fs;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{ECHO, PATIENCE, folder, grader, has, object, run_within, running};

/// What became of a program.
struct Graded {
    check: Value,
    dir: TempDir,
}

impl Graded {
    /// Grades `program` as an echo server, and looks at what is left.
    fn echo(name: &str, program: &str, isolation: Option<&str>) -> Option<Graded> {
        if !has("python3") {
            return None;
        }
        let marker = format!("netlab_{name}_{}.py", std::process::id());
        let dir = folder(&[(marker.as_str(), program), ("precious", "x")]);
        let scratch = folder(&[]);
        let server = format!("python3 {marker} {{port}}");
        let mut command = grader(dir.path(), &["tcp-echo", "--server", &server, "--only", "echoes", "--json"]);
        command.env("TMPDIR", scratch.path());
        if let Some(isolation) = isolation {
            command.args(["--isolation", isolation]);
        }
        let run = run_within(PATIENCE, command, b"");
        assert!(run.code() < 2, "{run:#?}");
        let left = running(&marker);
        for dir in &left {
            let _ = Command::new("kill").arg("-KILL").arg(dir.file_name().unwrap()).status();
        }
        assert!(left.is_empty(), "{name} still runs");
        let left = fs::read_dir(scratch.path()).unwrap().flatten().map(|entry| entry.file_name());
        let left: Vec<_> = left.filter(|name| !name.to_string_lossy().starts_with("netlab-ports-")).collect();
        assert!(left.is_empty(), "{name} left {left:?}");
        let mut here: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        here.sort();
        assert_eq!(here, [marker.as_str(), "precious"], "{name} wrote to its folder");
        Some(Graded { check: object(&run)["checks"][0].clone(), dir })
    }

    #[track_caller]
    fn fails(&self, with: &str) {
        let text = format!("{} {}", self.check["actual"], self.check["hint"]);
        assert_eq!(self.check["verdict"], "fail", "{:#}", self.check);
        assert!(text.contains(with), "{:#}", self.check);
    }

    #[track_caller]
    fn passes(&self) {
        assert_eq!(self.check["verdict"], "pass", "{:#}", self.check);
        assert_eq!(fs::read(self.dir.path().join("precious")).unwrap(), b"x");
    }
}

#[test]
fn who_never_answers_fails() {
    let silent = ECHO.replace("c.sendall(data)", "pass");
    Graded::echo("silent", &silent, None).inspect(|graded| graded.fails("no answer"));
}

/// Some hundreds, not without end: the machine is used by others.
#[test]
fn who_forks_is_ended_with_all_it_has_forked() {
    let forks =
        "import os, time\nfor _ in range(400):\n    if os.fork() == 0:\n        time.sleep(3600)\ntime.sleep(3600)\n";
    Graded::echo("forks", forks, None).inspect(|graded| graded.fails("processes"));
}

#[test]
fn who_spins_fails() {
    let spins = ECHO.replace("c.sendall(data)", "\n            while True: pass");
    Graded::echo("spins", &spins, None).inspect(|graded| graded.fails("no answer"));
}

#[test]
fn who_fills_memory_is_ended() {
    let fills = format!("kept = [b'x' * (16 << 20) for _ in range(75)]\n{ECHO}");
    Graded::echo("memory", &fills, None).inspect(|graded| graded.fails("MiB of memory, and was ended"));
}

#[test]
fn who_fills_the_disk_fills_a_scratch_folder_that_has_an_end() {
    let fills = format!(
        "for n in range(12):\n    try:\n        with open(f'f{{n}}', 'wb') as f:\n            for _ in range(100): f.write(bytes(1 << 20))\n    except OSError:\n        break\nelse:\n    raise SystemExit('no end')\n{ECHO}"
    );
    Graded::echo("disk", &fills, Some("full")).inspect(Graded::passes);
}

#[test]
fn who_writes_one_long_file_is_stopped_at_any_isolation() {
    let fills = format!(
        "try:\n    with open('f', 'wb') as f:\n        for _ in range(300): f.write(bytes(1 << 20))\n    raise SystemExit('no end')\nexcept OSError:\n    pass\n{ECHO}"
    );
    Graded::echo("long", &fills, Some("none")).inspect(Graded::passes);
}

#[test]
fn who_prints_a_gigabyte_is_ended() {
    let prints = format!("import os\nfor _ in range(1024): os.write(1, b'x' * (1 << 20))\n{ECHO}");
    Graded::echo("prints", &prints, None).inspect(|graded| graded.fails("MiB, and was ended"));
}

#[test]
fn who_ignores_signals_and_goes_to_the_background_is_graded_and_gone_afterwards() {
    let daemon = format!(
        "import os, signal\n[signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n{ECHO}"
    );
    for isolation in [None, Some("none")] {
        Graded::echo("daemon", &daemon, isolation).inspect(Graded::passes);
    }
}

#[test]
fn who_listens_on_another_port_fails_and_is_told_which() {
    let elsewhere = ECHO.replace("int(sys.argv[1])", "int(sys.argv[1]) + 1");
    Graded::echo("port", &elsewhere, None).inspect(|graded| graded.fails("it opened port"));
}

#[test]
fn who_listens_by_udp_fails_and_is_told_so() {
    let udp = "import socket, sys\ns = socket.socket(type=socket.SOCK_DGRAM)\ns.bind(('127.0.0.1', int(sys.argv[1])))\nwhile True:\n    d, a = s.recvfrom(65536)\n    s.sendto(d, a)\n";
    Graded::echo("udp", udp, None).inspect(|graded| graded.fails("udp"));
}

#[test]
fn who_listens_by_ipv6_alone_passes() {
    let six = ECHO.replace("socket.socket()", "socket.socket(socket.AF_INET6)").replace("127.0.0.1", "::1");
    Graded::echo("six", &six, None).inspect(Graded::passes);
}

#[test]
fn who_needs_ten_seconds_to_start_passes() {
    let slow = format!("import time\ntime.sleep(10)\n{ECHO}");
    Graded::echo("slow", &slow, None).inspect(Graded::passes);
}

#[test]
fn who_deletes_its_folder_deletes_a_copy() {
    let deletes = format!("import os, shutil\nshutil.rmtree(os.getcwd())\n{ECHO}");
    for isolation in [None, Some("none")] {
        Graded::echo("deletes", &deletes, isolation).inspect(Graded::passes);
    }
}

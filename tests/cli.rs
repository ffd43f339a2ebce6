//! The command line itself: help, completions, manual pages, colours, quiet,
//! a closed standard output, signals to clients, and `netlab demo`.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use support::peer::Peer;
use support::{DEADLINE, NETLAB, Running, Server, netlab, python, refusing_port, run, run_command, skipped, tool};

const LABS: [&str; 9] = [
    "tcp-info",
    "udp-info",
    "tcp-echo",
    "udp-echo",
    "multicast",
    "broadcast",
    "mt-server",
    "capitalize-server",
    "chat",
];

/// Every command and subcommand, as the words after `netlab`, found by
/// walking through the help texts. The first one is `netlab` itself.
fn commands() -> Vec<Vec<String>> {
    let mut found = vec![vec![]];
    let mut at = 0;
    while at < found.len() {
        let path: Vec<String> = found[at].clone();
        at += 1;
        for name in subcommands(&help(&path)) {
            found.push([path.clone(), vec![name]].concat());
        }
    }
    found
}

fn help(path: &[String]) -> String {
    run(path.iter().map(String::as_str).chain(["--help"])).succeeded().stdout
}

/// The names under `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let entries =
        lines.take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = entries.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The lines under `Examples:`.
fn examples(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    lines.take_while(|line| line.starts_with("  ")).map(|line| line.trim().to_owned()).collect()
}

#[test]
#[cfg_attr(windows, ignore = "driven by a Unix shell")]
fn every_commands_help_has_two_examples_and_each_is_a_line_that_netlab_takes() {
    let commands = commands();
    assert!(commands.len() > 20, "the walk found {commands:?}");
    for path in commands {
        let help = help(&path);
        let examples = examples(&help);
        assert!(examples.len() >= 2, "{path:?} has {} examples:\n{help}", examples.len());
        for example in examples {
            let own = example.split(" netlab ").last().unwrap().trim_start_matches("netlab ");
            let words = own.split(['|', '<', '>', '&']).next().unwrap();
            // The help is asked for last, so all before it must be right.
            let mut command = Command::new("sh");
            command.args(["-c", &format!("exec \"$0\" {words} --help"), NETLAB]);
            let run = run_command(command, b"");
            assert_eq!(run.code(), 0, "{path:?}: {example:?} is refused: {run:?}");
        }
    }
}

#[test]
fn every_argument_is_explained() {
    for path in commands() {
        let help = help(&path);
        for (line, next) in help.lines().zip(help.lines().skip(1).chain([""])) {
            let is_option = line.trim_start().starts_with('-');
            let words = line.trim().split("  ").filter(|part| !part.is_empty()).count();
            assert!(!is_option || words >= 2 || next.starts_with("          "), "{path:?}: unexplained: {line:?}");
        }
    }
}

#[test]
fn all_commands_of_the_contract_are_there() {
    let commands: Vec<String> = commands().iter().map(|path| path.join(" ")).collect();
    let expected = [
        "tcp-info server",
        "tcp-info client",
        "tcp-info demo",
        "udp-info server",
        "udp-info client",
        "udp-info demo",
        "tcp-echo server",
        "tcp-echo client",
        "tcp-echo demo",
        "udp-echo server",
        "udp-echo client",
        "udp-echo demo",
        "multicast send",
        "multicast receive",
        "multicast demo",
        "broadcast send",
        "broadcast receive",
        "broadcast join",
        "broadcast demo",
        "mt-server server",
        "mt-server client",
        "mt-server demo",
        "capitalize-server server",
        "capitalize-server client",
        "capitalize-server demo",
        "demo",
        "completions",
        "man",
    ];
    let missing: Vec<&str> =
        expected.into_iter().filter(|name| !commands.iter().any(|command| command == name)).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn the_aliases_of_the_contract_work() {
    for line in [&["multicast", "recv"][..], &["broadcast", "recv"], &["capitalize"], &["capitalize", "client"]] {
        run([line, &["--help"]].concat()).succeeded();
    }
}

#[test]
fn usage_errors_exit_2_and_say_so_on_stderr() {
    let (_held, addr) = refusing_port();
    let addr = addr.to_string();
    let lines: &[&[&str]] = &[
        &[],
        &["no-such-lab"],
        &["tcp-echo"],
        &["tcp-echo", "serve"],
        &["tcp-echo", "server", "--no-such-option"],
        &["tcp-info", "client", &addr, "a message too many"],
        &["completions"],
        &["completions", "tcsh"],
        &["man"],
        &["demo", "tcp-echo"],
    ];
    for line in lines {
        let run = run(*line).ended(2);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{line:?}: {run:?}");
    }
}

#[test]
fn with_json_a_usage_error_is_one_error_event_and_the_text_on_stderr_too() {
    let (_held, addr) = refusing_port();
    let addr = addr.to_string();
    let lines: &[&[&str]] = &[
        &["no-such-lab"],
        &["tcp-echo", "serve"],
        &["tcp-echo", "server", "--no-such-option"],
        &["tcp-echo", "server", "99999"],
        &["tcp-echo", "server", "--accept", "0"],
        &["tcp-echo", "client", "--timeout", "soon"],
        &["tcp-info", "client", &addr, "a message too many"],
        &["multicast", "send", "127.0.0.1:5007", "x"],
        &["completions", "tcsh"],
    ];
    for line in lines {
        for line in [[line, &["--json"][..]].concat(), [&["--json"][..], line].concat()] {
            let run = run(&line).ended(2);
            assert_eq!(run.events().len(), 1, "{line:?}: {run:?}");
            let error = run.event("error");
            for field in ["message", "why", "try"] {
                assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {line:?}: {run:?}");
            }
            assert!(!run.stderr.is_empty(), "{line:?}: {run:?}");
        }
    }
}

#[test]
fn help_and_version_are_no_usage_errors_with_json() {
    for line in [["tcp-echo", "--help", "--json"], ["--json", "--version", "--color=never"]] {
        run(line).succeeded();
    }
}

#[test]
fn version_is_the_packages() {
    assert_eq!(run(["--version"]).succeeded().stdout, format!("netlab {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_are_there_for_each_shell_and_bash_loads_them() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = run(["completions", shell]).succeeded().stdout;
        for word in ["tcp-echo", "capitalize-server", "line-ending"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    if cfg!(unix) && tool("bash") {
        let script = run(["completions", "bash"]).succeeded().stdout;
        let mut bash = Command::new("bash");
        bash.arg("-n");
        assert_eq!(run_command(bash, script.as_bytes()).succeeded().stderr, "");
        // Loaded, it is asked for what `netlab tcp-e` may become.
        let asks = "COMP_WORDS=(netlab tcp-e); COMP_CWORD=1; _netlab netlab tcp-e netlab; echo \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-s"]);
        assert_eq!(run_command(bash, format!("{script}\n{asks}\n").as_bytes()).succeeded().stdout, "tcp-echo\n");
    }
}

#[test]
fn a_manual_page_is_written_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("made/man1");
    run(["man", into.to_str().unwrap()]).succeeded();
    for path in commands() {
        let name = ["netlab".to_owned()].into_iter().chain(path).collect::<Vec<_>>().join("-");
        let page =
            std::fs::read_to_string(into.join(format!("{name}.1"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(page.contains(".TH ") && page.contains("SYNOPSIS"), "{name}: {page}");
    }
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = run(["man", file.join("below").to_str().unwrap()]).ended(2);
    assert_eq!(refused.stderr.lines().count(), 3, "{refused:?}");
    assert!(refused.stderr.starts_with("error: cannot "), "{refused:?}");
}

// Not on Windows: the folder in which nobody may write is /proc.
#[cfg(target_os = "linux")]
#[test]
fn manual_pages_that_cannot_be_written_are_told_of_with_a_next_step_about_the_folder() {
    let refused = run(["man", "/proc/nope"]).ended(2);
    assert!(refused.stderr.starts_with("error: cannot write /proc/nope"), "{refused:?}");
    let next = refused.stderr.lines().last().unwrap();
    assert!(next.starts_with("  try: ") && next.contains("folder"), "{refused:?}");
}

// A closed standard output

/// The program with a standard output that is closed after its first line,
/// as by `| head -1`. `meanwhile` is given that line, once that is so. Its
/// standard error is read, or goes to /dev/null.
fn head(mut command: Command, reads_stderr: bool, meanwhile: impl FnOnce(&str)) -> support::Run {
    let stderr = if reads_stderr { Stdio::piped() } else { Stdio::null() };
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(stderr);
    let mut child = support::spawn(&mut command);
    let name = format!("{command:?}");
    drop(command); // and the writing end that it keeps
    let (sender, first) = channel();
    thread::spawn(move || {
        let (mut line, mut reader) = (String::new(), BufReader::new(reader));
        let _ = reader.read_line(&mut line);
        close(reader.into_inner(), writer);
        let _ = sender.send(line);
    });
    let stderr = child.stderr.take().map(|mut pipe| {
        thread::spawn(move || {
            let mut text = Vec::new();
            let _ = pipe.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    let line = first.recv_timeout(DEADLINE);
    if let Ok(line) = &line {
        meanwhile(line);
    }
    let status = support::wait(&mut child); // which ends it, should it hang
    let stdout = line.unwrap_or_else(|_| panic!("{name}: no first line within {DEADLINE:?}"));
    let stderr = stderr.map(|reader| reader.join().unwrap()).unwrap_or_default();
    support::Run { status, bytes: vec![], stdout, stderr }
}

/// Ended as a command does whose output nobody wants any more.
#[track_caller]
fn ended_quietly(line: &[&str], run: support::Run) {
    assert!(!run.stdout.is_empty(), "{line:?}: no first line: {run:?}");
    assert!(!run.stderr.contains("panicked"), "{line:?}: {run:?}");
    assert!(!run.stderr.lines().any(|line| line.starts_with("error:")), "{line:?}: {run:?}");
    assert_eq!(run.code(), 0, "{line:?}: {run:?}");
}

#[test]
fn a_demo_whose_output_is_closed_after_one_line_ends_quietly() {
    thread::scope(|scope| {
        for lab in LABS {
            scope.spawn(move || {
                for line in [&[lab, "demo"][..], &[lab, "demo", "--json"], &[lab, "demo", "--trace"]] {
                    for reads_stderr in [true, false] {
                        ended_quietly(line, head(netlab(line), reads_stderr, |_| {}));
                    }
                }
            });
        }
    });
    for reads_stderr in [true, false] {
        ended_quietly(&["demo"], head(netlab(["demo"]), reads_stderr, |_| {}));
    }
}

/// The server's address in its ready line, of either form.
fn addr_in(ready: &str) -> SocketAddr {
    let from = ready.find("127.0.0.1:").unwrap_or_else(|| panic!("no address in {ready:?}"));
    ready[from..].split(['"', '\n']).next().unwrap().parse().unwrap()
}

#[test]
fn a_traced_server_whose_output_is_closed_after_its_ready_line_ends_quietly_at_its_next_client() {
    let tcp = |lab: &'static str| ["iterative", "threads", "pool", "events"].map(|model| (lab, vec!["--model", model]));
    let tcp = ["tcp-info", "tcp-echo", "mt-server", "capitalize-server"].into_iter().flat_map(tcp);
    for (lab, more) in tcp.chain([("udp-info", vec![]), ("udp-echo", vec![])]) {
        for (form, reads_stderr) in [(&[][..], true), (&[], false), (&["--json"], true)] {
            let line = [&[lab, "server", "127.0.0.1:0", "--trace"], &more[..], form].concat();
            let run = head(netlab(&line), reads_stderr, |ready| {
                let addr = addr_in(ready);
                if lab.starts_with("udp") {
                    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"hello", addr).unwrap();
                    return;
                }
                // It may end at any moment from here on.
                let mut client = TcpStream::connect(addr).unwrap();
                client.set_read_timeout(Some(DEADLINE)).unwrap();
                let _ = client.write_all(b"hello\n");
                let _ = client.read_to_end(&mut Vec::new());
            });
            ended_quietly(&line, run);
        }
    }
}

#[test]
fn a_traced_client_whose_output_is_closed_after_one_line_ends_quietly() {
    for lab in ["tcp-info", "udp-info", "tcp-echo", "udp-echo", "mt-server", "capitalize-server"] {
        let server = Server::start(lab, &["-q"]);
        let at = server.at_text();
        for (form, reads_stderr) in [(&[][..], true), (&[], false), (&["--json"], true)] {
            let line = [&[lab, "client", &at, "--count", "1000000", "--trace"], form].concat();
            ended_quietly(&line, head(netlab(&line), reads_stderr, |_| {}));
        }
    }
}

// Not on Windows: the output is /dev/full.
#[cfg(target_os = "linux")]
#[test]
fn an_output_that_takes_nothing_is_an_error_and_exit_1() {
    let server = Server::start("tcp-echo", &[]);
    let at = server.at_text();
    let lines: &[&[&str]] = &[
        &["tcp-echo", "server", "127.0.0.1:0", "--for", "10m"],
        &["tcp-echo", "server", "127.0.0.1:0", "--for", "10m", "--json"],
        &["tcp-echo", "client", &at, "hello"],
        &["tcp-echo", "client", &at, "hello", "--json"],
        &["tcp-echo", "client", &at, "--count", "1000000"],
        &["tcp-echo", "demo"],
        &["udp-echo", "demo", "--json"],
        &["demo"],
        &["completions", "bash"],
        &["--version"],
    ];
    for line in lines {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = netlab(*line);
        command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
        let mut child = support::spawn(&mut command);
        let mut pipe = child.stderr.take().unwrap();
        let reader = thread::spawn(move || {
            let mut text = Vec::new();
            pipe.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
        });
        let status = support::wait(&mut child);
        let stderr = reader.join().unwrap().unwrap();
        assert!(stderr.contains("error:") && !stderr.contains("panicked"), "{line:?}: {stderr}");
        assert_eq!(status.code(), Some(1), "{line:?}: {stderr}");
    }
}

/// Nobody reads this pipe any more. A program that another test starts just
/// now has a copy of every descriptor, from its fork(2) to its execve(2).
fn close(reader: PipeReader, mut writer: PipeWriter) {
    drop(reader);
    while writer.write(b"\n").is_ok() {}
}

/// The program with a standard output that nobody reads any more.
fn unread(mut command: Command) -> support::Run {
    let (reader, writer) = std::io::pipe().unwrap();
    close(reader, writer.try_clone().unwrap());
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let mut child = support::spawn(&mut command);
    drop(command); // and the writing end that it keeps
    let status = support::wait(&mut child);
    let output = child.wait_with_output().unwrap();
    support::Run {
        status,
        bytes: vec![],
        stdout: String::new(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_closed_standard_output_ends_every_command_quietly() {
    let server = Server::start("tcp-echo", &[]);
    let datagrams = Server::start("udp-echo", &[]);
    let (tcp, udp) = (server.at_text(), datagrams.at_text());
    let lines: &[&[&str]] = &[
        &["--help"],
        &["tcp-echo", "client", "--help"],
        &["--version"],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["completions", "fish"],
        &["completions", "powershell"],
        &["tcp-echo", "server", "127.0.0.1:0"],
        &["tcp-echo", "server", "127.0.0.1:0", "--json"],
        &["mt-server", "127.0.0.1:0", "--model", "iterative"],
        &["udp-info", "server", "127.0.0.1:0"],
        &["tcp-echo", "client", &tcp, "--count", "1000000"],
        &["tcp-echo", "client", &tcp, "--count", "1000000", "--json"],
        &["udp-echo", "client", &udp, "--count", "1000000", "--json"],
        &["tcp-echo", "demo"],
        &["tcp-echo", "demo", "--json"],
        &["demo"],
        &["demo", "--json"],
    ];
    for line in lines {
        let run = unread(netlab(*line));
        assert!(!run.stderr.contains("panicked"), "{line:?}: {run:?}");
        assert!(!run.stderr.lines().any(|line| line.starts_with("error")), "{line:?}: {run:?}");
        assert_eq!(run.code(), 0, "{line:?}: {run:?}");
    }
}

#[test]
#[cfg_attr(windows, ignore = "driven by a Unix shell")]
fn head_takes_one_line_and_the_server_before_it_ends() {
    let script = "\"$0\" tcp-echo server 127.0.0.1:0 --json --for 10m | { read -r line; echo \"$line\"; \
                  port=${line##*127.0.0.1:}; port=${port%%\\\"*}; exec 0<&-; \"$1\" tcp-echo client \"127.0.0.1:$port\" x y z; }";
    let mut bash = Command::new("bash");
    bash.args(["-o", "pipefail", "-c", script, NETLAB, NETLAB]);
    let run = run_command(bash, b"");
    assert!(!run.stderr.contains("panicked"), "{run:?}");
    assert!(run.stdout.contains("\"listening\""), "{run:?}");
}

// Colours, quiet

const ESCAPE: char = '\x1b';

#[test]
fn colours_are_there_always_never_or_on_a_terminal() {
    let server = Server::start("tcp-echo", &[]);
    let at = server.at_text();
    let line = |when: &'static str| vec!["tcp-echo", "client", &*at, "hello", "--trace", "--color", when];
    let always = run(line("always")).succeeded();
    assert!(always.stderr.contains(ESCAPE), "{always:?}");
    let ready = run(["tcp-echo", "server", "127.0.0.1:0", "--for", "1ms", "--color", "always"]).succeeded();
    assert!(ready.stdout.contains(ESCAPE), "{ready:?}");
    for when in ["never", "auto"] {
        let run = run(line(when)).succeeded();
        assert!(!run.stdout.contains(ESCAPE) && !run.stderr.contains(ESCAPE), "{when}, into a pipe: {run:?}");
    }
    // Asked for by name, colours are there whatever the environment says.
    let mut command = netlab(line("always"));
    command.env("NO_COLOR", "1");
    assert!(run_command(command, b"").succeeded().stderr.contains(ESCAPE));
}

#[test]
fn json_has_no_colours() {
    let run = run(["tcp-echo", "server", "127.0.0.1:0", "--for", "1ms", "--json", "--trace", "--color", "always"])
        .succeeded();
    assert!(!run.stdout.contains(ESCAPE) && !run.stderr.contains(ESCAPE), "{run:?}");
}

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn on_a_terminal_auto_is_colourful_unless_no_color_is_set() {
    if !tool("python3") {
        return;
    }
    let script = "import pty, sys, os; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let line = [NETLAB, "tcp-echo", "server", "127.0.0.1:0", "--for", "1ms"];
    for (no_color, colourful) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let mut command = python(script, &line);
        command.env_remove("NO_COLOR").env("TERM", "xterm");
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        let run = run_command(command, b"").succeeded();
        assert_eq!(run.stdout.contains(ESCAPE), colourful, "NO_COLOR {no_color:?}: {run:?}");
    }
}

#[test]
fn quiet_leaves_only_errors_and_the_summary_of_a_client() {
    let server = Server::start("tcp-echo", &[]);
    let run = run(["tcp-echo", "client", &server.at_text(), "hello", "-q"]).succeeded();
    assert!(run.stdout.starts_with("1 sent, 1 answered, 0 unanswered"), "{run:?}");
    let run = support::run(["tcp-echo", "client", &server.at_text(), "hello", "--quiet", "--json"]).succeeded();
    assert_eq!(run.events().len(), 1, "{run:?}");
    let (_held, addr) = refusing_port();
    let run = support::run(["tcp-echo", "client", &addr.to_string(), "hello", "-q"]).ended(1);
    assert_eq!(run.stderr.lines().count(), 3, "{run:?}");
}

#[test]
fn global_options_may_stand_before_the_command() {
    let run = run(["--json", "tcp-echo", "server", "127.0.0.1:0", "--for", "1ms"]).succeeded();
    assert_eq!(run.events()[0]["event"], "listening");
}

// Signals to clients

#[test]
fn a_client_that_waits_for_input_or_a_reply_is_ended_by_sigterm_and_ctrl_c() {
    let mut server = Server::start("mt-server", &[]);
    let at = server.at_text();
    for (client, signal) in (1..).zip(["TERM", "INT"]) {
        let mut waiting = Running::start_on(b"", netlab(["mt-server", "client", &at, "--json"]));
        waiting.line_where(|line| line.contains("\"connected\""));
        waiting.signal(signal);
        let run = waiting.wait();
        assert!(run.status.code().is_some(), "{run:?}");
        assert_eq!(run.events().last().unwrap()["event"], "summary", "{run:?}");
        server.event_where("closed", |event| event["client"] == client);
    }
    let mut waiting = Running::start(netlab(["mt-server", "client", &at, "SLEEP 10m", "--json", "--timeout", "1h"]));
    waiting.line_where(|line| line.contains("\"sent\""));
    server.event_where("received", |event| event["client"] == 3);
    waiting.signal("TERM");
    let run = waiting.wait();
    assert_eq!(run.events().last().unwrap()["event"], "summary", "{run:?}");
}

#[test]
#[cfg_attr(windows, ignore = "Windows has no such signals")]
fn sighup_stops_a_server_in_order_too() {
    let server = Server::start("tcp-echo", &[]);
    let mut peer = Peer::connect(server.addr());
    peer.send(b"x");
    peer.expect(b"x");
    server.running.signal("HUP");
    assert_eq!(peer.read_to_fin(), b"");
    server.wait().succeeded();
}

/// A mask of signals that the kernel tells of a process: `SigCgt`, those it
/// has a handler for; `ShdPnd`, those it has yet to be told of.
#[cfg(target_os = "linux")]
fn has_signal(process: u32, mask: &str, signal: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let hex = status.lines().find_map(|line| line.strip_prefix(mask)?.strip_prefix(":\t")).unwrap();
    u64::from_str_radix(hex, 16).unwrap() & (1 << (signal - 1)) != 0
}

// Not on Windows: when a signal has come is read from /proc.
#[cfg(target_os = "linux")]
#[test]
fn a_second_ctrl_c_ends_a_server_at_once_with_130() {
    const SIGINT: u32 = 2;
    let until = |happened: &dyn Fn() -> bool| {
        let deadline = std::time::Instant::now() + support::DEADLINE;
        while !happened() {
            assert!(std::time::Instant::now() < deadline, "it did not come to that");
            std::thread::yield_now(); // a signal's arrival cannot be waited for
        }
    };
    let servers: &[&[&str]] = &[
        &["tcp-echo", "server", "127.0.0.1:0", "--model", "iterative"],
        &["tcp-echo", "server", "127.0.0.1:0", "--model", "events"],
        &["mt-server", "127.0.0.1:0"],
        &["udp-echo", "server", "127.0.0.1:0"],
    ];
    for line in servers {
        // Its standard output is full, so it cannot end in order: the ready
        // line, already, waits for a reader.
        let (_reader, mut writer) = std::io::pipe().unwrap();
        let full = writer.try_clone().unwrap();
        std::thread::spawn(move || drop(std::io::Write::write_all(&mut writer, &[b' '; 64 * 1024])));
        let mut command = netlab(*line);
        command.stdin(Stdio::null()).stdout(full).stderr(Stdio::null());
        let mut child = support::spawn(&mut command);
        let id = child.id();
        let interrupt =
            || assert!(Command::new("kill").args(["-s", "INT", &id.to_string()]).status().unwrap().success());
        until(&|| has_signal(id, "SigCgt", SIGINT));
        interrupt();
        // Two that are pending at once would be one.
        until(&|| !has_signal(id, "ShdPnd", SIGINT));
        interrupt();
        assert_eq!(support::wait(&mut child).code(), Some(130), "{line:?}");
    }
}

// netlab demo

#[test]
fn demo_shows_every_lab_in_one_line_each() {
    let text = run(["demo"]).succeeded();
    for lab in LABS {
        let lines: Vec<&str> = text.stdout.lines().filter(|line| line.contains(lab)).collect();
        assert!(lines.len() == 1 && lines[0].starts_with("ok"), "{lab}: {text:?}");
    }
    let json = run(["demo", "--json"]).succeeded();
    let shown: Vec<_> = json.all("shown").iter().map(|event| event["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(shown, LABS);
    assert!(json.all("shown").iter().all(|event| event["ok"] == true), "{json:?}");
    assert_eq!(json.events().last().unwrap()["event"], "summary");
    assert_eq!(json.event("summary")["failed"], 0);
}

#[test]
fn the_last_event_of_every_demo_is_its_summary() {
    thread::scope(|scope| {
        for lab in LABS {
            scope.spawn(move || {
                let run = run([lab, "demo", "--json"]).succeeded();
                assert_eq!(run.events().last().unwrap()["event"], "summary", "{lab}: {run:?}");
            });
        }
    });
}

/// How long a demo that cannot go on may take to say so. Ten seconds are what
/// it would wait for an end that never gets ready.
const FAILS_WITHIN: Duration = Duration::from_secs(8);

#[test]
#[cfg_attr(windows, ignore = "drives programs of Unix")]
fn a_demo_that_cannot_be_played_ends_soon_with_exit_1() {
    // A host without any network, not even its own loopback interface.
    let apart = |args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net"]).args(args);
        command
    };
    if !tool("unshare") {
        return;
    }
    if !run_command(apart(&["true"]), b"").status.success() {
        return skipped("this system does not allow network namespaces");
    }
    let failing = |words: &[&str], within: Duration| {
        for more in [&[][..], &["--json"]] {
            let started = Instant::now();
            let run = run_command(apart(&[&[NETLAB][..], words, more].concat()), b"").ended(1);
            let took = started.elapsed();
            assert!(took < within, "{words:?}: {took:?}: {run:?}");
            assert!(!run.stderr.contains("panicked"), "{words:?}: {run:?}");
        }
    };
    for lab in LABS {
        failing(&[lab, "demo"], FAILS_WITHIN);
    }
    failing(&["demo"], DEADLINE);
}

#[cfg(not(target_os = "linux"))]
#[test]
fn elsewhere_than_on_linux_the_grader_says_what_it_needs_and_where_it_runs() {
    for args in [&["grade"][..], &["grade", "tcp-echo", "--server", "x {port}"], &["grade", "--list"]] {
        let run = run(args).ended(2);
        assert!(run.stderr.contains("the grader needs Linux") && run.stderr.contains("WSL"), "{run:#?}");
    }
}

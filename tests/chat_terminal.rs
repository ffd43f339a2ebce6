//! The chat's client on a terminal, as a person has it before them.

// Not on Windows: its terminals are pseudo-terminals of Unix.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failure of the set-up is the test's")]

mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::net::TcpListener;

use sha2::{Digest, Sha256};
use support::netlab;
use support::peer::Peer;
use terminal::Terminal;

const WELCOME: &[u8] = b"* netlab chat 1: /name NAME brings you in, /help lists the commands\n";

/// alice at her terminal, and the server she talks with.
struct Talk {
    terminal: Terminal,
    peer: Peer,
    dir: tempfile::TempDir,
}

fn start(args: &[&str], envs: &[(&str, &str)]) -> Talk {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let mut command = netlab([&["chat", "client", "alice", &addr], args].concat());
    command.current_dir(dir.path()).env("XDG_STATE_HOME", dir.path()).envs(envs.iter().copied());
    let terminal = Terminal::start(&command);
    Talk { terminal, peer: Peer::accept(&listener), dir }
}

/// alice has come in, and may type.
fn talk() -> Talk {
    talk_with(&[], &[])
}

fn talk_with(args: &[&str], envs: &[(&str, &str)]) -> Talk {
    let mut talk = start(args, envs);
    talk.peer.send(WELCOME);
    talk.peer.expect(b"/name alice\n");
    talk.peer.send(b"* alice has joined\n");
    talk.terminal.wait_for_last(">");
    talk
}

impl Talk {
    fn leave(mut self, code: i32) -> String {
        self.peer.expect(b"/quit\n");
        self.peer.send(b"* goodbye\n");
        self.peer.half_close();
        assert_eq!(self.terminal.wait().code(), Some(code));
        assert!(self.terminal.is_as_before());
        self.terminal.bytes()
    }
}

#[test]
fn what_is_being_typed_stays_when_others_speak() {
    let mut talk = talk();
    talk.terminal.type_in("hello bo");
    talk.terminal.wait_for_last("> hello bo");
    talk.peer.send(b"<bob> hi alice\n<bob -> alice> psst\n");
    let screen = talk.terminal.wait_for("<bob -> alice> psst");
    assert!(screen.contains("<bob> hi alice\n"), "{screen}");
    talk.terminal.wait_for_last("> hello bo");
    talk.terminal.type_in("b\r");
    talk.peer.expect(b"hello bob\n");
    talk.terminal.wait_for(" > hello bob\n"); // what was said stays to be seen
    talk.terminal.wait_for_last(">");
    talk.terminal.type_in("\x04");
    talk.leave(0);
}

#[test]
fn a_line_feed_is_enter_for_programs_that_type() {
    let mut talk = talk();
    talk.terminal.type_in("one\ntwo\r");
    talk.peer.expect(b"one\ntwo\n");
}

#[test]
fn keys_typed_before_there_is_a_line_are_not_lost() {
    let mut talk = start(&[], &[]);
    talk.terminal.type_in("early\r");
    talk.peer.send(WELCOME);
    talk.peer.expect(b"/name alice\n");
    talk.peer.send(b"* alice has joined\n");
    talk.peer.expect(b"early\n");
}

#[test]
fn lines_are_mended_and_called_back() {
    let mut talk = talk();
    talk.terminal.type_in("helo\x1b[Dl\r");
    talk.peer.expect(b"hello\n");
    talk.terminal.type_in("\x1b[A\x17bye\r");
    talk.peer.expect(b"bye\n");
    talk.terminal.type_in("\x1b[A\x1b[A\r");
    talk.peer.expect(b"hello\n");
}

#[test]
fn tab_completes_commands_names_and_files() {
    let mut talk = talk();
    talk.peer.send(b"* bob, bobby have joined\n= 12 a long name.txt\n");
    talk.terminal.wait_for("a long name.txt");
    talk.terminal.type_in("/g\ta\t");
    talk.terminal.wait_for_last("> /get a long name.txt");
    talk.terminal.type_in("\x15/ms\tBo\t");
    talk.terminal.wait_for_last("> /msg bob");
    talk.terminal.type_in("\t");
    talk.terminal.wait_for("bob   bobby");
    talk.terminal.type_in("b\thi\r");
    talk.peer.expect(b"/msg bobby hi\n");
}

#[test]
fn tab_asks_the_server_where_nothing_is_known() {
    let mut talk = talk();
    talk.terminal.type_in("/get so\t");
    talk.peer.expect(b"/files\n");
    talk.peer.send(b"* 1 files in SharedFiles\n= 12 song.ogg\n");
    talk.terminal.wait_for("= 12 song.ogg");
    talk.terminal.type_in("\t");
    talk.terminal.wait_for_last("> /get song.ogg");
}

#[test]
fn the_prompt_says_to_whom_one_speaks() {
    let mut talk = talk();
    talk.terminal.type_in("/to bob\r");
    talk.peer.expect(b"/to bob\n");
    talk.peer.send(b"* you speak to bob alone now\n");
    talk.terminal.wait_for_last("to bob>");
    talk.terminal.type_in("/all\r");
    talk.peer.expect(b"/all\n");
    talk.peer.send(b"* you speak to everyone now\n");
    talk.terminal.wait_for_last(">");
}

#[test]
fn pasted_lines_wait_for_enter() {
    let mut talk = talk();
    talk.terminal.type_in("\x1b[200~one\ntwo\x1b[201~");
    talk.terminal.wait_for_last("[1 line more; Enter sends both, Ctrl-C none] > two");
    talk.terminal.type_in("\x03said\r");
    talk.peer.expect(b"said\n");
    talk.terminal.type_in("\x1b[200~one\r\ntwo\r\n\x1b[201~\r");
    talk.peer.expect(b"one\ntwo\n");
}

#[test]
fn a_line_longer_than_the_window_takes_one_row() {
    let mut talk = talk();
    let long = "0123456789".repeat(20);
    talk.terminal.type_in(&long);
    talk.terminal.wait_until(|screen| screen.lines().last().is_some_and(|line| line.ends_with("6789")));
    talk.peer.send("<bob> \u{1f44b} ユニコード\n".as_bytes());
    talk.terminal.wait_for("ユニコード");
    let is_row = |line: &&str| line.contains("0123456789");
    talk.terminal.wait_until(|screen| screen.lines().filter(is_row).count() == 1);
    talk.terminal.wait_until(|screen| screen.lines().last().is_some_and(|line| line.ends_with("6789")));
    talk.terminal.type_in("\r");
    talk.peer.expect(format!("{long}\n").as_bytes());
}

#[test]
fn a_download_has_a_bar_and_is_saved() {
    let mut talk = talk();
    let song = vec![7; 100_000];
    talk.terminal.type_in("/get song.ogg\rtyping");
    talk.peer.expect(b"/get song.ogg\n");
    talk.peer.send(b"# 1 100000 song.ogg\n");
    talk.terminal.wait_for("song.ogg [....................]   0 % of 100.0 kB");
    talk.peer.send(&[b"+ 1 50000\n", &song[..50_000]].concat());
    talk.peer.send(b"<bob> hello\n");
    talk.terminal.wait_until(|screen| {
        let last: Vec<&str> = screen.lines().rev().take(3).collect();
        last[0] == "> typing" && last[1].starts_with("song.ogg [") && last[2].ends_with("<bob> hello")
    });
    talk.peer.send(&[b"+ 1 50000\n", &song[50_000..]].concat());
    let hash: String = Sha256::digest(&song).iter().map(|byte| format!("{byte:02x}")).collect();
    talk.peer.send(format!(". 1 {hash}\n").as_bytes());
    talk.terminal.wait_for("saved alice/song.ogg, 100000 bytes");
    talk.terminal.wait_until(|screen| !screen.contains("song.ogg ["));
    talk.terminal.wait_for_last("> typing");
    assert!(std::fs::read(talk.dir.path().join("alice/song.ogg")).unwrap() == song);
}

#[test]
fn a_server_that_goes_is_explained_below_what_was_typed_and_the_terminal_is_as_before() {
    let mut talk = talk();
    talk.terminal.type_in("half a li");
    talk.terminal.wait_for_last("> half a li");
    assert!(!talk.terminal.is_as_before());
    talk.peer.send(b"! server is going down: SIGTERM\n");
    talk.peer.half_close();
    assert_eq!(talk.terminal.wait().code(), Some(1));
    let screen = talk.terminal.wait_for("try: ");
    assert!(screen.contains("the server is going down: SIGTERM\n  why: "), "{screen}");
    assert!(talk.terminal.is_as_before());
}

#[test]
fn a_reset_while_a_file_comes_is_explained_and_the_part_stays() {
    let mut talk = talk();
    talk.terminal.type_in("/get a\r");
    talk.peer.expect(b"/get a\n");
    talk.peer.send(b"# 1 100 a\n+ 1 10\n0123456789<bob> hi\n");
    talk.terminal.wait_for("<bob> hi");
    talk.peer.reset();
    assert_eq!(talk.terminal.wait().code(), Some(1));
    let screen = talk.terminal.wait_for("try: ");
    assert!(screen.contains("alice/a.part has 10 of 100 bytes"), "{screen}");
    assert!(screen.contains("connection reset by the peer"), "{screen}");
    assert!(!screen.contains("a [#"), "no bar is left: {screen}");
}

#[test]
fn control_c_drops_the_line_then_leaves_then_ends() {
    let mut talk = talk();
    talk.terminal.type_in("never said\x03");
    talk.terminal.wait_for_last(">");
    talk.terminal.type_in("\x03");
    talk.peer.expect(b"/quit\n");
    talk.terminal.type_in("\x03");
    assert_eq!(talk.terminal.wait().code(), Some(130));
    assert!(talk.terminal.is_as_before());
}

#[test]
fn a_signal_ends_it_in_order() {
    let mut talk = talk();
    talk.terminal.type_in("half");
    talk.terminal.wait_for_last("> half");
    // SIGHUP, as when the window is closed, would do the same.
    talk.terminal.signal("TERM");
    assert_eq!(talk.peer.read_to_fin(), b"/quit\n");
    assert_eq!(talk.terminal.wait().code(), Some(0));
    assert!(talk.terminal.is_as_before());
}

#[test]
fn names_have_colours_and_no_color_has_none() {
    for (envs, colored) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let mut talk = talk_with(&[], envs);
        talk.peer.send(b"<bob> hi\n! wrong\n");
        talk.terminal.wait_for("! wrong");
        talk.terminal.type_in("\x04");
        let bytes = talk.leave(0);
        let colors = bytes
            .split("\x1b[")
            .skip(1)
            .filter(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'));
        assert_eq!(colors.count() > 0, colored, "{bytes:?}");
    }
}

#[test]
fn a_hostile_line_neither_clears_the_screen_nor_moves_the_cursor() {
    let mut talk = talk();
    talk.peer.send(b"<bob> \x1b[2J\x1b[H\x1b]0;x\x07gone\r<carol> forged\n");
    let screen = talk.terminal.wait_for("forged");
    assert!(screen.contains(r"<bob> \x1b[2J\x1b[H\x1b]0;x\x07gone\r<carol> forged"), "{screen}");
    assert!(screen.contains("* alice has joined"), "{screen}");
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let mut talk = start(&[], &[]);
    talk.peer.send(b"* netlab chat 1: /login NAME PASSWORD brings you in\n");
    talk.terminal.wait_for("password for alice:");
    talk.terminal.type_in("hunter2\r");
    talk.peer.expect(b"/login alice hunter2\n");
    talk.peer.send(b"* alice has joined\n");
    talk.terminal.wait_for_last(">");
    talk.terminal.type_in("/login alice hunter2");
    talk.terminal.wait_for_last("> /login alice ***");
    talk.terminal.type_in("\r");
    talk.peer.expect(b"/login alice hunter2\n");
    talk.terminal.type_in("\x04");
    let bytes = talk.leave(0);
    assert!(!bytes.contains("hunter2") && !bytes.contains("/login alice h"), "{bytes:?}");
}

#[test]
fn control_c_at_the_password_gives_the_terminal_back() {
    let mut talk = start(&[], &[]);
    talk.peer.send(b"* netlab chat 1: /login NAME PASSWORD brings you in\n");
    talk.terminal.wait_for("password for alice:");
    talk.terminal.type_in("hun\x03");
    assert_eq!(talk.terminal.wait().code(), Some(1));
    assert!(talk.terminal.is_as_before());
    assert_eq!(talk.peer.read_to_fin(), b"");
}

#[test]
fn a_trace_stands_above_what_is_typed() {
    let mut talk = talk_with(&["--trace"], &[]);
    talk.terminal.type_in("typing");
    talk.terminal.wait_for_last("> typing");
    talk.peer.send(b"<bob> hi\n");
    talk.terminal.wait_for("<bob> hi");
    talk.terminal.wait_for_last("> typing");
}

#[test]
fn a_dumb_terminal_has_lines_without_an_editor() {
    let mut talk = start(&[], &[("TERM", "dumb")]);
    talk.peer.send(WELCOME);
    talk.peer.expect(b"/name alice\n");
    talk.peer.send(b"* alice has joined\n");
    talk.terminal.wait_for("* alice has joined");
    talk.terminal.type_in("hello\r");
    talk.peer.expect(b"hello\n");
    assert!(!talk.terminal.bytes().contains("\x1b[?2004h"));
    talk.terminal.type_in("\x04");
    talk.leave(0);
}

//! The transcripts of the README and the handouts, run: each `console` block
//! is typed into a shell, and what netlab prints must be what the page shows.
//!
//! - A block is run line by line; a line that begins with `$ ` is a command,
//!   the lines below it are its output, stdout and stderr together.
//! - `console server` is another window: its command goes on while the next
//!   blocks run, and what it prints is compared when they are done.
//! - Numbers differ from run to run (ports, times, sizes), so each stands for
//!   any other; every word must be the same.
//! - The port a page uses is replaced by a free one.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{NETLAB, Running};

struct Block {
    line: usize,
    is_server: bool,
    commands: Vec<(String, String)>,
}

#[test]
fn every_transcript_of_the_readme_is_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("labs/README.md")];
    for folder in fs::read_dir(root.join("labs")).unwrap().flatten() {
        pages.push(folder.path().join("README.md"));
    }
    let mut commands = 0;
    for page in pages.iter().filter(|page| page.exists()) {
        let text = fs::read_to_string(page).unwrap();
        commands += play(&page.display().to_string(), &blocks(&text));
    }
    assert!(commands >= 5, "only {commands} commands found: are the blocks still marked `console`?");
}

/// Plays a page's blocks in order; the number of commands run.
fn play(page: &str, blocks: &[Block]) -> usize {
    let ports = Ports::default();
    let mut servers: Vec<Window> = Vec::new();
    let mut commands = 0;
    for (at, block) in blocks.iter().enumerate() {
        let place = format!("{page}, line {}", block.line);
        for (command, expected) in &block.commands {
            commands += 1;
            let command = ports.freed(command);
            if block.is_server {
                servers.push(Window::open(&command, expected));
            } else {
                let run = support::run_command(shell(&format!("{{ {command}; }} 2>&1")), b"");
                compare(&place, &command, expected, &run.stdout);
            }
        }
        // The window of a server is looked at when what was asked of it is done.
        if !block.is_server && blocks.get(at + 1).is_none_or(|next| next.is_server || at + 1 == blocks.len()) {
            for mut server in servers.drain(..) {
                server.read_to_line(server.expected.lines().count());
                compare(&place, "the server of this block", &server.expected, &server.lines.join("\n"));
            }
        }
    }
    commands
}

/// A server that goes on while other blocks run.
struct Window {
    expected: String,
    running: Running,
    lines: Vec<String>,
}

impl Window {
    /// Opens it, and reads up to the ready line.
    fn open(command: &str, expected: &str) -> Window {
        let running = Running::start(shell(&format!("exec {command} 2>&1")));
        let mut window = Window { expected: expected.to_owned(), running, lines: Vec::new() };
        while !window.lines.iter().any(|line| line.starts_with("listening on")) {
            window.read_to_line(window.lines.len() + 1);
        }
        window
    }

    fn read_to_line(&mut self, count: usize) {
        while self.lines.len() < count {
            let line = self.running.next_line().unwrap_or_else(|| panic!("ended after {:#?}", self.lines));
            self.lines.push(line);
        }
    }
}

fn compare(place: &str, command: &str, expected: &str, actual: &str) {
    let (wanted, got) = (normal(expected), normal(actual));
    assert_eq!(wanted, got, "\n{place}: {command}\n--- the page\n{expected}\n--- printed\n{actual}");
}

/// Numbers become `#`, runs of blanks one blank: widths follow numbers.
fn normal(text: &str) -> String {
    let mut normal = String::new();
    for character in text.trim_end().chars() {
        match character {
            '0'..='9' if normal.ends_with('#') => {}
            '0'..='9' => normal.push('#'),
            ' ' if normal.ends_with([' ', '\n']) || normal.is_empty() => {}
            other => normal.push(other),
        }
    }
    normal
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    let path = std::env::var("PATH").unwrap_or_default();
    let folder = Path::new(NETLAB).parent().unwrap().display().to_string();
    command.args(["-c", script]).env("PATH", format!("{folder}:{path}")).env("NO_COLOR", "1");
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// The ports that pages use, each replaced by one that is free here.
struct Ports(Vec<(&'static str, u16)>);

impl Default for Ports {
    fn default() -> Ports {
        let held: Vec<TcpListener> = (0..4).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let names = ["5001", "5003", "5004", "5009"];
        Ports(names.into_iter().zip(held.iter().map(|held| held.local_addr().unwrap().port())).collect())
    }
}

impl Ports {
    fn freed(&self, command: &str) -> String {
        let replace = |command: String, (name, port): &(&str, u16)| command.replace(name, &port.to_string());
        self.0.iter().fold(command.to_owned(), replace)
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (&mut open, line) {
            (None, "```console" | "```console server") => {
                open = Some(Block { line: number, is_server: line.ends_with("server"), commands: Vec::new() });
            }
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => match (line.strip_prefix("$ "), block.commands.last_mut()) {
                (Some(command), _) => block.commands.push((command.to_owned(), String::new())),
                (None, Some((_, output))) => *output += &format!("{line}\n"),
                (None, None) => panic!("line {number}: output before any command"),
            },
            _ => {}
        }
    }
    blocks
}

#[test]
fn a_changed_word_is_seen_and_a_changed_number_is_not() {
    assert_eq!(normal("listening on tcp 127.0.0.1:5003"), normal("listening on tcp 127.0.0.1:45003\n"));
    assert_ne!(normal("listening on tcp 127.0.0.1:5003"), normal("listening at tcp 127.0.0.1:5003"));
    assert_eq!(normal("a  1 ms"), normal("a 12 ms"));
}

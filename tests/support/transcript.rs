//! Transcripts on pages, run: each `console` block is typed into a shell, and
//! what netlab prints must be what the page shows.
//!
//! - A block is run line by line; a line that begins with `$ ` is a command,
//!   the lines below it are its output, stdout and stderr together.
//! - `console server` is another window: its command goes on while the next
//!   blocks run, and what it prints is compared when they are done.
//! - `console unordered`: several threads speak, in whatever order.
//! - A line `...` stands for any lines that the page leaves out.
//! - Numbers differ from run to run (ports, times, sizes, descriptors), so each
//!   stands for any other; every word must be the same.
//! - What a trace says while a call blocks long is left out: it depends on the
//!   machine, and on nothing that a page could show.

use std::path::Path;
use std::process::{Command, Stdio};

use super::support::{NETLAB, Running, run_command};

/// Where a page's commands are run.
pub trait Stage {
    /// A shell that runs `script`.
    fn shell(&self, script: &str) -> Command;

    /// The command as it must be typed there.
    fn fitted(&self, command: &str) -> String;
}

/// Commands that are run together, or in a window of their own.
pub struct Block {
    line: usize,
    is_server: bool,
    is_unordered: bool,
    commands: Vec<(String, String)>,
}

/// Plays a page's blocks in order; the number of commands run.
pub fn play(page: &str, text: &str, stage: &dyn Stage) -> usize {
    let blocks = blocks(text);
    let mut servers: Vec<(String, Window)> = Vec::new();
    let mut commands = 0;
    for (at, block) in blocks.iter().enumerate() {
        let place = format!("{page}, line {}", block.line);
        for (command, expected) in &block.commands {
            commands += 1;
            let command = stage.fitted(command);
            let expected = Expected { text: expected.clone(), is_unordered: block.is_unordered };
            if block.is_server {
                servers.push((place.clone(), Window::open(stage, &command, expected)));
            } else {
                let run = run_command(dressed(stage.shell(&format!("{{ {command}; }} 2>&1"))), b"");
                expected.compare(&format!("{place}: {command}"), &run.stdout);
            }
        }
        // The window of a server is looked at when what was asked of it is done.
        if blocks.get(at + 1).is_none_or(|next| next.is_server && !block.is_server) {
            servers.drain(..).for_each(|(place, server)| server.compare(&place));
        }
    }
    commands
}

/// What a page shows of a command's output.
struct Expected {
    text: String,
    is_unordered: bool,
}

impl Expected {
    fn fits(&self, printed: &str) -> bool {
        let (wanted, got) = (normal_lines(&self.text), normal_lines(printed));
        match self.is_unordered {
            true if wanted.iter().any(|line| line == "...") => {
                wanted.iter().all(|line| line == "..." || got.contains(line))
            }
            true => {
                let sorted = |mut lines: Vec<String>| {
                    lines.sort();
                    lines
                };
                sorted(wanted) == sorted(got)
            }
            false => fits(&wanted, &got),
        }
    }

    fn compare(&self, place: &str, printed: &str) {
        if !self.fits(printed) {
            // For the difference's sake; where only `...` is in the way, as it is.
            assert_eq!(normal_lines(&self.text), normal_lines(printed), "\n{place}\n--- printed\n{printed}");
        }
    }
}

/// Whether the lines are those wanted, `...` standing for any number of any.
fn fits(wanted: &[String], got: &[String]) -> bool {
    match wanted.split_first() {
        None => got.is_empty(),
        Some((any, rest)) if any == "..." => (0..=got.len()).any(|from| fits(rest, &got[from..])),
        Some((line, rest)) => got.first() == Some(line) && fits(rest, &got[1..]),
    }
}

/// A command that goes on while other blocks run.
struct Window {
    expected: Expected,
    command: String,
    running: Running,
    lines: String,
}

impl Window {
    /// Opens it, and reads up to the line that says that it is ready.
    fn open(stage: &dyn Stage, command: &str, expected: Expected) -> Window {
        let running = Running::start(dressed(stage.shell(&format!("exec {command} 2>&1"))));
        let mut window = Window { expected, command: command.to_owned(), running, lines: String::new() };
        let is_ready = |line: &str| ["listening on", "connected to"].iter().any(|ready| line.starts_with(ready));
        while !window.lines.lines().any(is_ready) {
            window.read_on("it was ready");
        }
        window
    }

    fn read_on(&mut self, until: &str) {
        let line = self.running.next_line();
        let line = line.unwrap_or_else(|| panic!("{} ended before {until}:\n{}", self.command, self.lines));
        self.lines += &format!("{line}\n");
    }

    fn compare(mut self, place: &str) {
        let count = normal_lines(&self.expected.text).len();
        while !self.expected.fits(&self.lines) {
            if !self.expected.text.contains("...") && normal_lines(&self.lines).len() >= count {
                return self.expected.compare(&format!("{place}: {}", self.command), &self.lines);
            }
            self.read_on(&format!("it printed what {place} shows:\n{}", self.expected.text));
        }
    }
}

/// Each line with `#` for every number and one blank for every run of blanks
/// (widths follow numbers); `ms` for every unit of time.
fn normal_lines(text: &str) -> Vec<String> {
    text.trim_end().lines().filter(|line| !line.contains(" blocked in ")).map(normal).collect()
}

/// See [`normal_lines`].
pub fn normal(line: &str) -> String {
    let mut normal = String::new();
    for character in line.trim().chars() {
        match character {
            '0'..='9' if normal.ends_with('#') => {}
            '0'..='9' => normal.push('#'),
            ' ' if normal.ends_with(' ') => {}
            other => normal.push(other),
        }
    }
    normal.replace(".# s", ".# ms")
}

/// The tested binary first in the path, and nothing of the tester's terminal.
fn dressed(mut command: Command) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let folder = Path::new(NETLAB).parent().unwrap().display().to_string();
    command.env("PATH", format!("{folder}:{path}")).env("NO_COLOR", "1");
    command.env_remove("RUST_BACKTRACE").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    command
}

/// This host, where the ports that pages use are replaced by free ones.
pub struct Here(Vec<(String, u16)>);

impl Here {
    /// Replaces these ports.
    pub fn replacing(ports: &[u16]) -> Here {
        let held: Vec<_> = ports.iter().map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let free = held.iter().map(|held| held.local_addr().unwrap().port());
        Here(ports.iter().map(u16::to_string).zip(free).collect())
    }
}

impl Stage for Here {
    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn fitted(&self, command: &str) -> String {
        patient(&self.on_free_ports(command))
    }
}

impl Here {
    /// Only a number that is one of the ports, not one that it is a part of.
    fn on_free_ports(&self, command: &str) -> String {
        let mut fitted = String::new();
        for part in command.split_inclusive(|c: char| !c.is_ascii_digit()) {
            let number = part.trim_end_matches(|c: char| !c.is_ascii_digit());
            let free = self.0.iter().find(|(port, _)| port == number);
            let number_to_type = free.map_or(number.to_owned(), |(_, free)| free.to_string());
            fitted += &(number_to_type + &part[number.len()..]);
        }
        fitted
    }
}

/// A slow machine makes a test slow, never red: a client waits longer here than
/// a person would, where the page does not say how long.
fn patient(command: &str) -> String {
    let waits = command.contains("--timeout") || command.contains("netlab chat");
    if waits { command.to_owned() } else { command.replace(" client ", " client --timeout 25s ") }
}

/// The `console` blocks of a page.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (&mut open, line) {
            (None, line) if line.starts_with("```console") => {
                let (is_server, is_unordered) = (line.contains("server"), line.contains("unordered"));
                open = Some(Block { line: number, is_server, is_unordered, commands: Vec::new() });
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
    assert_eq!(normal("listening on tcp 127.0.0.1:5003"), normal("listening on tcp 127.0.0.1:45003"));
    assert_ne!(normal("listening on tcp 127.0.0.1:5003"), normal("listening at tcp 127.0.0.1:5003"));
    assert_eq!(normal("a  1 ms"), normal("a 12 ms"));
    assert_eq!(normal("recv(4) = 6 (0.12 ms)"), normal("recv(5) = 6 (2.0 s)"));
}

#[test]
fn what_a_page_leaves_out_may_be_anything() {
    let expected = |text: &str| Expected { text: text.to_owned(), is_unordered: false };
    assert!(expected("a\n...\nd\n").fits("a\nb\nc\nd\n"));
    assert!(expected("...\n").fits(""));
    assert!(!expected("a\n...\nd\n").fits("a\nb\nd\ne\n"));
    assert!(!expected("a\n").fits("a\nb\n"));
    let unordered = |text: &str| Expected { text: text.to_owned(), is_unordered: true };
    assert!(unordered("b\na\n").fits("a\nb\n") && !unordered("b\n").fits("a\nb\n"));
    assert!(unordered("b\n...\n").fits("a\nb\n") && !unordered("c\n...\n").fits("a\nb\n"));
}

#[test]
fn only_whole_numbers_are_ports() {
    let here = Here(vec![("5003".into(), 41000)]);
    assert_eq!(here.fitted("netlab x :5003 15003 5003"), "netlab x :41000 15003 41000");
    assert_eq!(here.fitted("netlab x client 1"), "netlab x client --timeout 25s 1");
}

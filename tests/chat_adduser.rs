//! `netlab chat adduser`: the password from a pipe, a file and a terminal, and
//! never on a screen.

#![allow(clippy::unwrap_used, reason = "a helper's failure is the test's")]

mod support;

use std::fs;
use std::path::PathBuf;

use support::{Run, netlab, run_command};
use tempfile::TempDir;

struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Home {
        Home { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("users")
    }

    fn adduser(&self, args: &[&str], input: &str) -> Run {
        let mut command = netlab([&["chat", "adduser", "users"], args].concat());
        command.current_dir(self.dir.path());
        run_command(command, input.as_bytes())
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }
}

fn never_says(run: &Run, password: &str) {
    assert!(!run.stdout.contains(password) && !run.stderr.contains(password), "{run:#?}");
}

#[test]
fn a_piped_password_becomes_a_hash() {
    let home = Home::new();
    let run = home.adduser(&["alice"], "geheim\nnot this\n").succeeded();
    assert_eq!(run.stdout, "alice is now in users, and may /login\n");
    never_says(&run, "geheim");
    let text = home.text();
    assert!(text.starts_with("alice:$argon2id$v=19$m=19456,t=2,p=1$") && text.ends_with('\n'), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn a_password_file_gives_its_first_line() {
    let home = Home::new();
    fs::write(home.dir.path().join("pw"), "geheim\r\nmore").unwrap();
    home.adduser(&["alice", "--password-file", "pw"], "").succeeded();
    let before = home.text();
    let run = home.adduser(&["ALICE", "--password-file", "pw", "--json"], "").succeeded();
    assert!(run.event("notice")["text"].as_str().unwrap().contains("in users already"), "{run:#?}");
    assert_eq!(home.text().lines().count(), 1);
    assert_ne!(home.text(), before);
}

#[test]
fn what_is_no_name_or_no_password_is_a_usage_error_that_writes_nothing() {
    let home = Home::new();
    let table: &[(&[&str], &str, &str)] = &[
        (&["alice"], "", "at least one character"),
        (&["alice"], "\n", "at least one character"),
        (&["alice"], "a\tb\n", "control character"),
        (&[""], "geheim\n", "at least one letter"),
        (&["server"], "geheim\n", "the server's own"),
        (&["al ice"], "geheim\n", "not a space"),
        (&["alice", "geheim"], "geheim\n", "unexpected argument"),
        (&["alice", "--password-file", "absent"], "geheim\n", "cannot read absent: not found"),
    ];
    for (args, input, reason) in table {
        let run = home.adduser(args, input).ended(2);
        assert!(run.stderr.contains(reason), "{args:?}: {run:#?}");
    }
    assert!(!home.file().exists());
}

// Not on Windows: its terminals are pseudo-terminals of Unix.
#[cfg(target_os = "linux")]
mod on_a_terminal {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use nix::pty::{OpenptyResult, openpty};
    use nix::sys::termios::{LocalFlags, tcgetattr};

    /// Types each answer when it is asked for; what the screen shows, the exit
    /// status, and whether the terminal has its echo again.
    fn typed(home: &Home, answers: &[&str]) -> (String, i32, bool) {
        let OpenptyResult { master, slave } = openpty(None, None).unwrap();
        let side = || Stdio::from(File::from(slave.try_clone().unwrap()));
        // A session of its own, whose terminal this is.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait", support::NETLAB, "chat", "adduser", "users", "alice"]);
        command.current_dir(home.dir.path()).stdin(side()).stdout(side()).stderr(side());
        let mut child = command.spawn().expect("setsid(1) is needed for this test");
        let mut screen = Screen(File::from(master), String::new());
        for (asked, answer) in ["password for alice: ", "the same again: "].iter().zip(answers) {
            screen.until(asked);
            assert!(!tcgetattr(&slave).unwrap().local_flags.contains(LocalFlags::ECHO), "asked for with echo");
            screen.0.write_all(answer.as_bytes()).unwrap();
        }
        let status = support::wait(&mut child).code().unwrap();
        let has_echo = tcgetattr(&slave).unwrap().local_flags.contains(LocalFlags::ECHO);
        drop((slave, command)); // the last of this side: now the screen ends
        let _ = screen.0.read_to_string(&mut screen.1); // EIO is a terminal's end
        (screen.1, status, has_echo)
    }

    struct Screen(File, String);

    impl Screen {
        fn until(&mut self, end: &str) {
            let mut byte = [0];
            while !self.1.ends_with(end) {
                self.0.read_exact(&mut byte).unwrap();
                self.1.push(char::from(byte[0]));
            }
        }
    }

    #[test]
    fn the_password_is_asked_for_twice_and_not_shown() {
        let home = Home::new();
        let (screen, status, has_echo) = typed(&home, &["geheim\n", "geheim\n"]);
        assert_eq!((status, has_echo), (0, true), "{screen}");
        assert!(!screen.contains("geheim") && screen.contains("alice is now in users"), "{screen}");
        assert_eq!(home.text().lines().count(), 1);
    }

    #[test]
    fn two_that_differ_change_nothing() {
        let home = Home::new();
        let (screen, status, has_echo) = typed(&home, &["geheim\n", "gehein\n"]);
        assert_eq!((status, has_echo), (1, true), "{screen}");
        assert!(!screen.contains("gehei") && screen.contains("the two were not the same"), "{screen}");
        assert!(!home.file().exists());
    }

    #[test]
    fn ctrl_c_and_ctrl_d_leave_the_terminal_as_it_was() {
        for key in ["geh\x03", "\x04"] {
            let home = Home::new();
            let (screen, status, has_echo) = typed(&home, &[key]);
            assert_eq!((status, has_echo), (2, true), "{screen}");
            assert!(screen.contains("no password was typed"), "{screen}");
            assert!(!home.file().exists());
        }
    }
}

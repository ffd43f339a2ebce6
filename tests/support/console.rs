//! Ctrl-C on Windows, for one program alone.
//!
//! There a Ctrl-C goes to all who share a console. So each program under test has a console of its
//! own, without a window; and whoever wants to stop it starts another program, which attaches to
//! that console, presses Ctrl-C there, and has it as well.

#![cfg(windows)]

use std::io;
use std::os::windows::process::CommandExt;
use std::process::{Command, Stdio};

use windows_sys::Win32::System::Console::{AttachConsole, CTRL_C_EVENT, GenerateConsoleCtrlEvent};

const CREATE_NO_WINDOW: u32 = 0x0800_0000;
const DETACHED_PROCESS: u32 = 0x8;

/// Tells the other program whose console it is.
const PRESSED_FOR: &str = "NETLAB_TEST_PRESSED_FOR";

/// How a test's program ends when a test of it fails.
const FAILED: i32 = 101;

/// Starts the program on a console of its own.
pub fn of_its_own(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW);
}

/// Presses Ctrl-C on the console of the process.
pub fn press_ctrl_c(pid: u32) {
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", "support::console::the_one_who_presses", "--ignored"]).env(PRESSED_FOR, pid.to_string());
    other.creation_flags(DETACHED_PROCESS).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert_ne!(super::spawn(&mut other).wait().unwrap().code(), Some(FAILED), "no Ctrl-C for process {pid}");
}

#[test]
#[ignore = "no test: it presses Ctrl-C for those that are"]
#[allow(unsafe_code)]
fn the_one_who_presses() {
    let Some(pid) = std::env::var(PRESSED_FOR).ok().and_then(|pid| pid.parse().ok()) else { return };
    // SAFETY: both calls take numbers, and check them.
    let pressed = unsafe { AttachConsole(pid) != 0 && GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) != 0 };
    assert!(pressed, "{}", io::Error::last_os_error());
}

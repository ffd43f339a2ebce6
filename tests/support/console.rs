//! Ctrl-C on Windows, for one program alone.
//!
//! There a Ctrl-C goes to all who share a console. So each program under test has a console of its
//! own, without a window; whoever wants to stop one of them attaches to that console for a moment,
//! and presses Ctrl-C there.

#![cfg(windows)]
#![allow(unsafe_code, reason = "the calls of the console are not to be had otherwise")]

use std::io;
use std::os::windows::process::CommandExt;
use std::process::Command;
use std::sync::{Mutex, Once, PoisonError};

use windows_sys::Win32::System::Console::{
    AttachConsole, CTRL_C_EVENT, FreeConsole, GenerateConsoleCtrlEvent, SetConsoleCtrlHandler,
};

const CREATE_NO_WINDOW: u32 = 0x0800_0000;

/// Starts the program on a console of its own.
pub fn of_its_own(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW);
}

/// Presses Ctrl-C on the console of the process.
pub fn press_ctrl_c(pid: u32) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(()); // a process has one console, or none
    static DEAF: Once = Once::new();
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the handler touches nothing, and lives as long as the program. The other calls take
    // numbers, and check them.
    let pressed = unsafe {
        DEAF.call_once(|| {
            SetConsoleCtrlHandler(Some(ignore), 1);
        });
        FreeConsole();
        let pressed = AttachConsole(pid) != 0 && GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0) != 0;
        let error = io::Error::last_os_error();
        FreeConsole();
        if pressed { Ok(()) } else { Err(error) }
    };
    pressed.unwrap_or_else(|error| panic!("Ctrl-C for process {pid}: {error}"));
}

/// The test itself is on that console for a moment, and goes on.
unsafe extern "system" fn ignore(_: u32) -> i32 {
    1
}

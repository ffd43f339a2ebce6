//! `netlab`: parse, run, exit status. All else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    netlab::cli::main()
}

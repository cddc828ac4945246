//! The command `aksgate`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(aksgate::commands::run(std::env::args_os()))
}

//! How grades are shown: to a student, to programs, to the systems of schools.
//! Each renderer makes text; who prints it is not its affair.

pub mod json;
pub mod tap;
pub mod text;

use std::path::{Path, PathBuf};

use crate::error::{Attempt, Error, Result};

use super::class::Report;

/// How text looks.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// In colours.
    pub color: bool,
}

/// Where else results go.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Reports")]
pub struct Files {
    /// TAP version 14 on standard output
    #[arg(long, conflicts_with = "json")]
    pub tap: bool,
}

impl Files {
    /// Writes them.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, _reports: &[Report]) -> Result<()> {
        Ok(())
    }
}

#[allow(dead_code)]
fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|cause| Error::new(Attempt::Write, path.display().to_string(), &cause).unasked())
}

#[allow(dead_code)]
type Place = Option<PathBuf>;

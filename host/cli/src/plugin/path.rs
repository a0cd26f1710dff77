use std::path::PathBuf;

use super::built_in;
use crate::{CommandError, Verdict};

/// Print where the newest component of a project is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The project's folder.
    #[arg(default_value = ".")]
    dir: PathBuf,
}

pub(super) fn run(Args { dir }: &Args) -> Result<Verdict, CommandError> {
    crate::print(&format!("{}\n", built_in(dir)?.display()))?;
    Ok(Verdict::Good)
}

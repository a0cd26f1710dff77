//! The administrator's file.

use std::path::{Path, PathBuf};

use testbench_core::config::Config;
use testbench_core::error::with_causes;

use crate::{CommandError, failed};

/// Where the administrator's file is.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// File with what plugins may do and where they may come from; see docs/configuration.md. Without it, nothing beyond the defaults.
    #[arg(long, value_name = "FILE", env = "TESTBENCH_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    pub(crate) fn read(&self) -> Result<Config, CommandError> {
        // An empty variable is one that is not set.
        let file = self.config.as_deref();
        match file.filter(|file| !file.as_os_str().is_empty()) {
            Some(file) => read(file),
            None => Ok(Config::default()),
        }
    }
}

fn read(file: &Path) -> Result<Config, CommandError> {
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| failed(format!("failed to read --config {name}: {error}")))?;
    Config::parse(&text)
        .map_err(|error| failed(format!("--config {name}: {}", with_causes(&error))))
}

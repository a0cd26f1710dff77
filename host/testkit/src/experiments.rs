//! Cases of whole Experiments.

use std::path::{Path, PathBuf};

use testbench_core::config::Config;
use testbench_core::error::with_causes;
use testbench_core::pipeline::{FilledPhase, Host};
use testbench_core::render::{ManifestError, Manifests, PluginFiles, Renderer, Source};
use testbench_core::yaml;

use crate::folder::{Found, below, read, settle};
use crate::{CaseError, Mismatch, Mode};

const INPUT: &str = "input.yaml";
const CONFIG: &str = "config.yaml";
/// The namespace that the operator runs in, as far as cases are concerned.
const OPERATOR_NAMESPACE: &str = "testbench-system";

/// The case folders below one folder, in the order of their paths.
#[derive(Debug)]
pub struct Cases {
    folders: Vec<PathBuf>,
}

impl Cases {
    /// Every folder with an `input.yaml` below `root`.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn below(root: &Path) -> Result<Self, CaseError> {
        let folders = below(root, INPUT)?;
        Ok(Self { folders })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.folders.len()
    }

    /// Whether there is none; there always is one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// Renders every case with the plugins of `host`; what differs comes back, all of it.
    ///
    /// # Errors
    ///
    /// Where a case cannot be run at all.
    pub async fn run(&self, host: &Host, mode: Mode) -> Result<Vec<Mismatch>, CaseError> {
        let mut mismatches = Vec::new();
        for folder in &self.folders {
            let found = render(folder, host).await?;
            mismatches.extend(settle(folder, &found, mode)?);
        }
        Ok(mismatches)
    }
}

async fn render(folder: &Path, host: &Host) -> Result<Found, CaseError> {
    let source = Source {
        name: INPUT.to_owned(),
        text: read(&folder.join(INPUT))?,
    };
    let Manifests {
        experiments,
        phase_plugins,
        references,
        unused,
    } = match Manifests::read(&[source]) {
        Ok(manifests) => manifests,
        Err(error) => return Ok(Found::error(unreadable(&error), String::new())),
    };
    let config = config(folder)?;
    let files = PluginFiles {
        host,
        config: &config.plugins,
        references: &references,
        operator_namespace: OPERATOR_NAMESPACE,
    };
    let custom = match files.read(phase_plugins, Vec::new()).await {
        Ok(custom) => custom,
        Err(error) => return Ok(Found::error(with_causes(&error) + "\n", String::new())),
    };
    let renderer = Renderer {
        custom,
        config,
        ..Renderer::new(host.clone(), references, OPERATOR_NAMESPACE)?
    };
    let mut remarks: String = unused
        .into_iter()
        .chain(renderer.unused_plugins())
        .map(|remark| format!("# info: {remark}\n"))
        .collect();
    let mut objects = Vec::new();
    let (mut errors, mut log) = (String::new(), String::new());
    for experiment in experiments {
        match renderer.render(experiment.manifest).await {
            Ok(desired) => {
                log.extend(desired.phases.iter().map(log_of));
                remarks.extend(desired.remarks().map(|remark| format!("# {remark}\n")));
                objects.extend(desired.objects.into_iter().map(|object| object.manifest));
            }
            Err(error) => errors.push_str(&(without_digests(&error.explain()) + "\n")),
        }
    }
    if errors.is_empty() {
        Ok(Found::output(remarks + &yaml::documents(&objects)?, log))
    } else {
        Ok(Found::error(errors, log))
    }
}

fn config(folder: &Path) -> Result<Config, CaseError> {
    let path = folder.join(CONFIG);
    if !path.exists() {
        return Ok(Config::default());
    }
    Config::parse(&read(&path)?).map_err(|source| CaseError::Config { path, source })
}

fn log_of(phase: &FilledPhase) -> String {
    let (lines, dropped) = &phase.log;
    let mut log: String = lines
        .iter()
        .map(|line| {
            format!(
                "log of phase {}: {:?}: {}\n",
                phase.name, line.level, line.message
            )
        })
        .collect();
    if *dropped > 0 {
        log.push_str(&format!(
            "log of phase {}: {dropped} further lines\n",
            phase.name
        ));
    }
    log
}

/// `text` with every digest cut short: what a case says must not change with each build of a component.
fn without_digests(text: &str) -> String {
    const PREFIX: &str = "sha256:";
    let mut parts = text.split(PREFIX);
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        let digest = if rest.len() < part.len() { "…" } else { "" };
        short.extend([PREFIX, digest, rest]);
    }
    short
}

fn unreadable(error: &ManifestError) -> String {
    with_causes(error) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_cut_short_and_nothing_else_is() {
        for (text, short) in [
            ("plain\ntext\n", "plain\ntext\n"),
            (
                "a (x 1, sha256:00ff): b, sha256:12",
                "a (x 1, sha256:…): b, sha256:…",
            ),
            ("sha256: is no digest", "sha256: is no digest"),
        ] {
            assert_eq!(without_digests(text), short);
        }
    }
}

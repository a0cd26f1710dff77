//! Case folders for phase plugins. A case is a folder with `input.yaml`, a file exactly as for `testbench render -f`, and either
//! `expected.yaml`, the whole output with its diagnostics as comments, or `error.txt`, why there is none. A `config.yaml` beside them
//! is what the administrator allows (`--config`).
//!
//! [`Cases::run`] renders each case with the plugins of a [`Host`], on the same engine and under the same limits as in a cluster,
//! and says what differs. With [`Mode::Bless`] it writes what it found instead.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use testbench_core::admission::SchemaError;
use testbench_core::config::{Config, ConfigError};
use testbench_core::error::with_causes;
use testbench_core::pipeline::{FilledPhase, Host};
use testbench_core::render::{ManifestError, Manifests, PluginFiles, Renderer, Source};
use testbench_core::yaml::{self, YamlError};

const INPUT: &str = "input.yaml";
const CONFIG: &str = "config.yaml";
const EXPECTED: &str = "expected.yaml";
const ERROR: &str = "error.txt";
/// The namespace that the operator runs in, as far as cases are concerned.
const OPERATOR_NAMESPACE: &str = "testbench-system";

/// What to do with what a case gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Compare it with what is in the folder.
    Check,
    /// Write it into the folder.
    Bless,
}

impl Mode {
    /// [`Mode::Bless`] where the environment variable `BLESS` is set.
    #[must_use]
    pub fn from_env() -> Self {
        if std::env::var_os("BLESS").is_some() {
            Self::Bless
        } else {
            Self::Check
        }
    }
}

/// The case folders below one folder, in the order of their paths.
#[derive(Debug)]
pub struct Cases {
    folders: Vec<PathBuf>,
}

/// Why cases could not be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// A file or folder that cannot be read or written.
    #[error("failed to access {path}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No case at all, which no test should call a success.
    #[error("expected at least one folder with {INPUT} below {0}, found none")]
    None(PathBuf),
    /// A `config.yaml` that is none.
    #[error("failed to read {path}")]
    Config {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ConfigError,
    },
    /// The API's own schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Output that cannot be written as YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
}

/// What a case gave, where that is not what its folder says.
#[derive(Debug)]
pub struct Mismatch {
    /// The case.
    pub folder: PathBuf,
    /// What differs, for a person.
    pub difference: String,
}

impl Cases {
    /// Every folder with an `input.yaml` below `root`.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn below(root: &Path) -> Result<Self, CaseError> {
        let mut folders = Vec::new();
        collect(root, &mut folders)?;
        folders.sort();
        if folders.is_empty() {
            Err(CaseError::None(root.to_owned()))
        } else {
            Ok(Self { folders })
        }
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
            match mode {
                Mode::Bless => bless(folder, &found)?,
                Mode::Check => mismatches.extend(compare(folder, &found)?),
            }
        }
        Ok(mismatches)
    }
}

fn collect(dir: &Path, folders: &mut Vec<PathBuf>) -> Result<(), CaseError> {
    if dir.join(INPUT).is_file() {
        folders.push(dir.to_owned());
    }
    for entry in fs::read_dir(dir).map_err(|source| CaseError::Io {
        path: dir.to_owned(),
        source,
    })? {
        let path = entry
            .map_err(|source| CaseError::Io {
                path: dir.to_owned(),
                source,
            })?
            .path();
        if path.is_dir() {
            collect(&path, folders)?;
        }
    }
    Ok(())
}

/// What a case gives: a file of its folder, and its content.
struct Found {
    file: &'static str,
    other: &'static str,
    text: String,
    /// What plugins logged: shown where something differs, and never compared.
    log: String,
}

impl Found {
    fn output(text: String, log: String) -> Self {
        Self {
            file: EXPECTED,
            other: ERROR,
            text,
            log,
        }
    }

    fn error(text: String, log: String) -> Self {
        Self {
            file: ERROR,
            other: EXPECTED,
            text,
            log,
        }
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

fn compare(folder: &Path, found: &Found) -> Result<Option<Mismatch>, CaseError> {
    let mismatch = |difference| {
        Some(Mismatch {
            folder: folder.to_owned(),
            difference,
        })
    };
    if folder.join(found.other).exists() {
        return Ok(mismatch(format!(
            "expected {}, found what belongs into {}:\n{}",
            found.other, found.file, found.text
        )));
    }
    let file = folder.join(found.file);
    let expected = if file.exists() {
        read(&file)?
    } else {
        String::new()
    };
    if expected == found.text {
        return Ok(None);
    }
    let diff = similar::TextDiff::from_lines(&expected, &found.text);
    let diff = diff.unified_diff().header(found.file, "found").to_string();
    Ok(mismatch(diff + &found.log))
}

fn bless(folder: &Path, found: &Found) -> Result<(), CaseError> {
    let other = folder.join(found.other);
    if other.exists() {
        fs::remove_file(&other).map_err(|source| CaseError::Io {
            path: other,
            source,
        })?;
    }
    let file = folder.join(found.file);
    fs::write(&file, &found.text).map_err(|source| CaseError::Io { path: file, source })
}

fn read(file: &Path) -> Result<String, CaseError> {
    fs::read_to_string(file).map_err(|source| CaseError::Io {
        path: file.to_owned(),
        source,
    })
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

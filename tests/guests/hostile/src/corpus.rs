//! The corpus: a file for each way to attack, with what has to come of it. README.md beside it says how a file is written.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use serde_json::Value;

use crate::Guest;

/// One way to attack.
#[derive(Debug, Clone)]
pub struct Attack {
    /// The file's name: of Experiment, PhasePlugin and phase too.
    pub name: String,
    /// What attacks.
    pub means: Means,
    /// What has to come of it.
    pub expect: Expect,
}

/// What attacks.
#[derive(Debug, Clone)]
pub enum Means {
    /// A component.
    Component(Vec<u8>),
    /// What a component contributes: settings of the guest `echo`.
    Contribution(Value),
}

/// What has to come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expect {
    /// The component is refused, and the Experiments that want it are told.
    PluginRefused(Told),
    /// The component serves, and Experiments that have it keep their last good objects.
    ExperimentFails(Told),
    /// The Experiment is ready, its workflow as before, with one more object for each of these keys.
    Harmless {
        /// Keys of what the phase generates.
        keys: Vec<String>,
    },
}

/// What a condition says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Its reason.
    pub reason: String,
    /// Texts in its message.
    pub says: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    guest: Option<Guest>,
    wat: Option<String>,
    settings: Option<Value>,
    expect: Expect,
}

/// Why a file is none of the corpus.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", .file.display())]
pub struct CorpusError {
    file: PathBuf,
    why: String,
}

/// All of them, by name.
///
/// # Errors
///
/// The first file that is none.
pub fn corpus() -> Result<Vec<Attack>, CorpusError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut files = files(&folder).map_err(|error| CorpusError {
        file: folder,
        why: error.to_string(),
    })?;
    files.sort();
    let read = |file: PathBuf| attack(&file).map_err(|why| CorpusError { file, why });
    files.into_iter().map(read).collect()
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

fn attack(file: &Path) -> Result<Attack, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let document: Document = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
    let name = file.file_stem().unwrap_or_default();
    Ok(Attack {
        name: name.to_string_lossy().into_owned(),
        means: means(document.guest, document.wat, document.settings)?,
        expect: document.expect,
    })
}

fn means(
    guest: Option<Guest>,
    wat: Option<String>,
    settings: Option<Value>,
) -> Result<Means, String> {
    let component = match (guest, wat, settings) {
        (Some(guest), None, None) => guest.wasm(),
        (None, Some(wat), None) => wat::parse_str(wat),
        (None, None, Some(settings)) => return Ok(Means::Contribution(settings)),
        _ => return Err("expected one of guest, wat and settings".to_owned()),
    };
    component
        .map(Means::Component)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_one_of_the_corpus_and_says_what_it_does() {
        for Attack { name, .. } in corpus().unwrap() {
            let file = format!("{}/corpus/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
            let text = fs::read_to_string(file).unwrap();
            assert!(text.starts_with("# "), "{name}: it lacks a comment");
        }
    }
}

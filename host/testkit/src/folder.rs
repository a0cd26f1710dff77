//! What all kinds of case folders share: they are found by a file, compared by lines, and written by blessing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{CaseError, Mismatch, Mode};

const EXPECTED: &str = "expected.yaml";
const ERROR: &str = "error.txt";

/// Every folder with a file `input` at or below `root`, in the order of their paths.
pub(crate) fn below(root: &Path, input: &'static str) -> Result<Vec<PathBuf>, CaseError> {
    let mut folders = Vec::new();
    collect(root, input, &mut folders)?;
    folders.sort();
    if folders.is_empty() {
        let root = root.to_owned();
        return Err(CaseError::None { root, input });
    }
    Ok(folders)
}

fn collect(dir: &Path, input: &str, folders: &mut Vec<PathBuf>) -> Result<(), CaseError> {
    if dir.join(input).is_file() {
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
            collect(&path, input, folders)?;
        }
    }
    Ok(())
}

/// What a case gives: a file of its folder, and its content.
pub(crate) struct Found {
    file: &'static str,
    other: &'static str,
    text: String,
    /// What plugins wrote and logged: shown where something differs, and never compared.
    log: String,
}

impl Found {
    pub(crate) fn output(text: String, log: String) -> Self {
        Self {
            file: EXPECTED,
            other: ERROR,
            text,
            log,
        }
    }

    pub(crate) fn error(text: String, log: String) -> Self {
        Self {
            file: ERROR,
            other: EXPECTED,
            text,
            log,
        }
    }
}

/// Holds `found` against its folder, or writes it there.
pub(crate) fn settle(
    folder: &Path,
    found: &Found,
    mode: Mode,
) -> Result<Option<Mismatch>, CaseError> {
    match mode {
        Mode::Bless => bless(folder, found).map(|()| None),
        Mode::Check => compare(folder, found),
    }
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

pub(crate) fn read(file: &Path) -> Result<String, CaseError> {
    fs::read_to_string(file).map_err(|source| CaseError::Io {
        path: file.to_owned(),
        source,
    })
}

//! Programs in Go that tests run: where they are, and one of them, a registry.
//!
//! A package of its own, so that a crate whose tests need a registry builds nothing else for it.

mod registry;

use std::path::{Path, PathBuf};
use std::process::Command;

pub use registry::Registry;

/// Why there is no program to run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

/// The folder into which `script`, one of `hack/`, builds its programs, whether it has done so or not.
///
/// The script knows the folder; computed twice, the two would drift apart.
///
/// # Errors
///
/// Where the script does not say.
pub fn built(script: &str) -> Result<PathBuf, StartError> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../hack")
        .join(script);
    let failed = |why: String| {
        let script = script.display();
        StartError(format!(
            "failed to ask {script} where its programs are: {why}"
        ))
    };
    let output = Command::new(&script)
        .arg("path")
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{}: {stderr}", output.status)));
    }
    Ok(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_names_a_folder_of_its_own() {
        let [control_plane, registry] =
            ["control-plane.sh", "registry.sh"].map(|script| built(script).unwrap());
        assert!(control_plane.is_absolute() && registry.is_absolute());
        assert_ne!(control_plane, registry);
    }

    #[test]
    fn a_script_that_is_missing_is_named() {
        let error = built("none.sh").unwrap_err().to_string();
        assert!(error.contains("hack/none.sh"), "{error}");
    }
}

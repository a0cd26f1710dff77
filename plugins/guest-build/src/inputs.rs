//! Which files decide a guest's bytes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What every guest of a workspace depends on: profile, versions, toolchain.
pub(crate) fn of_workspace(root: &Path) -> [PathBuf; 3] {
    ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"].map(|name| root.join(name))
}

/// The sources that cargo lists in an artifact's `.d` file, those of its path dependencies included, and the manifests of
/// their packages.
pub(crate) fn of_artifact(dep_info: &str, root: &Path) -> BTreeSet<PathBuf> {
    let mut files: BTreeSet<PathBuf> = dep_info.lines().flat_map(prerequisites).collect();
    let manifests: Vec<PathBuf> = files
        .iter()
        .filter_map(|file| manifest(file, root))
        .collect();
    files.extend(manifests);
    files
}

/// `target: a b\ c` → `a`, `b c`, as make reads it.
fn prerequisites(rule: &str) -> Vec<PathBuf> {
    const SPACE: &str = "\u{0}";
    let Some((_, list)) = rule.split_once(": ") else {
        return Vec::new();
    };
    list.replace("\\ ", SPACE)
        .split_whitespace()
        .map(|path| PathBuf::from(path.replace(SPACE, " ")))
        .collect()
}

fn manifest(file: &Path, root: &Path) -> Option<PathBuf> {
    file.ancestors()
        .skip(1)
        .take_while(|folder| folder.starts_with(root))
        .map(|folder| folder.join("Cargo.toml"))
        .find(|manifest| manifest.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prerequisites_are_read_as_make_does() {
        for (rule, expected) in [
            (
                "/t/a.wasm: /s/lib.rs /my\\ s/b.rs",
                vec!["/s/lib.rs", "/my s/b.rs"],
            ),
            ("/t/a.wasm:", vec![]),
            ("", vec![]),
        ] {
            let expected: Vec<PathBuf> = expected.into_iter().map(PathBuf::from).collect();
            assert_eq!(prerequisites(rule), expected, "{rule}");
        }
    }

    #[test]
    fn the_manifest_of_each_source_counts() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let source = package.join("src").join("lib.rs");
        let found = of_artifact(&format!("a.wasm: {}", source.display()), package);
        assert_eq!(found, BTreeSet::from([source, package.join("Cargo.toml")]));
    }
}

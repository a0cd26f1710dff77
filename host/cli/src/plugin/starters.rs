//! What `plugin new` writes, as part of the command: it works in any folder, with nothing but the language's own registry.

/// One file of a new project.
#[derive(Debug)]
pub(super) struct File {
    /// Below the project's folder.
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

/// Files of the repository's folder `$from`, under the paths that they get in a project.
macro_rules! files {
    ($from:literal: $($source:literal => $path:literal),+ $(,)?) => {
        &[$(File {
            path: $path,
            text: include_str!(concat!("../../../../", $from, "/", $source)),
        }),+]
    };
}

pub(super) const CONTRACT: &[File] = files!(".":
    "wit/0.1/phase.wit" => "wit/0.1/phase.wit",
    "docs/contract.md" => "docs/contract.md",
    "docs/input.schema.json" => "docs/input.schema.json",
);

pub(super) const RUST: &[File] = files!("plugins/starters/rust":
    "Cargo.toml" => "Cargo.toml",
    "README.md" => "README.md",
    ".cargo/config.toml" => ".cargo/config.toml",
    "gitignore" => ".gitignore",
    "src/lib.rs" => "src/lib.rs",
    "cases/default/request.yaml" => "cases/default/request.yaml",
    "cases/default/expected.yaml" => "cases/default/expected.yaml",
    "cases/empty/request.yaml" => "cases/empty/request.yaml",
    "cases/empty/error.txt" => "cases/empty/error.txt",
    "cases/literal/request.yaml" => "cases/literal/request.yaml",
    "cases/literal/expected.yaml" => "cases/literal/expected.yaml",
    "sdk/Cargo.toml" => "testbench/sdk/Cargo.toml",
);

/// Two folders above it, as in the repository, lies `wit/`.
pub(super) const RUST_SDK: &[File] = files!("plugins/sdk":
    "src/bindings.rs" => "testbench/sdk/src/bindings.rs",
    "src/component.rs" => "testbench/sdk/src/component.rs",
    "src/contract.rs" => "testbench/sdk/src/contract.rs",
    "src/contribution.rs" => "testbench/sdk/src/contribution.rs",
    "src/env.rs" => "testbench/sdk/src/env.rs",
    "src/host.rs" => "testbench/sdk/src/host.rs",
    "src/lib.rs" => "testbench/sdk/src/lib.rs",
    "src/request.rs" => "testbench/sdk/src/request.rs",
    "src/template.rs" => "testbench/sdk/src/template.rs",
    "src/template.schema.json" => "testbench/sdk/src/template.schema.json",
    "src/testing.rs" => "testbench/sdk/src/testing.rs",
);

pub(super) const JAVASCRIPT: &[File] = files!("plugins/starters/javascript":
    "package.json" => "package.json",
    "package-lock.json" => "package-lock.json",
    "README.md" => "README.md",
    "gitignore" => ".gitignore",
    "plugin.js" => "plugin.js",
    "cases/default/request.yaml" => "cases/default/request.yaml",
    "cases/default/expected.yaml" => "cases/default/expected.yaml",
    "cases/empty/request.yaml" => "cases/empty/request.yaml",
    "cases/empty/error.txt" => "cases/empty/error.txt",
    "cases/literal/request.yaml" => "cases/literal/request.yaml",
    "cases/literal/expected.yaml" => "cases/literal/expected.yaml",
);

pub(super) const JAVASCRIPT_SDK: &[File] = files!("plugins/sdk-javascript":
    "testbench.js" => "testbench.js",
    "testbench.d.ts" => "testbench.d.ts",
);

pub(super) const PYTHON: &[File] = files!("plugins/starters/python":
    "Makefile" => "Makefile",
    "requirements.txt" => "requirements.txt",
    "README.md" => "README.md",
    "gitignore" => ".gitignore",
    "plugin.py" => "plugin.py",
    "cases/default/request.yaml" => "cases/default/request.yaml",
    "cases/default/expected.yaml" => "cases/default/expected.yaml",
    "cases/empty/request.yaml" => "cases/empty/request.yaml",
    "cases/empty/error.txt" => "cases/empty/error.txt",
    "cases/literal/request.yaml" => "cases/literal/request.yaml",
    "cases/literal/expected.yaml" => "cases/literal/expected.yaml",
);

pub(super) const PYTHON_SDK: &[File] = files!("plugins/sdk-python":
    "testbench.py" => "testbench.py",
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// A file that is added to a folder, and not to its list, would be missing in every new project.
    #[test]
    fn every_file_of_a_starter_and_of_an_sdk_is_written() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (folder, written) in [
            ("plugins/starters/rust", RUST),
            ("plugins/sdk/src", RUST_SDK),
            ("plugins/starters/javascript", JAVASCRIPT),
            ("plugins/sdk-javascript", JAVASCRIPT_SDK),
            ("plugins/starters/python", PYTHON),
            ("plugins/sdk-python", PYTHON_SDK),
        ] {
            let written: BTreeSet<_> = written.iter().map(|file| file.text.to_owned()).collect();
            let mut there = BTreeSet::new();
            texts(&repository.join(folder), &mut there);
            assert_eq!(there.len(), written.len(), "{folder}");
            assert!(
                there == written,
                "{folder}: lists another text than it holds"
            );
        }
    }

    fn texts(folder: &Path, texts_of: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("__pycache__") {
                continue;
            }
            if path.is_dir() {
                texts(&path, texts_of);
            } else {
                texts_of.insert(fs::read_to_string(path).unwrap());
            }
        }
    }

    /// Typed bindings that lack a key of the input would hide it from an author.
    #[test]
    fn the_types_for_javascript_name_every_key_of_the_input() {
        let types = include_str!("../../../../plugins/sdk-javascript/testbench.d.ts");
        for key in testbench_core::invoke::input_keys() {
            assert!(types.contains(&format!("  | \"{key}\"")), "{key}");
            assert!(types.contains(&format!("  {key}?: ")), "{key}");
        }
    }

    /// The SDK's manifest in a project has no workspace to take versions from.
    #[test]
    fn the_sdk_depends_on_the_same_in_a_project_as_here() {
        let root = include_str!("../../../../Cargo.toml");
        let sdk = include_str!("../../../../plugins/sdk/Cargo.toml");
        let copy = include_str!("../../../../plugins/starters/rust/sdk/Cargo.toml");
        let version = |manifest: &'static str, name: &str| {
            let line = manifest
                .lines()
                .find(|line| line.starts_with(&format!("{name} = ")));
            line.and_then(|line| line.split("version = \"").nth(1)?.split('"').next())
        };
        let own_version = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
        assert!(copy.contains(&own_version), "expected {own_version}");
        let dependencies = sdk.split("[dependencies]").nth(1).unwrap();
        let names = dependencies
            .lines()
            .filter_map(|line| line.split(['.', ' ']).next());
        for name in names.filter(|name| !name.is_empty()) {
            assert_eq!(version(copy, name), version(root, name), "{name}");
            assert!(version(copy, name).is_some(), "{name}");
        }
    }
}

//! Builds guest components from a build script: one cargo call for all of them, in a target folder of its own.
//!
//! Plain `cargo build` and `cargo test` then always use guests of the sources at hand. The same sources give the same
//! bytes on every machine, and nothing that the calling cargo is told (`RUSTFLAGS`, clippy, a compiler wrapper) reaches
//! the guests.
//!
//! ```no_run
//! // build.rs
//! # use std::process::ExitCode;
//! fn main() -> ExitCode {
//!     testbench_guest_build::main(&["my-plugin"])
//! }
//! // src/lib.rs: include_bytes!(concat!(env!("OUT_DIR"), "/my-plugin.wasm"))
//! ```

mod environment;
mod inputs;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::{fs, io};

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "guest";

/// Why the guests could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Called from elsewhere than a build script.
    #[error("expected cargo to set {0} for this build script, found nothing")]
    NotABuildScript(&'static str),
    /// A tool could not be started.
    #[error("failed to start {tool:?}")]
    Start {
        /// Path of the tool.
        tool: OsString,
        /// What the system said.
        source: io::Error,
    },
    /// The toolchain lacks the target.
    #[error("the Rust toolchain cannot build guests: run `rustup target add {TARGET}`")]
    TargetMissing,
    /// Cargo knows no workspace here.
    #[error("expected the folder {0:?} to be in a cargo workspace")]
    NoWorkspace(PathBuf),
    /// The guests do not compile.
    #[error("failed to build {packages:?} for {TARGET} ({status}): cargo's own words stand above")]
    Cargo {
        /// What was to be built.
        packages: Vec<String>,
        /// How cargo ended.
        status: ExitStatus,
    },
    /// A file could not be read or written.
    #[error("failed to access {path:?}")]
    File {
        /// Path of the file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// [`build`] as the whole of a build script: the causes of a failure go to standard error, which cargo then shows.
pub fn main(packages: &[&str]) -> ExitCode {
    let Err(error) = build(packages) else {
        return ExitCode::SUCCESS;
    };
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        eprintln!("error: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

/// Builds `packages` of the calling workspace as components, leaves each at `$OUT_DIR/<package>.wasm`, and tells cargo
/// which files to watch.
///
/// # Errors
/// When this is no build script, a guest does not compile, or a file cannot be accessed.
pub fn build(packages: &[&str]) -> Result<(), BuildError> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let cargo = variable("CARGO")?;
    let folder = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    if !has_target(&variable("RUSTC")?)? {
        return Err(BuildError::TargetMissing);
    }
    let workspace = workspace(&cargo, &folder)?;
    let target = out.join("guests");
    run(&cargo, &workspace, &target, packages)?;

    let built = target.join(TARGET).join(PROFILE);
    let mut watched = BTreeSet::from(inputs::of_workspace(&workspace));
    for package in packages {
        let artifact = built.join(package.replace('-', "_"));
        copy(
            &artifact.with_extension("wasm"),
            &out.join(format!("{package}.wasm")),
        )?;
        watched.extend(inputs::of_artifact(
            &read(&artifact.with_extension("d"))?,
            &workspace,
        ));
    }
    for path in watched {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    Ok(())
}

fn variable(name: &'static str) -> Result<OsString, BuildError> {
    std::env::var_os(name).ok_or(BuildError::NotABuildScript(name))
}

fn has_target(rustc: &OsString) -> Result<bool, BuildError> {
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|source| start(rustc, source))?;
    let folder = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && Path::new(folder.trim()).is_dir())
}

fn workspace(cargo: &OsString, folder: &Path) -> Result<PathBuf, BuildError> {
    let output = Command::new(cargo)
        .args(["locate-project", "--workspace", "--message-format=plain"])
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| start(cargo, source))?;
    let manifest = String::from_utf8_lossy(&output.stdout);
    match Path::new(manifest.trim()).parent() {
        Some(root) if output.status.success() => Ok(root.to_owned()),
        _ => Err(BuildError::NoWorkspace(folder.to_owned())),
    }
}

/// `--locked`: the calling cargo has settled the versions already, and this call must neither change nor fetch any.
fn run(
    cargo: &OsString,
    workspace: &Path,
    target: &Path,
    packages: &[&str],
) -> Result<(), BuildError> {
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--locked",
            "--profile",
            PROFILE,
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg(target)
        .current_dir(workspace)
        .stdout(Stdio::null());
    for package in packages {
        command.args(["--package", package]);
    }
    for name in std::env::vars_os().map(|(name, _)| name) {
        if environment::is_kept_out(&name) {
            command.env_remove(name);
        }
    }
    command.env(
        "CARGO_ENCODED_RUSTFLAGS",
        environment::rustflags(workspace, environment::cargo_home().as_deref()),
    );
    let status = command.status().map_err(|source| start(cargo, source))?;
    if status.success() {
        return Ok(());
    }
    Err(BuildError::Cargo {
        packages: packages.iter().map(|&package| package.to_owned()).collect(),
        status,
    })
}

fn start(tool: &OsString, source: io::Error) -> BuildError {
    BuildError::Start {
        tool: tool.to_owned(),
        source,
    }
}

fn read(path: &Path) -> Result<String, BuildError> {
    fs::read_to_string(path).map_err(|source| BuildError::File {
        path: path.to_owned(),
        source,
    })
}

fn copy(from: &Path, to: &Path) -> Result<(), BuildError> {
    fs::copy(from, to)
        .map(drop)
        .map_err(|source| BuildError::File {
            path: from.to_owned(),
            source,
        })
}

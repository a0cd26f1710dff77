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
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::{fmt, fs, io};

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "guest";

/// Why the guests could not be built.
#[derive(Debug)]
pub enum BuildError {
    /// Called from elsewhere than a build script: the variable that is missing.
    NotABuildScript(&'static str),
    /// A tool could not be started.
    Start {
        /// Path of the tool.
        tool: OsString,
        /// What the system said.
        source: io::Error,
    },
    /// The toolchain lacks the target.
    TargetMissing,
    /// Cargo knows no workspace in this folder.
    NoWorkspace(PathBuf),
    /// The guests do not compile.
    Cargo {
        /// What was to be built.
        packages: Vec<String>,
        /// How cargo ended.
        status: ExitStatus,
    },
    /// A file could not be read or copied.
    File {
        /// Path of the file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABuildScript(name) => {
                write!(
                    f,
                    "expected cargo to set {name} for this build script, found nothing"
                )
            }
            Self::Start { tool, .. } => write!(f, "failed to start {tool:?}"),
            Self::TargetMissing => write!(
                f,
                "the Rust toolchain cannot build guests: run `rustup target add {TARGET}`"
            ),
            Self::NoWorkspace(folder) => {
                write!(
                    f,
                    "expected {folder:?} to be in a cargo workspace, found none"
                )
            }
            Self::Cargo { packages, status } => {
                let packages = packages.join(", ");
                write!(
                    f,
                    "failed to build {packages} for {TARGET} ({status}): cargo's own words stand above"
                )
            }
            Self::File { path, .. } => write!(f, "failed to access {path:?}"),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start { source, .. } | Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
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

/// `--locked`: the calling cargo has settled the versions already, and this one must not change any.
fn run(
    cargo: &OsString,
    workspace: &Path,
    target: &Path,
    packages: &[&str],
) -> Result<(), BuildError> {
    // On a machine without any sources yet, where they will lie is known only once they do.
    if environment::registries().is_empty() {
        succeed(
            clean(cargo, workspace).args(["fetch", "--locked"]),
            packages,
        )?;
    }
    let mut build = clean(cargo, workspace);
    build
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
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            environment::rustflags(workspace, &environment::registries()),
        );
    for package in packages {
        build.args(["--package", package]);
    }
    succeed(&mut build, packages)
}

/// Cargo without what the calling one was told.
fn clean(cargo: &OsString, workspace: &Path) -> Command {
    let mut command = Command::new(cargo);
    command.current_dir(workspace).stdout(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if environment::is_kept_out(&name) {
            command.env_remove(name);
        }
    }
    command
}

fn succeed(command: &mut Command, packages: &[&str]) -> Result<(), BuildError> {
    let status = command
        .status()
        .map_err(|source| start(command.get_program(), source))?;
    if status.success() {
        return Ok(());
    }
    Err(BuildError::Cargo {
        packages: packages.iter().map(|&package| package.to_owned()).collect(),
        status,
    })
}

fn start(tool: &OsStr, source: io::Error) -> BuildError {
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

//! `testbench plugin`: for whoever writes a phase. Everything runs on the engine, under the limits and by the rules of a cluster.

mod bench;
mod inspect;
mod new;
mod path;
mod push;
mod registry;
mod starters;
mod test;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use testbench_core::alone::Subject;
use testbench_engine::{Engine, EngineOptions};

use crate::{CommandError, Verdict, failed};

/// Write a phase of your own: a component that the operator runs as it runs the bundled ones.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::Args),
    Inspect(inspect::Args),
    Test(test::Args),
    Bench(bench::Args),
    Push(push::Args),
    Path(path::Args),
}

pub(crate) fn run(Args { command }: Args) -> Result<Verdict, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    match command {
        Command::New(args) => new::run(args),
        Command::Inspect(args) => runtime.block_on(inspect::run(args)),
        Command::Test(args) => runtime.block_on(test::run(args)),
        Command::Bench(args) => runtime.block_on(bench::run(args)),
        Command::Path(args) => path::run(&args),
        Command::Push(args) => runtime.block_on(push::run(args)),
    }
}

async fn load(file: &Path) -> Result<Subject, CommandError> {
    let engine = Engine::new(EngineOptions::default()).map_err(failed)?;
    testbench_testkit::load(&engine, file).await.map_err(failed)
}

/// Where builds of the three languages leave a component, below a project's folder.
const OUTPUTS: &str = "plugin.wasm or target/wasm32-wasip2/release/*.wasm";

/// The newest component that a build has left in `project`.
fn built_in(project: &Path) -> Result<PathBuf, CommandError> {
    // As cargo has it; a relative one is relative to the project.
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let release = project.join(target).join("wasm32-wasip2/release");
    let of_cargo = std::fs::read_dir(release)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "wasm")
        });
    let candidates = of_cargo.chain([project.join("plugin.wasm")]);
    let newest = candidates
        .filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file)))
        .max();
    newest.map(|(_, file)| file).ok_or_else(|| {
        failed(format!(
            "expected {OUTPUTS} in {}, found none; build the plugin first, or name it with --component",
            project.display()
        ))
    })
}

/// `18.4 MB`, as people compare files.
fn megabytes(bytes: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    let megabytes = bytes as f64 / 1e6;
    format!("{megabytes:.1} MB")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn the_newest_build_is_the_one_that_counts() {
        let project = tempfile::tempdir().unwrap();
        let release = project.path().join("target/wasm32-wasip2/release");
        let missing = built_in(project.path()).unwrap_err().to_string();
        assert!(missing.contains("build the plugin first"), "{missing}");

        fs::create_dir_all(&release).unwrap();
        let now = SystemTime::now();
        let write = |file: &Path, age: u64| {
            let file = fs::File::create(file).unwrap();
            file.set_modified(now - Duration::from_secs(age)).unwrap();
        };
        let (of_cargo, other) = (release.join("x.wasm"), project.path().join("plugin.wasm"));
        write(&of_cargo, 10);
        write(&release.join("x.d"), 0);
        assert_eq!(built_in(project.path()).unwrap(), of_cargo);
        write(&other, 5);
        assert_eq!(built_in(project.path()).unwrap(), other);
    }
}

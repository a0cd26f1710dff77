use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use testbench_testkit::{Mode, RequestCases};

use super::{built_in, load};
use crate::{CommandError, Verdict, failed};

/// Call a plugin with the requests of its case folders, and say what differs from what they expect.
///
/// A case is a folder below `cases/` with `request.yaml` (`settings` and `input`, both optional) and `expected.yaml`, the
/// contribution, or `error.txt`, why there is none. Exit code 0: all as expected; 1: something differs; 2: bad usage, or no plugin.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The project: a folder with `cases/` in it.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The component; by default, the newest that a build has left in the project.
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// Write what the plugin answers into the folders, instead of comparing it.
    #[arg(long)]
    bless: bool,
}

pub(super) async fn run(args: Args) -> Result<Verdict, CommandError> {
    let Args {
        dir,
        component,
        bless,
    } = args;
    let component = match component {
        Some(named) => named,
        None => found(&dir)?,
    };
    let cases = RequestCases::below(&dir.join("cases")).map_err(failed)?;
    let plugin = load(&component).await?;
    let mode = if bless { Mode::Bless } else { Mode::Check };
    let mismatches = cases.run(&plugin, mode).await.map_err(failed)?;
    for mismatch in &mismatches {
        eprintln!("{mismatch}");
    }
    let (all, wrong) = (cases.len(), mismatches.len());
    let component = component.display();
    if wrong > 0 {
        eprintln!("{wrong} of {all} cases differ ({component}); accept what is meant with --bless");
        return Ok(Verdict::Invalid);
    }
    let done = if bless { "written" } else { "as expected" };
    println!("{all} cases {done} ({component})");
    Ok(Verdict::Good)
}

fn found(project: &Path) -> Result<PathBuf, CommandError> {
    let component = built_in(project)?;
    if let Some(newer) = newer_source(project, &component) {
        eprintln!(
            "warning: {} is newer than {}: build first",
            newer.display(),
            component.display()
        );
    }
    Ok(component)
}

/// A source of the project that the component cannot hold yet.
fn newer_source(project: &Path, component: &Path) -> Option<PathBuf> {
    let built = modified(component)?;
    let mut sources = Vec::new();
    collect(project, &mut sources);
    sources
        .into_iter()
        .find(|file| modified(file).is_some_and(|changed| changed > built))
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().ok()?.modified().ok()
}

/// Sources by their endings, where people keep them; what installs and builds leave is none.
fn collect(folder: &Path, sources: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules", "cases"].contains(&name) {
                collect(&path, sources);
            }
        } else if [".rs", ".js", ".py", ".wit"]
            .iter()
            .any(|ending| name.ends_with(ending))
        {
            sources.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_source_that_is_newer_than_the_component_is_found() {
        let project = tempfile::tempdir().unwrap();
        let component = project.path().join("plugin.wasm");
        fs::write(&component, "").unwrap();
        let write = |name: &str| {
            let path = project.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = fs::File::create(&path).unwrap();
            let later = SystemTime::now() + Duration::from_secs(60);
            file.set_modified(later).unwrap();
            path
        };
        write("node_modules/x/index.js");
        write(".venv/lib/x.py");
        write("README.md");
        assert_eq!(newer_source(project.path(), &component), None);
        let source = write("src/lib.rs");
        assert_eq!(newer_source(project.path(), &component), Some(source));
    }
}

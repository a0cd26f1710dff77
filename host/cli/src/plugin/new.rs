use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::starters::{self, File};
use crate::{CommandError, Verdict, failed, print};

/// Start a plugin: a folder with a small phase that builds and passes its test, the SDK, and the contract.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plugin's name: 1 to 63 of a-z, 0-9 and `-`, with a letter first.
    #[arg(value_parser = plugin_name)]
    name: String,
    /// The language to write it in.
    #[arg(long, value_enum)]
    lang: Language,
    /// The folder: a new or an empty one; by default, one called as the plugin.
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Language {
    /// Needs cargo: a component of 0.2 MB.
    Rust,
    /// Needs Node.js: a component of 1 MB.
    Javascript,
    /// Needs Python and make: a component of 18 MB.
    Python,
}

impl Language {
    /// The starter's own files, in which the plugin's name is put, and those that come along as they are.
    fn files(self) -> (&'static [File], &'static [File]) {
        match self {
            Self::Rust => (starters::RUST, starters::RUST_SDK),
            Self::Javascript => (starters::JAVASCRIPT, starters::JAVASCRIPT_SDK),
            Self::Python => (starters::PYTHON, starters::PYTHON_SDK),
        }
    }

    /// What to type next.
    fn next(self) -> &'static str {
        match self {
            Self::Rust => "cargo test && cargo plugin && testbench plugin test",
            Self::Javascript => "npm install && npm test",
            Self::Python => "make test",
        }
    }
}

/// A name that is fine for a descriptor, a crate, and a package of npm.
fn plugin_name(name: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = (1..=63).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(allowed);
    if fits {
        Ok(name.to_owned())
    } else {
        Err("expected 1 to 63 of a-z, 0-9 and `-`, with a letter first and no `-` last".to_owned())
    }
}

pub(super) fn run(Args { name, lang, dir }: Args) -> Result<Verdict, CommandError> {
    let dir = dir.unwrap_or_else(|| PathBuf::from(&name));
    if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(failed(format!(
            "{} holds files already; name a new or an empty folder with --dir",
            dir.display()
        )));
    }
    let (own, brought) = lang.files();
    for File { path, text } in own {
        write(&dir.join(path), &named(text, &name))?;
    }
    for File { path, text } in brought.iter().chain(starters::CONTRACT) {
        write(&dir.join(path), text)?;
    }
    print(&format!(
        "{} holds the plugin `{name}`; README.md says what is where. Next:\n\n    cd {} && {}\n",
        dir.display(),
        dir.display(),
        lang.next()
    ))?;
    Ok(Verdict::Good)
}

/// `text` of a starter, for a plugin of this name.
fn named(text: &str, name: &str) -> String {
    text.replace("my-phase", name)
        .replace("my_phase", &name.replace('-', "_"))
}

fn write(file: &Path, text: &str) -> Result<(), CommandError> {
    let written = file.parent().map_or(Ok(()), fs::create_dir_all);
    written
        .and_then(|()| fs::write(file, text))
        .map_err(|error: io::Error| failed(format!("failed to write {}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_every_place_that_they_go_to() {
        for good in ["a", "red-team", "x9", &"a".repeat(63)] {
            assert!(plugin_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "9a",
            "A",
            "a_b",
            "a/b",
            "..",
            &"a".repeat(64),
        ] {
            assert!(plugin_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_starter_takes_the_name_of_its_plugin() {
        assert_eq!(named("my-phase my_phase", "red-team"), "red-team red_team");
    }
}

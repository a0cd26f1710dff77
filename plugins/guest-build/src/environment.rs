//! What of the calling cargo reaches the guests' build, and what of the machine reaches their bytes.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// A guest's stack. The 1 MiB of rustc's default would be the larger part of a plugin's memory, of which every call takes
/// a fresh one. Reading and writing JSON of 64 levels, the most that the contract allows, takes less than a quarter of this.
const STACK_BYTES: u32 = 128 * 1024;

/// Variables of cargo that name where things are, not how to build.
const PLACES: [&str; 5] = [
    "CARGO_HOME",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTR",
];

/// Whether a variable could change the guests' bytes or lead their build elsewhere: compiler flags and wrappers, profile
/// overrides, clippy, and whatever cargo sets for the calling build script.
pub(crate) fn is_kept_out(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let builds = [
        "CARGO",
        "__CARGO",
        "RUSTC",
        "RUSTFLAGS",
        "RUSTDOC",
        "CLIPPY",
    ];
    builds.iter().any(|prefix| name.starts_with(prefix))
        && !PLACES.iter().any(|place| name.starts_with(place))
}

/// The folders in which cargo unpacks sources, one a registry.
pub(crate) fn registries() -> Vec<PathBuf> {
    let of_user = || std::env::home_dir().map(|home| home.join(".cargo"));
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let sources = home
        .or_else(of_user)
        .map(|home| home.join("registry").join("src"));
    let folders = sources.and_then(|folder| folder.read_dir().ok());
    let entries = folders.into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Flags in cargo's own encoding. They replace those of every configuration file.
///
/// Panic messages carry the paths of their sources: each is written relative to the workspace or to its registry, whose
/// folder's name is a hash of where the machine downloads from.
pub(crate) fn rustflags(workspace: &Path, registries: &[PathBuf]) -> OsString {
    let mut flags = vec![
        OsString::from(format!("-Clink-arg=-zstack-size={STACK_BYTES}")),
        remap(workspace, "workspace"),
    ];
    flags.extend(registries.iter().map(|folder| remap(folder, "registry")));
    flags.join(OsStr::new("\u{1f}"))
}

fn remap(from: &Path, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(from);
    flag.push("=");
    flag.push(to);
    flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_reach_the_guests() {
        for kept_out in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_BUILD_RUSTC_WRAPPER",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_TARGET_DIR",
            "CLIPPY_ARGS",
            "CARGO_PKG_NAME",
        ] {
            assert!(is_kept_out(OsStr::new(kept_out)), "{kept_out}");
        }
        for kept in [
            "PATH",
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "RUSTUP_TOOLCHAIN",
        ] {
            assert!(!is_kept_out(OsStr::new(kept)), "{kept}");
        }
    }

    #[test]
    fn flags_leave_no_place_in_the_bytes() {
        assert_eq!(
            rustflags(Path::new("/a b"), &[PathBuf::from("/home/registry/src/x")]),
            "-Clink-arg=-zstack-size=131072\u{1f}--remap-path-prefix=/a b=workspace\u{1f}\
             --remap-path-prefix=/home/registry/src/x=registry",
        );
    }
}

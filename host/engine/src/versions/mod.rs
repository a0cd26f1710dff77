//! The versions of the contract that this host speaks. Each is a folder below `wit/`, and here a module with its bindings and an
//! adapter: from what its components say to [`crate::said`], and from what they ask for to [`State`]. Nothing else in this crate
//! knows a type of any version.
//!
//! To add one: its folder, a module like [`v0_1`], and a line in [`VERSIONS`]. `next.rs` is one that exists in tests alone.

#[cfg(test)]
mod next;
mod v0_1;

use std::pin::Pin;
use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{InstancePre, Linker};

use crate::said;
use crate::sandbox::State;

pub use self::v0_1::{CONTRACT, GENERATOR};

/// What this host speaks, newest first: of a component that was built for several, the first counts.
pub(crate) const VERSIONS: &[Version] = &[v0_1::VERSION];

/// The interface that every version exports, before `@` and the version.
const GENERATOR_OF_ANY: &str = "testbench:phase/generator@";

/// One version of the contract.
pub(crate) struct Version {
    /// Its number.
    pub(crate) contract: &'static str,
    /// The export by which a component is one of this version.
    pub(crate) generator: &'static str,
    /// The contract's interfaces that a component of this version may import.
    pub(crate) imports: &'static [&'static str],
    /// Offers these to components.
    pub(crate) link: fn(&mut Linker<State>) -> wasmtime::Result<()>,
    /// Takes a component of this version.
    pub(crate) guest: fn(InstancePre<State>) -> wasmtime::Result<Arc<dyn Guest>>,
}

/// A linked component behind the adapter of its version. Each call instantiates it.
pub(crate) trait Guest: Send + Sync {
    fn describe<'a>(&'a self, store: &'a mut Store<State>) -> Calling<'a, said::Descriptor>;

    fn generate<'a>(
        &'a self,
        store: &'a mut Store<State>,
        request: said::Request,
    ) -> Calling<'a, said::Answer>;
}

/// A call that runs when it is awaited.
pub(crate) type Calling<'a, T> = Pin<Box<dyn Future<Output = wasmtime::Result<T>> + Send + 'a>>;

/// The version for which a component with these exports was built, where it is one of `spoken`. The exact name counts: semver would
/// also take 0.1.7 for 0.1.0, whatever 0.1.7 will mean.
pub(crate) fn version_of(
    exports: &[String],
    spoken: &'static [Version],
) -> Option<&'static Version> {
    spoken
        .iter()
        .find(|version| exports.iter().any(|name| name == version.generator))
}

/// The version that an export of a generator names.
pub(crate) fn named_by(export: &str) -> Option<&str> {
    export.strip_prefix(GENERATOR_OF_ANY)
}

/// The exports that this host looks for, one a version of the contract, newest first.
pub fn generators() -> impl Iterator<Item = &'static str> {
    VERSIONS.iter().map(|version| version.generator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_name_of_an_export_tells_its_version() {
        let version = |exports: &[&str]| {
            let exports: Vec<_> = exports.iter().map(|&name| name.to_owned()).collect();
            version_of(&exports, VERSIONS).map(|version| version.contract)
        };
        assert_eq!(version(&["init", GENERATOR]), Some(CONTRACT));
        for other in ["0.1.7", "0.1.0-rc.1", "0.1.0+build", "0.1", "0.2.0"] {
            assert_eq!(version(&[&format!("{GENERATOR_OF_ANY}{other}")]), None);
        }
        assert_eq!(version(&["testbench:phase/generator", "generator"]), None);
    }

    /// The names of a version stand in three places: its folder, its line here, and its export.
    #[test]
    fn each_version_names_its_own_export_and_imports() {
        for version in VERSIONS {
            assert_eq!(named_by(version.generator), Some(version.contract));
            for import in version.imports {
                let (interface, number) = import.split_once('@').unwrap();
                assert!(interface.starts_with("testbench:phase/"), "{import}");
                assert_eq!(number, version.contract, "{import}");
            }
        }
    }
}

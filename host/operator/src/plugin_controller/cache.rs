//! Components and their native code on disk, so that a restart needs no registry and no compiler.
//!
//! `components/<digest>.wasm` is what was fetched, `native/<engine>/<digest>` what was compiled of it, `good/<uid>` the digest that a
//! PhasePlugin served last: only with that does a component in the cache serve it again without asking its source. The folder is the
//! operator's alone. Files are never written twice: a new one takes the old one's place.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The cache of one operator.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    native: PathBuf,
}

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The folder cannot be made or read.
    #[error("failed to use {0} as the folder for components")]
    Io(PathBuf, #[source] io::Error),
    /// Native code in it would be somebody else's, and runs without a sandbox.
    #[error(
        "others may write to {0}, and native code in it would run with the operator's rights; choose another --cache-dir"
    )]
    Open(PathBuf),
}

impl Cache {
    /// The cache in `dir`, for native code that `native_key` names.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be used, or others can write to it.
    pub fn open(dir: &Path, native_key: &str) -> Result<Self, CacheError> {
        let folder = dir.join("testbench");
        let failed = |error| CacheError::Io(folder.clone(), error);
        make(dir, 0o755).map_err(failed)?;
        // A volume is often everybody's; a folder below it is ours.
        make(&folder, 0o700).map_err(failed)?;
        let metadata = fs::symlink_metadata(&folder).map_err(failed)?;
        let own = rustix::process::geteuid().as_raw();
        if !metadata.is_dir() || metadata.uid() != own || metadata.mode() & 0o022 != 0 {
            return Err(CacheError::Open(folder));
        }
        let native = folder.join("native").join(native_key);
        for below in [&folder.join("components"), &native, &folder.join("good")] {
            make(below, 0o700).map_err(failed)?;
        }
        let cache = Self {
            folder: folder.clone(),
            native,
        };
        cache.tidy().map_err(failed)?;
        Ok(cache)
    }

    /// Removes what no PhasePlugin served last, and what was compiled for another engine.
    fn tidy(&self) -> io::Result<()> {
        let mut good = BTreeSet::new();
        for file in fs::read_dir(self.folder.join("good"))? {
            let digest = fs::read_to_string(file?.path())?;
            good.extend([self.component(&digest), self.native(&digest)]);
        }
        for folder in [self.folder.join("components"), self.native.clone()] {
            for file in fs::read_dir(folder)? {
                let file = file?.path();
                if !good.contains(&file) {
                    fs::remove_file(file)?;
                }
            }
        }
        for engine in fs::read_dir(self.folder.join("native"))? {
            let engine = engine?.path();
            if engine != self.native {
                fs::remove_dir_all(engine)?;
            }
        }
        Ok(())
    }

    /// Where the component with this digest is, or would be.
    pub fn component(&self, digest: &str) -> PathBuf {
        let name = digest.replace(':', "-");
        self.folder.join("components").join(name + ".wasm")
    }

    /// Where its native code is, or would be.
    pub fn native(&self, digest: &str) -> PathBuf {
        self.native.join(digest.replace(':', "-"))
    }

    /// Keeps a component.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn keep(&self, digest: &str, wasm: &[u8]) -> io::Result<()> {
        replace(&self.component(digest), wasm)
    }

    /// The digest that the PhasePlugin with this UID served last.
    pub fn last_good(&self, uid: &str) -> Option<String> {
        fs::read_to_string(self.good(uid)).ok()
    }

    /// The PhasePlugin with this UID serves the component with this digest.
    ///
    /// # Errors
    ///
    /// Where that cannot be written.
    pub fn set_last_good(&self, uid: &str, digest: &str) -> io::Result<()> {
        if self.last_good(uid).as_deref() == Some(digest) {
            return Ok(());
        }
        replace(&self.good(uid), digest.as_bytes())
    }

    /// The PhasePlugin with this UID is gone.
    pub fn forget(&self, uid: &str) {
        // What stays says nothing of any other PhasePlugin.
        let _ = fs::remove_file(self.good(uid));
    }

    /// UIDs come from the API server; whatever they hold, they are one file's name.
    fn good(&self, uid: &str) -> PathBuf {
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        let name: String = uid.chars().filter(is_plain).collect();
        self.folder.join("good").join(name)
    }
}

fn make(folder: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(folder)
}

/// Nobody ever sees half a file, nor one that changes under a mapping.
pub(super) fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut new, content)?;
    new.as_file()
        .set_permissions(Permissions::from_mode(0o600))?;
    new.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again_under_its_digest_and_uid() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), "key").unwrap();
        cache.keep("sha256:00ff", b"wasm").unwrap();
        cache.keep("sha256:0000", b"unused").unwrap();
        cache.set_last_good("../uid/1", "sha256:00ff").unwrap();

        let again = Cache::open(dir.path(), "key").unwrap();
        assert_eq!(fs::read(again.component("sha256:00ff")).unwrap(), b"wasm");
        assert!(!again.component("sha256:0000").exists());
        assert_eq!(again.last_good("../uid/1").as_deref(), Some("sha256:00ff"));
        assert_eq!(again.last_good("another"), None);
        assert!(dir.path().join("testbench/good/uid1").exists());
        again.forget("../uid/1");
        assert_eq!(again.last_good("../uid/1"), None);
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("testbench");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        let refused = Cache::open(dir.path(), "key");
        assert!(matches!(refused, Err(CacheError::Open(_))));
    }
}

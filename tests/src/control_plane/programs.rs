//! Where the programs are.

use std::path::{Path, PathBuf};

use testbench_test_programs::built;

use super::StartError;

/// The programs of a control plane.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) etcd: PathBuf,
    pub(super) kube_apiserver: PathBuf,
    pub(super) kube_controller_manager: PathBuf,
    pub(super) kubectl: PathBuf,
}

impl Programs {
    /// From envtest's folder what it holds, all else from what `make control-plane` built.
    pub(super) fn find() -> Result<Self, StartError> {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS")
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from);
        let built = built("control-plane.sh").map_err(|error| StartError(error.to_string()))?;
        let find = |name| find(name, assets.as_deref(), &built);
        Ok(Self {
            etcd: find("etcd")?,
            kube_apiserver: find("kube-apiserver")?,
            kube_controller_manager: find("kube-controller-manager")?,
            kubectl: find("kubectl")?,
        })
    }
}

fn find(name: &str, assets: Option<&Path>, built: &Path) -> Result<PathBuf, StartError> {
    let found = assets
        .into_iter()
        .chain([built])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file());
    found.ok_or_else(|| {
        let assets = assets.map_or_else(
            || "KUBEBUILDER_ASSETS is not set".to_owned(),
            |assets| format!("nor in KUBEBUILDER_ASSETS, {}", assets.display()),
        );
        StartError(format!(
            "expected the program {name}, but it is not in {} ({assets}): run `make control-plane`, which builds it",
            built.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_envtest_lacks_comes_from_what_was_built() {
        let assets = tempfile::tempdir().unwrap();
        let built = tempfile::tempdir().unwrap();
        for (folder, name) in [
            (&assets, "kubectl"),
            (&built, "kubectl"),
            (&built, "kube-controller-manager"),
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let find = |name| find(name, Some(assets.path()), built.path());
        assert_eq!(find("kubectl").unwrap(), assets.path().join("kubectl"));
        assert_eq!(
            find("kube-controller-manager").unwrap(),
            built.path().join("kube-controller-manager")
        );
        let missing = find("etcd").unwrap_err().to_string();
        for part in [
            "etcd",
            "make control-plane",
            assets.path().to_str().unwrap(),
        ] {
            assert!(missing.contains(part), "{missing}");
        }
    }
}

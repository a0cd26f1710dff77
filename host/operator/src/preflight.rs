//! A look at the cluster before anything starts, so that what is wrong with an installation is said once, with what to do about it.

use kube::Client;
use kube::api::{Api, DynamicObject, ListParams};
use testbench_core::error::with_causes;

use crate::kinds::{
    AGENT, AI_GATEWAY, CONFIG_MAP, EXPERIMENT, Kind, TEMPLATE, TEST_TRIGGER, TEST_WORKFLOW,
};
use crate::watch::Namespaces;

/// What is wrong with the installation.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// No API server answers.
    #[error(
        "failed to reach the Kubernetes API server: {0}; check the kubeconfig, or the network from this pod"
    )]
    Unreachable(String),
    /// Our own kind is not installed.
    #[error(
        "the cluster has no CustomResourceDefinition {}; install it: `testbench crd | kubectl apply --server-side -f -`",
        EXPERIMENT.crd_name()
    )]
    NotInstalled,
    /// Our own kind is installed in other versions only.
    #[error(
        "the cluster serves Experiments as {found} only, this operator speaks {}; install its CustomResourceDefinition: `testbench crd | \
         kubectl apply --server-side -f -`", EXPERIMENT.api_version
    )]
    OtherVersion {
        /// What is served.
        found: String,
    },
    /// The operator's account lacks rights.
    #[error(
        "the operator's account may not list these kinds: {0}; apply the ClusterRole of deploy/install.yaml, or narrow --watch-namespaces"
    )]
    Forbidden(String),
}

/// Looks whether the API server answers, serves Experiments, and lets the operator list what it watches.
pub(crate) async fn check(client: &Client, namespaces: &Namespaces) -> Result<(), PreflightError> {
    check_version(client).await?;
    let kinds = [
        EXPERIMENT,
        AGENT,
        AI_GATEWAY,
        CONFIG_MAP,
        TEST_WORKFLOW,
        TEST_TRIGGER,
        TEMPLATE,
    ];
    let mut forbidden = Vec::new();
    for kind in kinds {
        if is_forbidden(client, kind, namespaces).await? {
            forbidden.push(format!("{} ({})", kind.plural, kind.api_version));
        }
    }
    if forbidden.is_empty() {
        Ok(())
    } else {
        Err(PreflightError::Forbidden(forbidden.join(", ")))
    }
}

async fn check_version(client: &Client) -> Result<(), PreflightError> {
    let groups = client.list_api_groups().await.map_err(unreachable)?;
    let (wanted, _) = EXPERIMENT
        .api_version
        .split_once('/')
        .unwrap_or((EXPERIMENT.api_version, ""));
    let group = groups.groups.into_iter().find(|group| group.name == wanted);
    let group = group.ok_or(PreflightError::NotInstalled)?;
    let versions: Vec<_> = group
        .versions
        .into_iter()
        .map(|version| version.group_version)
        .collect();
    if versions
        .iter()
        .any(|version| version == EXPERIMENT.api_version)
    {
        Ok(())
    } else {
        Err(PreflightError::OtherVersion {
            found: versions.join(", "),
        })
    }
}

async fn is_forbidden(
    client: &Client,
    kind: Kind,
    namespaces: &Namespaces,
) -> Result<bool, PreflightError> {
    let resource = kind.api_resource();
    let apis: Vec<Api<DynamicObject>> = match namespaces {
        Namespaces::All => vec![Api::all_with(client.clone(), &resource)],
        Namespaces::Named(names) => names
            .iter()
            .map(|name| Api::namespaced_with(client.clone(), name, &resource))
            .collect(),
    };
    for api in apis {
        match api.list_metadata(&ListParams::default().limit(1)).await {
            Err(kube::Error::Api(status)) if status.code == 403 => return Ok(true),
            Ok(_) | Err(kube::Error::Api(_)) => {}
            Err(error) => return Err(unreachable(error)),
        }
    }
    Ok(false)
}

fn unreachable(error: kube::Error) -> PreflightError {
    PreflightError::Unreachable(with_causes(&error))
}

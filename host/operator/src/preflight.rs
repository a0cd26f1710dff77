//! A look at the cluster before anything starts, so that what is wrong with an installation is said once, with what to do about it.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};
use testbench_core::error::with_causes;

use crate::kinds::EXPERIMENT;
use crate::rights::{RIGHTS, Right};
use crate::watch::Namespaces;

/// Questions to the API server that are open at the same time.
const QUESTIONS: usize = 8;

/// What is wrong with the installation.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// No API server answers.
    #[error(
        "failed to reach the Kubernetes API server: {0}; check the kubeconfig, or the network from this pod"
    )]
    Unreachable(String),
    /// The API server answers, and does not know who asks.
    #[error(
        "the Kubernetes API server does not accept the operator's credentials: {0}; check the user of the kubeconfig, or that the pod \
         has the token of its ServiceAccount"
    )]
    Unauthenticated(String),
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
        "the operator's account may not {}; apply deploy/install.yaml, or narrow --watch-namespaces", .0.join(", nor ")
    )]
    Forbidden(Vec<String>),
    /// The API server does not tell what it is asked.
    #[error("failed to find out what the operator's account may do")]
    NotTold(#[source] Box<kube::Error>),
}

/// Looks whether the API server answers, serves Experiments, and lets the operator do what it has to.
pub(crate) async fn check(client: &Client, namespaces: &Namespaces) -> Result<(), PreflightError> {
    check_version(client).await?;
    let questions = questions(namespaces);
    let forbidden = stream::iter(questions)
        .map(|question| async move { question.is_refused(client).await })
        .buffered(QUESTIONS)
        .try_filter_map(|refused| std::future::ready(Ok(refused)))
        .try_collect::<Vec<_>>()
        .await?;
    if forbidden.is_empty() {
        Ok(())
    } else {
        Err(PreflightError::Forbidden(forbidden_lines(&forbidden)))
    }
}

async fn check_version(client: &Client) -> Result<(), PreflightError> {
    let groups = client.list_api_groups().await.map_err(no_answer)?;
    let (wanted, _) = EXPERIMENT.group_version();
    let group = groups.groups.into_iter().find(|group| group.name == wanted);
    let group = group.ok_or(PreflightError::NotInstalled)?;
    let versions: BTreeSet<_> = group
        .versions
        .into_iter()
        .map(|version| version.group_version)
        .collect();
    if versions.contains(EXPERIMENT.api_version) {
        Ok(())
    } else {
        Err(PreflightError::OtherVersion {
            found: versions.into_iter().collect::<Vec<_>>().join(", "),
        })
    }
}

fn no_answer(error: kube::Error) -> PreflightError {
    match &error {
        kube::Error::Api(status) if status.code == 401 => {
            PreflightError::Unauthenticated(status.message.clone())
        }
        kube::Error::Api(_) => PreflightError::NotTold(Box::new(error)),
        _ => PreflightError::Unreachable(with_causes(&error)),
    }
}

/// May the account do this there?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question<'a> {
    right: Right,
    verb: &'static str,
    /// Everywhere, where it is none.
    namespace: Option<&'a str>,
}

fn questions(namespaces: &Namespaces) -> Vec<Question<'_>> {
    let places: Vec<_> = match namespaces {
        Namespaces::All => vec![None],
        Namespaces::Named(names) => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    let verbs = RIGHTS
        .iter()
        .flat_map(|right| right.verbs.iter().map(|verb| (*right, *verb)));
    let of = |(right, verb)| {
        places.iter().map(move |namespace| Question {
            right,
            verb,
            namespace: *namespace,
        })
    };
    verbs.flat_map(of).collect()
}

impl<'a> Question<'a> {
    /// Itself, where the answer is no.
    async fn is_refused(self, client: &Client) -> Result<Option<Self>, PreflightError> {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let Right {
            kind, subresource, ..
        } = self.right;
        let (group, _) = kind.group_version();
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    group: text(group),
                    resource: text(kind.plural),
                    subresource: text(subresource),
                    verb: text(self.verb),
                    namespace: self.namespace.and_then(text),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
        let answer = api.create(&PostParams::default(), &review).await;
        let status = answer.map_err(no_answer)?.status;
        Ok(status.is_none_or(|status| !status.allowed).then_some(self))
    }
}

/// The verbs of a resource together, a line for each resource and place.
fn forbidden_lines(forbidden: &[Question<'_>]) -> Vec<String> {
    let same =
        |a: &Question<'_>, b: &Question<'_>| a.right == b.right && a.namespace == b.namespace;
    let mut groups: Vec<Vec<Question<'_>>> = Vec::new();
    for question in forbidden {
        match groups.iter_mut().find(|group| same(&group[0], question)) {
            Some(group) => group.push(*question),
            None => groups.push(vec![*question]),
        }
    }
    groups.iter().map(|group| line(group)).collect()
}

fn line(group: &[Question<'_>]) -> String {
    let verbs: Vec<_> = group.iter().map(|question| question.verb).collect();
    let Question {
        right, namespace, ..
    } = group[0];
    let (api_group, _) = right.kind.group_version();
    let mut resource = right.kind.plural.to_owned();
    for (separator, part) in [("/", right.subresource), (".", api_group)] {
        if !part.is_empty() {
            resource.extend([separator, part]);
        }
    }
    let place = namespace.map_or("in all namespaces".to_owned(), |name| {
        format!("in namespace {name}")
    });
    format!("{} {resource} {place}", verbs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_by_verb_resource_and_place() {
        let all = |namespaces| forbidden_lines(&questions(namespaces));
        let everywhere = all(&Namespaces::All);
        assert_eq!(everywhere.len(), RIGHTS.len());
        for line in [
            "list, watch experiments.testbench.agentic-layer.ai in all namespaces",
            "patch experiments/status.testbench.agentic-layer.ai in all namespaces",
            "get, list, watch, create, patch, delete configmaps in all namespaces",
        ] {
            assert!(everywhere.contains(&line.to_owned()), "{everywhere:#?}");
        }
        let two = all(&Namespaces::Named(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(two.len(), 2 * RIGHTS.len());
        assert!(two.contains(&"create, patch events.events.k8s.io in namespace b".to_owned()));
    }
}

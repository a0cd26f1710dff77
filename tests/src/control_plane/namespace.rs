//! A namespace for each test.

use std::path::Path;
use std::thread;

use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::client;

/// A namespace that only one test knows; its deletion begins when this is dropped, and nobody waits for it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    deletions: UnboundedSender<String>,
}

impl Namespace {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn create(
        admin: Client,
        metadata: ObjectMeta,
        deletions: UnboundedSender<String>,
    ) -> kube::Result<Self> {
        let namespace = NamespaceObject {
            metadata,
            ..NamespaceObject::default()
        };
        let created = Api::all(admin)
            .create(&PostParams::default(), &namespace)
            .await?;
        let name = created.metadata.name.unwrap_or_default();
        Ok(Self { name, deletions })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.deletions.send(std::mem::take(&mut self.name));
    }
}

/// Deletes the namespaces whose names it gets.
///
/// A thread, because a test's own runtime is gone when the test is. What it does not get to before the test binary ends,
/// goes with the control plane.
pub(super) fn deleter(kubeconfig: &Path) -> UnboundedSender<String> {
    let (sender, mut names) = unbounded_channel::<String>();
    let kubeconfig = kubeconfig.to_owned();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let Ok(admin) = client(&kubeconfig, true).await else {
                return;
            };
            let namespaces = Api::<NamespaceObject>::all(admin);
            while let Some(name) = names.recv().await {
                // One that stays is in nobody's way.
                let _ = namespaces.delete(&name, &DeleteParams::background()).await;
            }
        });
    });
    sender
}

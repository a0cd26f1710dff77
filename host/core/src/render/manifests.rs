//! Sorts the documents of files: Experiments to render, and objects that they may refer to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::experiment::{API_VERSION, DEFAULT_NAMESPACE, KIND};
use crate::resolve::{Agent, AiGateway, ConfigMap, Lookup, ObjectRef, References, Template};
use crate::yaml::{self, YamlError};

/// The text of one file.
#[derive(Debug, Clone)]
pub struct Source {
    /// How to name it in messages: its path, or `-` for standard input.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// A manifest with the place that it was read from.
#[derive(Debug, Clone)]
pub struct Located {
    /// `<file>:<line>`.
    pub origin: String,
    /// The object.
    pub manifest: Value,
}

impl Located {
    /// How messages name the object: `Experiment default/checkout (file.yaml:3)`.
    #[must_use]
    pub fn title(&self) -> String {
        let object = object_ref(&self.manifest);
        format!("{KIND} {object} ({})", self.origin)
    }
}

/// What a set of files holds.
#[derive(Debug, Default)]
pub struct Manifests {
    /// In the order of the files.
    pub experiments: Vec<Located>,
    /// In the order of the files.
    pub phase_plugins: Vec<Located>,
    /// Everything else that the pipeline can use.
    pub references: FileReferences,
    /// One line a document that nothing uses.
    pub unused: Vec<String>,
}

/// Objects from files, as an answer to look-ups. What is not in the files does not exist.
#[derive(Debug, Default)]
pub struct FileReferences {
    agents: BTreeMap<ObjectRef, Arc<Agent>>,
    ai_gateways: BTreeMap<ObjectRef, Arc<AiGateway>>,
    config_maps: BTreeMap<ObjectRef, Arc<ConfigMap>>,
    templates: BTreeMap<ObjectRef, Arc<Template>>,
}

/// Why files cannot be read as manifests.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// No YAML.
    #[error("{file}: failed to read YAML")]
    Yaml {
        /// The file.
        file: String,
        /// What the reader says.
        #[source]
        source: YamlError,
    },
    /// A document that is no Kubernetes object.
    #[error(
        "{origin}: expected a Kubernetes object with apiVersion, kind and metadata.name, found none; remove the document, or complete it"
    )]
    NoObject {
        /// File and line.
        origin: String,
    },
    /// A known kind whose fields have other types than theirs.
    #[error("{origin}: failed to read {kind} {object}")]
    Fields {
        /// File and line.
        origin: String,
        /// Its kind.
        kind: String,
        /// Its namespace and name.
        object: ObjectRef,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// The same object twice.
    #[error("{origin}: {kind} {object} is there twice; remove one")]
    Twice {
        /// File and line of the second.
        origin: String,
        /// Its kind.
        kind: String,
        /// Its namespace and name.
        object: ObjectRef,
    },
}

impl Manifests {
    /// Sorts the documents of `sources`.
    ///
    /// # Errors
    ///
    /// The first document that cannot be used, with its place.
    pub fn read(sources: &[Source]) -> Result<Self, ManifestError> {
        Self::read_in(DEFAULT_NAMESPACE, sources)
    }

    /// As [`Manifests::read`]; objects that name no namespace are in `namespace`.
    ///
    /// # Errors
    ///
    /// As [`Manifests::read`].
    pub fn read_in(namespace: &str, sources: &[Source]) -> Result<Self, ManifestError> {
        let mut reading = Reading {
            namespace,
            manifests: Self::default(),
            seen: BTreeSet::new(),
        };
        for source in sources {
            let documents = yaml::parse(&source.text).map_err(|error| ManifestError::Yaml {
                file: source.name.clone(),
                source: error,
            })?;
            for document in documents {
                reading.add(Located {
                    origin: format!("{}:{}", source.name, document.line),
                    manifest: document.value,
                })?;
            }
        }
        Ok(reading.manifests)
    }
}

/// Manifests so far.
struct Reading<'a> {
    /// Of objects that name none.
    namespace: &'a str,
    manifests: Manifests,
    /// Kind and name of what is in `manifests.experiments` and `manifests.phase_plugins`.
    seen: BTreeSet<(String, ObjectRef)>,
}

impl Reading<'_> {
    fn add(&mut self, mut located: Located) -> Result<(), ManifestError> {
        let metadata = located.manifest.get_mut("metadata");
        if let Some(metadata) = metadata.and_then(Value::as_object_mut) {
            metadata
                .entry("namespace")
                .or_insert_with(|| self.namespace.into());
        }
        let text = |key: &str| located.manifest.get(key).and_then(Value::as_str);
        let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else {
            return Err(ManifestError::NoObject {
                origin: located.origin,
            });
        };
        let kind = kind.to_owned();
        let references = &mut self.manifests.references;
        match (api_version, kind.as_str()) {
            (API_VERSION, KIND) => {
                self.see(&kind, &located)?;
                self.manifests.experiments.push(located);
                Ok(())
            }
            (API_VERSION, "PhasePlugin") => {
                self.see(&kind, &located)?;
                self.manifests.phase_plugins.push(located);
                Ok(())
            }
            ("runtime.agentic-layer.ai/v1alpha1", "Agent") => {
                store(&mut references.agents, kind, located)
            }
            ("runtime.agentic-layer.ai/v1alpha1", "AiGateway") => {
                store(&mut references.ai_gateways, kind, located)
            }
            ("v1", "ConfigMap") => store(&mut references.config_maps, kind, located),
            ("testworkflows.testkube.io/v1", "TestWorkflowTemplate") => {
                store(&mut references.templates, kind, located)
            }
            ("v1", "List") => self.add_list(located),
            (api_version, _) => {
                let object = object_ref(&located.manifest);
                self.manifests.unused.push(format!(
                    "{}: {api_version} {kind} {object} is not used here",
                    located.origin
                ));
                Ok(())
            }
        }
    }

    fn see(&mut self, kind: &str, located: &Located) -> Result<(), ManifestError> {
        let object = object_ref(&located.manifest);
        if self.seen.insert((kind.to_owned(), object.clone())) {
            return Ok(());
        }
        Err(ManifestError::Twice {
            origin: located.origin.clone(),
            kind: kind.to_owned(),
            object,
        })
    }

    /// As `kubectl get -o yaml` prints several objects.
    fn add_list(&mut self, list: Located) -> Result<(), ManifestError> {
        let items = list
            .manifest
            .get("items")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        items.into_iter().try_for_each(|manifest| {
            self.add(Located {
                origin: list.origin.clone(),
                manifest,
            })
        })
    }
}

fn store<T: DeserializeOwned>(
    known: &mut BTreeMap<ObjectRef, Arc<T>>,
    kind: String,
    Located { origin, manifest }: Located,
) -> Result<(), ManifestError> {
    let object = object_ref(&manifest);
    if known.contains_key(&object) {
        return Err(ManifestError::Twice {
            origin,
            kind,
            object,
        });
    }
    match serde_json::from_value(manifest) {
        Ok(value) => {
            known.insert(object, Arc::new(value));
            Ok(())
        }
        Err(source) => Err(ManifestError::Fields {
            origin,
            kind,
            object,
            source,
        }),
    }
}

pub(super) fn object_ref(manifest: &Value) -> ObjectRef {
    let text = |key: &str| {
        manifest
            .get("metadata")
            .and_then(|metadata| metadata.get(key))
            .and_then(Value::as_str)
    };
    ObjectRef {
        namespace: text("namespace").unwrap_or(DEFAULT_NAMESPACE).to_owned(),
        name: text("name").unwrap_or("(without a name)").to_owned(),
    }
}

fn find<T>(known: &BTreeMap<ObjectRef, Arc<T>>, object: &ObjectRef) -> Lookup<T> {
    known
        .get(object)
        .map_or(Lookup::Absent, |value| Lookup::Found(value.clone()))
}

impl References for FileReferences {
    fn agent(&self, object: &ObjectRef) -> Lookup<Agent> {
        find(&self.agents, object)
    }

    fn ai_gateway(&self, object: &ObjectRef) -> Lookup<AiGateway> {
        find(&self.ai_gateways, object)
    }

    fn config_map(&self, object: &ObjectRef) -> Lookup<ConfigMap> {
        find(&self.config_maps, object)
    }

    /// Files without any template speak of a cluster that has its own.
    fn template(&self, object: &ObjectRef) -> Lookup<Template> {
        if self.templates.is_empty() {
            return Lookup::KindMissing;
        }
        find(&self.templates, object)
    }
}

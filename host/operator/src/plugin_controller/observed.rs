//! A PhasePlugin as the cluster holds it.

use kube::ResourceExt as _;
use testbench_api::{PhasePluginSpec, PhasePluginStatus};

use crate::raw::RawObject;

/// A PhasePlugin as the cluster holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedPlugin {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// What it says, or why that cannot be read: it may have been stored under another schema.
    pub spec: Result<PhasePluginSpec, String>,
    /// What we have reported so far.
    pub status: PhasePluginStatus,
}

impl ObservedPlugin {
    /// # Errors
    ///
    /// Never: a PhasePlugin that cannot be read has to be told so.
    pub fn read(object: RawObject) -> Result<Self, String> {
        let spec = object.field("spec").ok_or("it has no spec".to_owned());
        let spec =
            spec.and_then(|spec| serde_json::from_value(spec).map_err(|error| error.to_string()));
        // A status that does not parse is another version's; the next one replaces it.
        let status = object
            .field("status")
            .and_then(|status| serde_json::from_value(status).ok());
        Ok(Self {
            uid: object.uid().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
            spec,
            status: status.unwrap_or_default(),
        })
    }

    /// Whether there is something new to do, beside what our own status says.
    #[must_use]
    pub fn differs_in_what_is_wanted(&self, other: &Self) -> bool {
        (&self.uid, self.generation) != (&other.uid, other.generation)
    }

    /// With the status that was just written for the PhasePlugin with this UID; `None` where this is another.
    #[must_use]
    pub fn with_status(&self, uid: &str, status: PhasePluginStatus) -> Option<Self> {
        (self.uid == uid).then(|| Self {
            status,
            ..self.clone()
        })
    }
}

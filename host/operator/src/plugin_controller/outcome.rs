//! What came of looking at a PhasePlugin. Status, Events, log lines and the next attempt follow from this alone.

use std::sync::Arc;
use std::time::Duration;

use testbench_core::error::with_causes;
use testbench_core::slots::{CustomPhase, RegisterError};
use testbench_engine::LoadError;

/// What came of looking at a PhasePlugin.
#[derive(Debug)]
pub struct PluginOutcome {
    /// Digest of the component that the source gives now, where that is known.
    pub digest: Option<String>,
    /// The reference into a registry, by digest.
    pub resolved: Option<String>,
    /// What serves: the newest that can, which may be older than what the source gives.
    pub serving: Option<Arc<CustomPhase>>,
    /// What keeps the source's component, or the PhasePlugin as it is now, from serving.
    pub failure: Option<PluginFailure>,
    /// When the source is looked at again without a change.
    pub next: Option<Duration>,
}

/// What keeps a PhasePlugin from serving as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginFailure {
    /// The step that failed.
    pub step: Step,
    /// Constant, for conditions and Events.
    pub reason: &'static str,
    /// For the plugin's author: what is wrong, and what to do.
    pub message: String,
    /// Whether time may help, and not only a change.
    pub is_transient: bool,
}

/// The steps to a plugin that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Whether the PhasePlugin may serve at all.
    Accept,
    /// Getting the component.
    Fetch,
    /// Compiling it, and looking at what it imports, exports, says of itself, and is asked to do.
    Check,
}

/// Every reason of [`PluginFailure`].
pub const REASONS: &[&str] = &[
    "Unreadable",
    "TenantsDisabled",
    "NameTaken",
    "ConfigMapNotFound",
    "KeyNotFound",
    "InvalidContent",
    "FetchFailed",
    "InvalidReference",
    "RegistryNotAllowed",
    "AddressRefused",
    "RegistryUntrusted",
    "Unauthorized",
    "ArtifactNotFound",
    "TooLarge",
    "DigestMismatch",
    "PullSecretForbidden",
    "PullSecretNotFound",
    "PullSecretInvalid",
    "NotAComponent",
    "CompileFailed",
    "ImportRefused",
    "ContractMismatch",
    "DescribeFailed",
    "InvalidDescriptor",
    "InvalidSettingsSchema",
    "UnknownInput",
    "BeyondCeiling",
    "TemplateMissing",
];

impl PluginFailure {
    /// One that only a change can help.
    pub(crate) fn lasting(step: Step, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            step,
            reason,
            message: message.into(),
            is_transient: false,
        }
    }

    /// One that time may help.
    pub(crate) fn transient(step: Step, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            is_transient: true,
            ..Self::lasting(step, reason, message)
        }
    }
}

impl From<&LoadError> for PluginFailure {
    fn from(error: &LoadError) -> Self {
        let reason = match error {
            LoadError::NotAComponent { .. } => "NotAComponent",
            LoadError::Compile(_) => "CompileFailed",
            LoadError::Import { .. } => "ImportRefused",
            LoadError::Export { .. } => "ContractMismatch",
            LoadError::Describe(_) => "DescribeFailed",
            LoadError::Descriptor { .. } => "InvalidDescriptor",
        };
        Self::lasting(Step::Check, reason, with_causes(error))
    }
}

impl From<&RegisterError> for PluginFailure {
    fn from(error: &RegisterError) -> Self {
        let reason = match error {
            RegisterError::Schema(_) => "InvalidSettingsSchema",
            RegisterError::Inputs(_) => "UnknownInput",
            RegisterError::Ceiling(_) => "BeyondCeiling",
        };
        Self::lasting(Step::Check, reason, with_causes(error))
    }
}

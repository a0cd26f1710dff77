//! Something that a user should know although it stops nothing.

use testbench_engine::{Diagnostic, Severity};

use crate::slots::Ignored;

/// Code of the warning that a phase is left out.
pub const PHASE_IGNORED: &str = "PhaseIgnored";

/// A remark of the host or of a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The phase that says so; `None` is the host.
    pub phase: Option<String>,
    /// CamelCase, for a machine.
    pub code: String,
    /// What is wrong and what to do, for the user.
    pub message: String,
    /// JSON Pointer to what it is about, where there is one.
    pub path: Option<String>,
}

impl Finding {
    /// A warning of the host.
    #[must_use]
    pub fn warning(code: &str, message: String) -> Self {
        Self {
            severity: Severity::Warning,
            phase: None,
            code: code.to_owned(),
            message,
            path: None,
        }
    }

    /// That a phase is left out.
    #[must_use]
    pub fn of_ignored(ignored: &Ignored) -> Self {
        let Ignored { phase, why } = ignored;
        Self::warning(
            PHASE_IGNORED,
            format!("{why}; phase `{phase}` is left out, as its failurePolicy says"),
        )
    }

    /// What a plugin reported from `phase`.
    #[must_use]
    pub fn of_phase(phase: &str, diagnostic: Diagnostic) -> Self {
        let Diagnostic {
            severity,
            code,
            message,
            path,
        } = diagnostic;
        Self {
            severity,
            phase: Some(phase.to_owned()),
            code,
            message,
            path,
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        write!(f, "{severity}: ")?;
        if let Some(phase) = &self.phase {
            write!(f, "phase {phase}: ")?;
        }
        write!(f, "{} ({})", self.message, self.code)?;
        if let Some(path) = &self.path {
            write!(f, " at {path}")?;
        }
        Ok(())
    }
}

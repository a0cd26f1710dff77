//! Why there is no component.

use crate::rules::SETTING;

/// What went wrong with an artifact. Holds no secrets: neither credentials nor tokens, nor what a registry answers beyond
/// names, digests and numbers.
#[derive(Debug, thiserror::Error)]
#[error("{reference}: {problem}")]
pub struct Error {
    /// The artifact, as it was asked for.
    pub reference: String,
    /// What happened.
    #[source]
    pub problem: Problem,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A host that the administrator has not listed.
    #[error(transparent)]
    NotAllowed(#[from] Refusal),
    /// A name that leads where no registry may be.
    #[error(
        "{host} has only addresses that the entry for {registry} in {SETTING} of the operator's --config file does not \
         allow: {addresses}; loopback and private ones need `allowPrivateAddresses: true`"
    )]
    AddressRefused {
        /// The name.
        host: String,
        /// The entry that counts.
        registry: String,
        /// Each address, and what it is.
        addresses: String,
    },
    /// A certificate that nobody vouches for.
    #[error(
        "the certificate of {host} is not to be trusted: {why}; certificates of a private authority belong into `ca` of \
         the entry for {registry} in {SETTING} of the operator's --config file"
    )]
    Untrusted {
        /// Whose it is.
        host: String,
        /// The entry that counts.
        registry: String,
        /// What is wrong with it.
        why: String,
    },
    /// The registry or its token service wants other credentials, or any.
    #[error("{host} refuses access ({why}): {advice}")]
    Unauthorized {
        /// Who refuses.
        host: String,
        /// Its answer.
        why: String,
        /// What to look at.
        advice: &'static str,
    },
    /// The registry does not know it, or does not show it with these credentials.
    #[error("{host} has no such {what}: check the reference, and whether the credentials reach it")]
    NotFound {
        /// Who was asked.
        host: String,
        /// For what.
        what: &'static str,
    },
    /// More bytes than allowed.
    #[error(
        "the {what} is too large: expected at most {limit} bytes, as {set_by} says, found {found}"
    )]
    TooLarge {
        /// The manifest, or the component.
        what: &'static str,
        /// As many are allowed.
        limit: u64,
        /// Who says so.
        set_by: &'static str,
        /// As many there are, as far as that is known.
        found: String,
    },
    /// Other content than what was named.
    #[error("the {what} is not what its digest names: expected {expected}, found {found}")]
    DigestMismatch {
        /// The manifest, or the component.
        what: &'static str,
        /// Digest or size.
        expected: String,
        /// Digest or size.
        found: String,
    },
    /// An artifact of another kind.
    #[error("it is no artifact with a WebAssembly component: expected {expected}, found {found}")]
    NotAComponent {
        /// What makes one.
        expected: String,
        /// What is there instead.
        found: String,
    },
    /// An answer that no registry should give.
    #[error("{host} does not answer like a registry: {what}")]
    Misbehaves {
        /// Who answered.
        host: String,
        /// How.
        what: String,
    },
    /// No answer, or one that says later.
    #[error("{host} cannot be reached at present: {why}")]
    Unreachable {
        /// Who was asked.
        host: String,
        /// What happened.
        why: String,
    },
}

/// What the administrator's list does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The registry itself.
    #[error(
        "the registry {host} is not among those that the administrator allows: if it should be, add `- host: {host}` to \
         {SETTING} in the operator's --config file"
    )]
    Registry {
        /// The registry.
        host: String,
    },
    /// Where it sends a client.
    #[error(
        "{role} of {registry} leads to {host}, which its entry in {SETTING} of the operator's --config file does not \
         name: if it should, add `{host}` to `also` there"
    )]
    Elsewhere {
        /// The token service, the upload or a redirect.
        role: &'static str,
        /// Where it leads.
        host: String,
        /// The entry that counts.
        registry: String,
    },
    /// Without TLS, or something else than HTTP.
    #[error(
        "{role} of {registry} leads to {host} with the scheme {scheme}: only https is followed, and http where the entry in \
         {SETTING} of the operator's --config file says `plainHttp: true`"
    )]
    Scheme {
        /// The token service, the upload or a redirect.
        role: &'static str,
        /// The scheme.
        scheme: String,
        /// Where it leads.
        host: String,
        /// The entry that counts.
        registry: String,
    },
    /// From https to http.
    #[error(
        "{role} of {registry} leads from https to http, at {host}: no setting in {SETTING} allows that"
    )]
    Downgrade {
        /// The token service, the upload or a redirect.
        role: &'static str,
        /// Where it leads.
        host: String,
        /// The entry that counts.
        registry: String,
    },
}

impl Error {
    /// As [`Problem::is_transient`].
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.problem.is_transient()
    }
}

impl Problem {
    /// Whether the same call may succeed later though nobody changes anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

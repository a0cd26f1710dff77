//! Components from OCI registries, under the administrator's rules; no Kubernetes, no engine.
//!
//! ```text
//! Reference ──resolve──▶ Manifest ──fetch──▶ a component
//!           access,                size,
//!           digest                 digest
//! ```
//!
//! A [`Client`] asks the registries of its [`Rules`] and nobody else: a token service or a redirect counts as much as the
//! registry itself. Names are resolved here, and a connection goes to an address that was checked, not to the name again.
//!
//! # Why no ready-made client
//!
//! `oci-client` follows redirects by itself, sends credentials to whatever token service a registry names, keeps tokens from
//! one call to the next, and takes no resolver; none of that can be switched off. The documents are few fields each, and
//! `oci-spec` writes annotations in random order, so that the same component would get another digest with every push.
//! The parts beneath are the field's: hyper, rustls, http-auth, url.
//!
//! # What it does not do
//!
//! * No proxy, whatever the environment says: a proxy would resolve the names, and so decide about the addresses.
//! * Nothing is kept between two calls, neither connections nor tokens. What one namespace may see, another gets to see
//!   only by asking with its own credentials.
//! * Nothing is tried again: whoever calls knows when ([`Problem::is_transient`]).
//! * No compressed transfer: a limit of bytes is a limit of what arrives.

mod address;
mod auth;
mod client;
mod connect;
mod credentials;
mod digest;
mod error;
mod exchange;
mod host;
mod manifest;
mod push;
mod reference;
mod rules;
mod session;

pub use client::{Client, Timeouts};
pub use connect::{Lookup, Resolve};
pub use credentials::{Credentials, InvalidCredentials};
pub use digest::{Digest, InvalidDigest};
pub use error::{Error, Problem, Refusal};
pub use manifest::{Layer, Manifest};
pub use push::Artifact;
pub use reference::{InvalidReference, Reference};
pub use rules::{DEFAULT_MAX_BYTES, InvalidRules, Rule, Rules, SETTING};

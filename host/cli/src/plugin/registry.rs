//! Registries, as an author names them: whoever names one on the command line allows it.

use std::path::PathBuf;

use testbench_core::error::with_causes;
use testbench_registry::{
    Client, Credentials, Error, InvalidCredentials, Problem, Reference, Refusal, Rule, Rules,
};

use crate::{CommandError, failed};

/// How to talk to the registry.
#[derive(Debug, clap::Args)]
pub(super) struct RegistryArgs {
    /// HTTP without TLS, for a registry on this machine.
    #[arg(long, env = "TESTBENCH_REGISTRY_PLAIN_HTTP")]
    plain_http: bool,
    /// File with the certificates, in PEM, that vouch for the registry; the public ones where it is not set.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A further host that the registry may lead to, for tokens or content. May be given several times.
    #[arg(long, value_name = "HOST")]
    also: Vec<String>,
    /// User of the registry. Without one, the Docker configuration counts: $DOCKER_CONFIG/config.json or ~/.docker/config.json.
    #[arg(long, env = "TESTBENCH_REGISTRY_USER", requires = "password")]
    user: Option<String>,
    /// Password of the registry, best in the variable: a command line can be seen.
    #[arg(long, env = "TESTBENCH_REGISTRY_PASSWORD", hide_env_values = true)]
    password: Option<String>,
}

impl RegistryArgs {
    /// A client that may ask this reference's registry.
    pub(super) fn client(&self, reference: &Reference) -> Result<Client, CommandError> {
        let read = |file: &PathBuf| {
            std::fs::read_to_string(file)
                .map_err(|error| failed(format!("failed to read --ca {}: {error}", file.display())))
        };
        let rule = Rule {
            host: reference.registry(),
            ca: self.ca.as_ref().map(read).transpose()?,
            plain_http: self.plain_http,
            allow_private_addresses: true,
            also: self.also.clone(),
        };
        let rules = Rules {
            registries: vec![rule],
            ..Rules::default()
        };
        Client::new(&rules).map_err(failed)
    }

    pub(super) fn credentials(&self, reference: &Reference) -> Result<Credentials, CommandError> {
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            return Ok(Credentials::basic(user, password));
        }
        let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
        let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
        let Some(file) = folder
            .or_else(home)
            .map(|folder| folder.join("config.json"))
        else {
            return Ok(Credentials::anonymous());
        };
        let Ok(config) = std::fs::read(&file) else {
            return Ok(Credentials::anonymous());
        };
        match Credentials::from_docker_config(&config, reference) {
            Ok(credentials) => Ok(credentials),
            Err(InvalidCredentials::NoEntry { .. }) => Ok(Credentials::anonymous()),
            // One that keeps its passwords in a helper program has no use here, and may have none for this registry.
            Err(InvalidCredentials::Malformed { .. }) => Ok(Credentials::anonymous()),
            Err(error) => Err(failed(format!("{}: {error}", file.display()))),
        }
    }
}

/// In the words of this command: the registry client speaks of the operator's configuration.
pub(super) fn refused(error: &Error) -> CommandError {
    match &error.problem {
        Problem::NotAllowed(Refusal::Elsewhere { role, host, .. }) => failed(format!(
            "{}: {role} leads to {host}; if it should, add --also {host}",
            error.reference
        )),
        Problem::NotAllowed(Refusal::Scheme { .. }) => failed(format!(
            "{}: it leads to a host without TLS; if it should, add --plain-http",
            error.reference
        )),
        Problem::Untrusted { host, why, .. } => failed(format!(
            "{}: the certificate of {host} is not to be trusted: {why}; name the authority with --ca",
            error.reference
        )),
        Problem::Unauthorized { host, why, .. } => failed(format!(
            "{}: {host} refuses access ({why}); give --user and TESTBENCH_REGISTRY_PASSWORD, or `docker login {host}`",
            error.reference
        )),
        _ => failed(error.to_string()),
    }
}

/// The reference in `text`.
pub(super) fn reference(text: &str) -> Result<Reference, CommandError> {
    text.parse()
        .map_err(|error: testbench_registry::InvalidReference| failed(with_causes(&error)))
}

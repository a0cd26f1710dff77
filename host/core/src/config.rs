//! What the administrator allows: one YAML file, `--config`, which the operator and `render` read alike. Without it, PhasePlugins of
//! tenants are off, no registry is allowed, and no plugin may do anything beyond the defaults.

use std::time::Duration;

use serde::Deserialize;
use testbench_api::{AllowedBeyond, AllowedKind, PluginLimits};
use testbench_engine::Limits;

use crate::compose::Grants;
use crate::experiment::API_VERSION;
use crate::yaml::{self, YamlError};

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Of plugins.
    pub plugins: PluginConfig,
}

/// What plugins may do, and where they may come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginConfig {
    /// Whether a PhasePlugin outside the operator's namespace serves its own namespace.
    pub tenants: bool,
    /// What one call may cost where a PhasePlugin says nothing.
    pub limits: PluginLimits,
    /// How far a PhasePlugin may go.
    pub ceiling: Ceiling,
    /// Where components may come from; none by default.
    pub registries: Vec<Registry>,
    /// Largest component, in MiB.
    pub max_component_mebibytes: u32,
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self {
            tenants: false,
            limits: PluginLimits::default(),
            ceiling: Ceiling::default(),
            registries: Vec::new(),
            max_component_mebibytes: 32,
        }
    }
}

/// How far a PhasePlugin may go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Ceiling {
    /// The highest limits that `spec.limits` may ask for; the default limits where they are not set.
    pub limits: PluginLimits,
    /// Workflow paths that `spec.allowed.workflowPaths` may name.
    pub workflow_paths: Vec<String>,
    /// Kinds that `spec.allowed.kinds` may name. The operator needs rights for them, and watches them.
    pub kinds: Vec<CeilingKind>,
}

/// A kind that plugins may be allowed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CeilingKind {
    /// Its apiVersion.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its plural, as in the API server's paths.
    pub plural: String,
}

/// A registry that components may come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registry {
    /// Host, and port where it is not the usual one.
    pub host: String,
    /// Certificates of the authorities that vouch for it, in PEM; the public ones where it is not set.
    pub ca: Option<String>,
    /// HTTP without TLS.
    #[serde(default)]
    pub plain_http: bool,
    /// Whether its name may stand for an address of a private network.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// Further hosts that it may send the operator to, for tokens and for content.
    #[serde(default)]
    pub also: Vec<String>,
}

/// Why a file is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No YAML.
    #[error("failed to read YAML")]
    Yaml(#[from] YamlError),
    /// More than one document.
    #[error("expected one document, found {0}")]
    Documents(usize),
    /// A field that is unknown, or of another type.
    #[error("{0}")]
    Fields(#[from] serde_json::Error),
    /// A kind that no plugin gets.
    #[error(
        "plugins.ceiling.kinds: {api_version} {kind} cannot be allowed to plugins: whoever writes it can do more than an Experiment may"
    )]
    Kind {
        /// Its apiVersion.
        api_version: String,
        /// Its kind.
        kind: String,
    },
    /// A ceiling below the floor.
    #[error(
        "plugins.ceiling.limits.{field}: expected at least plugins.limits.{field}, {default}, found {found}"
    )]
    Ceiling {
        /// Which limit.
        field: &'static str,
        /// What every plugin gets.
        default: u32,
        /// The ceiling.
        found: u32,
    },
}

impl Config {
    /// Reads the file's text.
    ///
    /// # Errors
    ///
    /// What makes no sense in it.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut documents = yaml::parse(text)?;
        let config: Self = match documents.len() {
            0 => Self::default(),
            1 => serde_json::from_value(documents.remove(0).value)?,
            several => return Err(ConfigError::Documents(several)),
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let ceiling = &self.plugins.ceiling;
        if let Some(kind) = ceiling.kinds.iter().find(|kind| is_never_allowed(kind)) {
            return Err(ConfigError::Kind {
                api_version: kind.api_version.clone(),
                kind: kind.kind.clone(),
            });
        }
        let (defaults, ceiling) = (self.plugins.default_limits(), self.plugins.highest_limits());
        for ((field, default), (_, found)) in defaults.fields().into_iter().zip(ceiling.fields()) {
            if found < default {
                return Err(ConfigError::Ceiling {
                    field,
                    default,
                    found,
                });
            }
        }
        Ok(())
    }
}

/// Whoever may write one of these may do more than an Experiment can: run containers, read secrets, take rights. Groups whole, or
/// single kinds of the core group.
fn is_never_allowed(kind: &CeilingKind) -> bool {
    const GROUPS: &[&str] = &[
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "batch",
        "certificates.k8s.io",
        "rbac.authorization.k8s.io",
        "tests.testkube.io",
        "testworkflows.testkube.io",
    ];
    const CORE: &[&str] = &["ConfigMap", "Service"];
    let own = API_VERSION.split('/').next().unwrap_or_default();
    match kind.api_version.split_once('/') {
        Some((group, _)) => group == own || GROUPS.contains(&group),
        None => !CORE.contains(&kind.kind.as_str()),
    }
}

/// Limits without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AllLimits {
    cpu_milliseconds: u32,
    wall_milliseconds: u32,
    memory_mebibytes: u32,
    output_kibibytes: u32,
}

impl AllLimits {
    fn fields(self) -> [(&'static str, u32); 4] {
        let Self {
            cpu_milliseconds,
            wall_milliseconds,
            memory_mebibytes,
            output_kibibytes,
        } = self;
        [
            ("cpuMilliseconds", cpu_milliseconds),
            ("wallMilliseconds", wall_milliseconds),
            ("memoryMebibytes", memory_mebibytes),
            ("outputKibibytes", output_kibibytes),
        ]
    }

    fn or(self, said: PluginLimits) -> Self {
        Self {
            cpu_milliseconds: said.cpu_milliseconds.unwrap_or(self.cpu_milliseconds),
            wall_milliseconds: said.wall_milliseconds.unwrap_or(self.wall_milliseconds),
            memory_mebibytes: said.memory_mebibytes.unwrap_or(self.memory_mebibytes),
            output_kibibytes: said.output_kibibytes.unwrap_or(self.output_kibibytes),
        }
    }

    fn limits(self) -> Limits {
        Limits {
            cpu: Duration::from_millis(self.cpu_milliseconds.into()),
            wall: Duration::from_millis(self.wall_milliseconds.into()),
            memory: (self.memory_mebibytes as usize) << 20,
            output: (self.output_kibibytes as usize) << 10,
        }
    }
}

impl Default for AllLimits {
    /// The engine's own defaults.
    fn default() -> Self {
        let whole = |number: u128| u32::try_from(number).unwrap_or(u32::MAX);
        let limits = Limits::default();
        Self {
            cpu_milliseconds: whole(limits.cpu.as_millis()),
            wall_milliseconds: whole(limits.wall.as_millis()),
            memory_mebibytes: whole(limits.memory as u128 >> 20),
            output_kibibytes: whole(limits.output as u128 >> 10),
        }
    }
}

impl PluginConfig {
    /// Bytes of the largest component.
    #[must_use]
    pub fn max_component_bytes(&self) -> usize {
        (self.max_component_mebibytes as usize) << 20
    }

    fn default_limits(&self) -> AllLimits {
        AllLimits::default().or(self.limits)
    }

    fn highest_limits(&self) -> AllLimits {
        self.default_limits().or(self.ceiling.limits)
    }

    /// What one call of a bundled plugin may cost.
    #[must_use]
    pub fn bundled_limits(&self) -> Limits {
        self.default_limits().limits()
    }

    /// What one call may cost, of a PhasePlugin that says `asked`.
    ///
    /// # Errors
    ///
    /// Which of them is beyond the ceiling.
    pub fn limits_of(&self, asked: Option<PluginLimits>) -> Result<Limits, String> {
        let wanted = self.default_limits().or(asked.unwrap_or_default());
        let ceiling = self.highest_limits().fields();
        for ((field, wanted), (_, highest)) in wanted.fields().into_iter().zip(ceiling) {
            if wanted > highest {
                return Err(format!(
                    "spec.limits.{field}: {wanted} is more than the administrator's ceiling of {highest}; ask for less, or have \
                     plugins.ceiling.limits.{field} raised in the operator's configuration"
                ));
            }
        }
        Ok(wanted.limits())
    }

    /// What a PhasePlugin that says `asked` may do beyond the defaults.
    ///
    /// # Errors
    ///
    /// What of it the administrator does not allow.
    pub fn grants_of(&self, asked: Option<&AllowedBeyond>) -> Result<Grants, String> {
        let Some(AllowedBeyond {
            kinds,
            workflow_paths,
        }) = asked
        else {
            return Ok(Grants::default());
        };
        let Ceiling {
            workflow_paths: paths,
            kinds: allowed,
            limits: _,
        } = &self.ceiling;
        let refused = |field: &str, what: &str| {
            format!(
                "spec.allowed.{field}: {what} is not within the administrator's ceiling; leave it out, or have it added to \
                 plugins.ceiling.{field} in the operator's configuration"
            )
        };
        // A path is within the ceiling where the ceiling names it: no pattern is measured against another.
        if let Some(path) = workflow_paths.iter().find(|path| !paths.contains(path)) {
            return Err(refused("workflowPaths", &format!("`{path}`")));
        }
        let is_allowed = |kind: &AllowedKind| {
            let same = |known: &CeilingKind| {
                (&known.api_version, &known.kind) == (&kind.api_version, &kind.kind)
            };
            allowed.iter().any(same)
        };
        if let Some(kind) = kinds.iter().find(|kind| !is_allowed(kind)) {
            let kind = format!("{} {}", kind.api_version, kind.kind);
            return Err(refused("kinds", &kind));
        }
        Ok(Grants {
            workflow_paths: workflow_paths.clone(),
            kinds: kinds.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::with_causes;

    #[test]
    fn without_a_file_nothing_is_allowed_and_the_engines_limits_hold() {
        let config = Config::parse("").unwrap();
        assert_eq!(config, Config::default());
        let plugins = config.plugins;
        assert!(!plugins.tenants && plugins.registries.is_empty());
        assert_eq!(plugins.bundled_limits(), Limits::default());
        assert_eq!(plugins.limits_of(None), Ok(Limits::default()));
        assert_eq!(plugins.grants_of(None), Ok(Grants::default()));
    }

    /// What administrators copy from has to be one, with every field.
    #[test]
    fn the_documents_example_is_a_configuration() {
        let document = include_str!("../../../docs/configuration.md");
        let (_, yaml) = document.split_once("```yaml\n").unwrap();
        let (yaml, _) = yaml.split_once("```").unwrap();
        let plugins = Config::parse(yaml).unwrap().plugins;
        assert_eq!(plugins.bundled_limits(), Limits::default());
        assert_eq!(
            plugins.max_component_bytes(),
            PluginConfig::default().max_component_bytes()
        );
        assert_eq!(plugins.ceiling.kinds.len(), 1);
        assert_eq!(plugins.registries.len(), 3);
        for field in [
            "tenants",
            "limits",
            "ceiling",
            "workflowPaths",
            "kinds",
            "registries",
            "also",
            "ca",
            "plainHttp",
            "allowPrivateAddresses",
        ] {
            assert!(yaml.contains(&format!("{field}:")), "{field}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, error) in [
            ("a: 1", "unknown field `a`"),
            ("plugins: {tenant: true}", "unknown field `tenant`"),
            ("{}\n---\n{}", "expected one document, found 2"),
            (
                "plugins: {ceiling: {kinds: [{apiVersion: v1, kind: Secret, plural: secrets}]}}",
                "v1 Secret cannot be allowed",
            ),
            (
                "plugins: {ceiling: {kinds: [{apiVersion: apps/v1, kind: Deployment, plural: deployments}]}}",
                "apps/v1 Deployment cannot be allowed",
            ),
            (
                "plugins: {limits: {memoryMebibytes: 128}, ceiling: {limits: {memoryMebibytes: 64}}}",
                "plugins.ceiling.limits.memoryMebibytes: expected at least plugins.limits.memoryMebibytes, 128, found 64",
            ),
        ] {
            let found = with_causes(&Config::parse(text).unwrap_err());
            assert!(found.contains(error), "{text}: {found}");
        }
    }

    #[test]
    fn a_plugin_gets_what_it_asks_for_within_the_ceiling() {
        let text = "
plugins:
  limits: {cpuMilliseconds: 100}
  ceiling:
    limits: {memoryMebibytes: 256}
    workflowPaths: ['services.**']
    kinds: [{apiVersion: example.com/v1, kind: Report, plural: reports}]
";
        let plugins = Config::parse(text).unwrap().plugins;
        let asked = |memory_mebibytes| PluginLimits {
            memory_mebibytes: Some(memory_mebibytes),
            ..PluginLimits::default()
        };
        let limits = plugins.limits_of(Some(asked(256))).unwrap();
        assert_eq!(limits.memory, 256 << 20);
        assert_eq!(limits.cpu, Duration::from_millis(100));
        let refused = plugins.limits_of(Some(asked(257))).unwrap_err();
        assert!(
            refused.starts_with("spec.limits.memoryMebibytes: 257 is more"),
            "{refused}"
        );

        let allowed = |path: &str, kind: &str| AllowedBeyond {
            kinds: vec![AllowedKind {
                api_version: "example.com/v1".to_owned(),
                kind: kind.to_owned(),
            }],
            workflow_paths: vec![path.to_owned()],
        };
        let grants = plugins.grants_of(Some(&allowed("services.**", "Report")));
        assert_eq!(grants.unwrap().workflow_paths, ["services.**"]);
        for (asked, refused) in [
            (
                allowed("services.a", "Report"),
                "spec.allowed.workflowPaths: `services.a`",
            ),
            (
                allowed("services.**", "Other"),
                "spec.allowed.kinds: example.com/v1 Other",
            ),
        ] {
            let found = plugins.grants_of(Some(&asked)).unwrap_err();
            assert!(found.starts_with(refused), "{found}");
        }
    }
}

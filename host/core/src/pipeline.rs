//! The way of the data, as far as it is pure: from a resolved Experiment to the objects that the cluster should hold.

use std::time::Duration;

use testbench_engine::{Engine, LogLine};

use crate::compose::{self, ComposeError, DesiredObject, Placement, PluginIdentity};
use crate::error::with_causes;
use crate::finding::Finding;
use crate::invoke::{self, Contributed, Defects, Invoked, PhaseError};
use crate::resolve::{References, Resolved};
use crate::slots::{self, Catalog, Ignored, SlotError};
use crate::templates::{self, TemplateProblem};
use crate::validate::{self, Invalid, Validated};

/// What all Experiments share: the engine, and the plugins that it runs.
#[derive(Debug, Clone)]
pub struct Host {
    /// Runs plugins.
    pub engine: Engine,
    /// The plugins that there are.
    pub catalog: Catalog,
    /// What is not tried again.
    pub defects: Defects,
}

impl Host {
    /// A host that knows of no defects yet.
    #[must_use]
    pub fn new(engine: Engine, catalog: Catalog) -> Self {
        Self {
            engine,
            catalog,
            defects: Defects::default(),
        }
    }
}

/// Everything that follows from one Experiment.
#[derive(Debug)]
pub struct Desired {
    /// Where scenarios come from: `inline` or `dataset`.
    pub mode: &'static str,
    /// In the order in which they are to be written.
    pub objects: Vec<DesiredObject>,
    /// What the user should know.
    pub findings: Vec<Finding>,
    /// Who filled which phase, in the order of the chain.
    pub phases: Vec<FilledPhase>,
    /// Phases that failed, and without which the Experiment goes on. What they generated before stays.
    pub ignored: Vec<String>,
    /// What keeps the workflow from running as it is meant to, although it can be written.
    pub template_problems: Vec<TemplateProblem>,
}

impl Desired {
    /// Everything that the user should know: the findings, and the problems with templates as warnings.
    pub fn remarks(&self) -> impl Iterator<Item = Finding> {
        let problems = self
            .template_problems
            .iter()
            .map(|problem| Finding::warning(problem.reason(), problem.to_string()));
        self.findings.iter().cloned().chain(problems)
    }
}

/// A phase, and what filled it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilledPhase {
    /// The phase's name.
    pub name: String,
    /// Name and version that the plugin gives itself, and its PhasePlugin, where it has one.
    pub plugin: String,
    /// The component's digest, `sha256:<hex>`.
    pub digest: String,
    /// What it logged: the first lines, and how many it logged beyond those.
    pub log: (Vec<LogLine>, u64),
    /// How long its call took, waiting for its turn included.
    pub took: Duration,
}

/// The step that failed, with everything that it found wrong. Nothing has been written.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The Experiment makes no sense.
    #[error("{}", lines(.0))]
    Validate(Vec<Invalid>),
    /// The slots cannot be filled as asked.
    #[error("{}", lines(.0))]
    Slots(Vec<SlotError>),
    /// Phases failed.
    #[error("{}", chains(.0))]
    Invoke(Vec<PhaseError>),
    /// The pieces make no whole.
    #[error("{}", lines(.0))]
    Compose(Vec<Unfit>),
}

/// Why the pieces make no whole, and whose they are: a phase's name alone does not say which component to look at.
#[derive(Debug, thiserror::Error)]
#[error("{error}{}", plugins.concat())]
pub struct Unfit {
    /// What is wrong.
    pub error: ComposeError,
    /// The plugins that it speaks of, bundled ones apart, each in parentheses.
    plugins: Vec<String>,
}

impl Unfit {
    fn of(error: ComposeError, contributed: &[Contributed]) -> Self {
        let phases = error.phases();
        let concerned = contributed.iter().filter(|piece| {
            piece.plugin.identity != PluginIdentity::Bundled
                && phases.contains(&piece.phase.as_str())
        });
        let plugins = concerned.map(|piece| {
            let plugin = &piece.plugin.plugin;
            let descriptor = plugin.descriptor();
            let (name, version) = (&descriptor.name, &descriptor.version);
            format!(" (plugin {name} {version}, {})", plugin.digest())
        });
        Self {
            plugins: plugins.collect(),
            error,
        }
    }
}

/// From a resolved Experiment to the objects that the cluster should hold.
///
/// # Errors
///
/// The first step that fails; nothing after it is tried.
pub async fn desired(
    host: &Host,
    resolved: Resolved,
    references: &dyn References,
    placement: &Placement,
) -> Result<Desired, StepError> {
    let validated = validate::validate(resolved).map_err(StepError::Validate)?;
    let Host {
        engine,
        catalog,
        defects,
    } = host;
    let assigned = slots::assign(catalog, &validated).map_err(StepError::Slots)?;
    let assignments = &assigned.assignments;
    let invoked = invoke::invoke(engine, defects, assignments, &validated, placement).await;
    let Invoked {
        contributed,
        findings,
        ignored,
    } = invoked.map_err(StepError::Invoke)?;
    let ignored = [assigned.ignored, ignored].concat();
    let (objects, contributed, ignored) =
        compose(&validated, contributed, ignored, placement).map_err(StepError::Compose)?;
    let template_problems = template_problems(&objects, &validated.env, references);
    let remarks = ignored.iter().map(Finding::of_ignored);
    let findings = validated.findings.into_iter().chain(findings);
    Ok(Desired {
        mode: validated.data.mode(),
        objects,
        findings: findings.chain(remarks).collect(),
        phases: contributed.into_iter().map(filled).collect(),
        ignored: ignored.into_iter().map(|ignored| ignored.phase).collect(),
        template_problems,
    })
}

type Composed = (Vec<DesiredObject>, Vec<Contributed>, Vec<Ignored>);

/// Composes, and where pieces that may be left out are in the way, again without them.
fn compose(
    validated: &Validated,
    mut contributed: Vec<Contributed>,
    mut ignored: Vec<Ignored>,
    placement: &Placement,
) -> Result<Composed, Vec<Unfit>> {
    loop {
        let errors = match compose::compose(validated, &contributed, placement) {
            Ok(objects) => return Ok((objects, contributed, ignored)),
            Err(errors) => errors,
        };
        let about = |piece: &Contributed| {
            let about = |error: &&ComposeError| error.phases().contains(&piece.phase.as_str());
            piece
                .may_be_ignored
                .then(|| errors.iter().find(about))
                .flatten()
        };
        // One at a time, the last first: of two that disagree, the other one may stay.
        let Some((i, why)) = contributed
            .iter()
            .enumerate()
            .rev()
            .find_map(|(i, piece)| Some((i, about(piece)?)))
        else {
            let unfit = errors
                .into_iter()
                .map(|error| Unfit::of(error, &contributed));
            return Err(unfit.collect());
        };
        ignored.push(Ignored {
            phase: contributed[i].phase.clone(),
            why: why.to_string(),
        });
        contributed.remove(i);
    }
}

/// What the templates that the workflow among `objects` names lack, for an Experiment with this `env`.
#[must_use]
pub fn template_problems(
    objects: &[DesiredObject],
    env: &[serde_json::Value],
    references: &dyn References,
) -> Vec<TemplateProblem> {
    let workflows = objects
        .iter()
        .filter(|object| object.kind() == "TestWorkflow");
    workflows
        .flat_map(|workflow| {
            let (spec, namespace) = (&workflow.manifest["spec"], workflow.namespace());
            templates::check(spec, namespace, env, references)
        })
        .collect()
}

fn filled(piece: invoke::Contributed) -> FilledPhase {
    let plugin = &piece.plugin.plugin;
    let descriptor = plugin.descriptor();
    let of = match &piece.plugin.identity {
        PluginIdentity::Bundled => String::new(),
        PluginIdentity::Custom { namespace, name } => {
            format!(" (PhasePlugin {namespace}/{name})")
        }
    };
    FilledPhase {
        name: piece.phase,
        plugin: format!("{} {}{of}", descriptor.name, descriptor.version),
        digest: plugin.digest().to_owned(),
        log: (piece.log, piece.log_dropped),
        took: piece.took,
    }
}

fn lines(errors: &[impl std::fmt::Display]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// One line an error, each with its causes behind it.
fn chains(errors: &[impl std::error::Error + 'static]) -> String {
    lines(
        &errors
            .iter()
            .map(|error| with_causes(error))
            .collect::<Vec<_>>(),
    )
}

//! Cases of one plugin alone.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use testbench_core::alone::{Answer, Request, Subject};
use testbench_core::error::with_causes;
use testbench_core::yaml;
use testbench_engine::{Contribution, Diagnostic, Engine, EngineOptions, Manifest, Severity};

use crate::folder::{Found, below, read, settle};
use crate::{CaseError, Mismatch, Mode};

const REQUEST: &str = "request.yaml";

/// The case folders of a plugin, in the order of their paths.
///
/// `request.yaml` holds `settings` and `input`, either of which may be left out, as docs/contract.md describes them. The base of the
/// input is that of an Experiment `test` in namespace `team`, unless the file says otherwise. `expected.yaml` holds `workflow`,
/// `objects` and `diagnostics` of the contribution; `error.txt` why the plugin refuses the request.
///
/// A plugin that traps, reaches a limit, answers what no host would take, or answers one request in two ways, is a mismatch in every
/// mode: nobody means that.
#[derive(Debug)]
pub struct RequestCases {
    folders: Vec<PathBuf>,
}

impl RequestCases {
    /// Every folder with a `request.yaml` at or below `root`.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn below(root: &Path) -> Result<Self, CaseError> {
        let folders = below(root, REQUEST)?;
        Ok(Self { folders })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.folders.len()
    }

    /// Whether there is none; there always is one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// Calls `plugin` with every request; what differs comes back, all of it.
    ///
    /// # Errors
    ///
    /// Where a case cannot be run at all.
    pub async fn run(&self, plugin: &Subject, mode: Mode) -> Result<Vec<Mismatch>, CaseError> {
        let mut mismatches = Vec::new();
        for folder in &self.folders {
            let request = read_request(&folder.join(REQUEST))?;
            let Answer {
                result, written, ..
            } = plugin.answer(&request).await;
            let found = match result {
                Ok(contribution) => {
                    Found::output(yaml::to_yaml(&document(contribution))?, wrote(&written))
                }
                Err(error) if error.may_be_meant() => {
                    Found::error(format!("{error}\n"), wrote(&written))
                }
                Err(error) => {
                    mismatches.push(Mismatch {
                        folder: folder.clone(),
                        difference: format!("{}\n{}", with_causes(&error), wrote(&written)),
                    });
                    continue;
                }
            };
            mismatches.extend(settle(folder, &found, mode)?);
        }
        Ok(mismatches)
    }
}

/// Reads a request as cases have it; an empty file is one that leaves everything to the defaults.
///
/// # Errors
///
/// Where it cannot be read, or is no request.
pub fn read_request(file: &Path) -> Result<Request, CaseError> {
    let wrong = |why: String| CaseError::Request {
        path: file.to_owned(),
        why,
    };
    let mut documents = yaml::parse(&read(file)?).map_err(|error| wrong(error.to_string()))?;
    match (documents.pop(), documents.len()) {
        (None, _) => Ok(Request::default()),
        (Some(document), 0) => {
            serde_json::from_value(document.value).map_err(|error| wrong(error.to_string()))
        }
        (Some(_), more) => Err(wrong(format!("expected one document, found {}", more + 1))),
    }
}

/// Loads the component in `file` as a plugin without grants.
///
/// # Errors
///
/// Why it is no plugin that a host would run.
pub async fn load(engine: &Engine, file: &Path) -> Result<Subject, CaseError> {
    let wasm = std::fs::read(file).map_err(|source| CaseError::Io {
        path: file.to_owned(),
        source,
    })?;
    let plugin = engine.load(&wasm).await;
    let plugin = plugin.map_err(|source| CaseError::Load {
        path: file.to_owned(),
        source,
    })?;
    Subject::new(engine.clone(), plugin).map_err(|source| CaseError::Register {
        path: file.to_owned(),
        source,
    })
}

/// What a plugin's own test needs: runs the cases below `cases` with the component in `file`, in the mode that the environment says,
/// and returns what differs, for a person.
///
/// ```no_run
/// # use std::path::Path;
/// #[test]
/// fn the_component_does_what_its_cases_say() {
///     let component = Path::new("target/wasm32-wasip2/release/my_phase.wasm");
///     let found = testbench_testkit::check_plugin(component, Path::new("cases")).unwrap();
///     assert!(found.is_empty(), "{found}if that is meant, run the test again with BLESS=1");
/// }
/// # fn main() {}
/// ```
///
/// # Errors
///
/// Where the component does not load, or a case cannot be run at all.
pub fn check_plugin(file: &Path, cases: &Path) -> Result<String, CaseError> {
    let cases = RequestCases::below(cases)?;
    let engine = Engine::new(EngineOptions::default())?;
    let mismatches = futures::executor::block_on(async {
        let plugin = load(&engine, file).await?;
        cases.run(&plugin, Mode::from_env()).await
    })?;
    Ok(mismatches
        .iter()
        .map(|mismatch| format!("{mismatch}\n"))
        .collect())
}

fn wrote(written: &str) -> String {
    if written.is_empty() {
        String::new()
    } else {
        format!("the plugin wrote:\n{written}\n")
    }
}

/// A contribution as people read it: each part only where there is any.
fn document(contribution: Contribution) -> Value {
    let Contribution {
        workflow,
        objects,
        diagnostics,
    } = contribution;
    let mut parts = Map::new();
    if let Some(workflow) = workflow {
        parts.insert("workflow".to_owned(), Value::Object(workflow));
    }
    if !objects.is_empty() {
        let objects = objects.into_iter().map(object);
        parts.insert("objects".to_owned(), objects.collect());
    }
    if !diagnostics.is_empty() {
        let diagnostics = diagnostics.into_iter().map(diagnostic);
        parts.insert("diagnostics".to_owned(), diagnostics.collect());
    }
    Value::Object(parts)
}

fn object(Manifest { key, kind, body }: Manifest) -> Value {
    json!({"key": key, "apiVersion": kind.api_version, "kind": kind.kind, "body": body})
}

fn diagnostic(diagnostic: Diagnostic) -> Value {
    let Diagnostic {
        severity,
        code,
        message,
        path,
    } = diagnostic;
    let severity = match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
    };
    let mut fields = json!({"severity": severity, "code": code, "message": message});
    if let Some(path) = path {
        fields["path"] = path.into();
    }
    fields
}

//! Checks what a plugin answered before anybody reads it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::contract::{Contribution, Diagnostic, Failure, Gvk, Manifest, is_object_key};
use crate::error::CallError;
use crate::json::{self, JsonLimits};
use crate::said;
use crate::text::clean;

pub(crate) const MAX_DIAGNOSTICS: usize = 32;
/// Longest code of a diagnostic.
pub(crate) const MAX_CODE: usize = 64;
pub(crate) const MAX_MESSAGE: usize = 1 << 10;
pub(crate) const MAX_POINTER: usize = 1 << 10;
pub(crate) const MAX_OBJECTS: usize = 64;

/// The answer as plain types, where it keeps the contract and holds at most `limit` bytes of text.
pub(crate) fn check(
    answer: said::Answer,
    limit: usize,
) -> Result<Result<Contribution, Failure>, CallError> {
    if size(&answer) > limit {
        return Err(CallError::OutputLimit {
            limit,
            stderr: String::new(),
        });
    }
    match answer {
        Ok(contribution) => Ok(Ok(check_contribution(contribution)?)),
        Err(failure) => Ok(Err(check_failure(failure)?)),
    }
}

fn check_contribution(contribution: said::Contribution) -> Result<Contribution, CallError> {
    let said::Contribution {
        workflow,
        objects,
        diagnostics,
        ext,
    } = contribution;
    if let Some(ext) = ext {
        parse_object("ext", &ext)?;
    }
    if objects.len() > MAX_OBJECTS {
        return Err(CallError::invalid(
            "objects",
            format!("may have {MAX_OBJECTS} entries, found {}", objects.len()),
        ));
    }
    let mut keys = BTreeSet::new();
    for (i, manifest) in objects.iter().enumerate() {
        if !is_object_key(&manifest.key) {
            let found = clean(&manifest.key, 64);
            return Err(CallError::invalid(
                format!("objects[{i}].key"),
                format!("must be 1 to 20 of a-z and 0-9, found `{found}`"),
            ));
        }
        if !keys.insert(manifest.key.clone()) {
            return Err(CallError::invalid(
                format!("objects[{i}].key"),
                format!("`{}` is there twice", manifest.key),
            ));
        }
    }
    Ok(Contribution {
        workflow: workflow
            .map(|part| parse_object("workflow", &part))
            .transpose()?,
        objects: objects
            .into_iter()
            .map(check_manifest)
            .collect::<Result<_, _>>()?,
        diagnostics: check_diagnostics(diagnostics)?,
    })
}

fn check_manifest(manifest: said::Manifest) -> Result<Manifest, CallError> {
    let said::Manifest {
        key,
        kind: Gvk { api_version, kind },
        body,
    } = manifest;
    let body = parse_object(&format!("objects[{key}].body"), &body)?;
    if let Some(field) = ["apiVersion", "kind", "status"]
        .into_iter()
        .find(|field| body.contains_key(*field))
    {
        return Err(CallError::invalid(
            format!("objects[{key}].body.{field}"),
            "belongs to the host; leave it out",
        ));
    }
    Ok(Manifest {
        key,
        kind: Gvk {
            api_version: clean(&api_version, 253),
            kind: clean(&kind, 63),
        },
        body,
    })
}

fn check_failure(failure: said::Failure) -> Result<Failure, CallError> {
    let said::Failure {
        kind,
        diagnostics,
        ext,
    } = failure;
    if let Some(ext) = ext {
        parse_object("ext", &ext)?;
    }
    Ok(Failure {
        kind,
        diagnostics: check_diagnostics(diagnostics)?,
    })
}

fn check_diagnostics(diagnostics: Vec<Diagnostic>) -> Result<Vec<Diagnostic>, CallError> {
    let check = |(i, diagnostic): (usize, Diagnostic)| {
        let Diagnostic {
            severity,
            code,
            message,
            path,
        } = diagnostic;
        if !is_code(&code) {
            let found = clean(&code, 64);
            return Err(CallError::invalid(
                format!("diagnostics[{i}].code"),
                format!(
                    "must be CamelCase of at most {MAX_CODE} letters and digits, found `{found}`"
                ),
            ));
        }
        Ok(Diagnostic {
            severity,
            code,
            message: clean(&message, MAX_MESSAGE),
            path: path.map(|path| clean(&path, MAX_POINTER)),
        })
    };
    diagnostics
        .into_iter()
        .take(MAX_DIAGNOSTICS)
        .enumerate()
        .map(check)
        .collect()
}

fn is_code(code: &str) -> bool {
    code.len() <= MAX_CODE
        && code.starts_with(|c: char| c.is_ascii_uppercase())
        && code.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn parse_object(at: &str, text: &str) -> Result<Map<String, Value>, CallError> {
    match json::parse(text, JsonLimits::default()) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(CallError::invalid(at, "must be a JSON object")),
        Err(error) => Err(CallError::invalid(
            at,
            format!("is no JSON that the host takes: {error}"),
        )),
    }
}

/// Bytes of all texts of an answer.
fn size(answer: &said::Answer) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let diagnostics = |list: &[Diagnostic]| -> usize {
        list.iter()
            .map(|diagnostic| {
                diagnostic.code.len() + diagnostic.message.len() + text(&diagnostic.path)
            })
            .sum()
    };
    match answer {
        Ok(said::Contribution {
            workflow,
            objects,
            diagnostics: list,
            ext,
        }) => {
            let objects: usize = objects
                .iter()
                .map(|manifest| {
                    manifest.key.len()
                        + manifest.kind.api_version.len()
                        + manifest.kind.kind.len()
                        + manifest.body.len()
                })
                .sum();
            text(workflow) + text(ext) + objects + diagnostics(list)
        }
        Err(said::Failure {
            kind: _,
            diagnostics: list,
            ext,
        }) => text(ext) + diagnostics(list),
    }
}

//! The API server's verdict on an Experiment, without an API server: the same schema, the same order of checks, the same path.
//!
//! A cluster says no before the operator sees anything; offline, this does.

mod metadata;
mod structure;

use serde_json::Value;
use testbench_api::{EXPERIMENT_CRD, PHASE_PLUGIN_CRD};

use crate::yaml;

/// One reason why the API server would refuse an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct Refusal {
    /// Where, as the API server spells it: `spec.scenarios[0].name`; empty for the whole.
    pub path: String,
    /// What was expected, what was found, what to do.
    pub message: String,
}

/// Text that gives no schema.
#[derive(Debug, thiserror::Error)]
#[error("failed to read a CustomResourceDefinition: {0}")]
pub struct SchemaError(String);

/// The schema of a custom resource.
pub struct Schema {
    schema: Value,
    structure: jsonschema::Validator,
    rules: kube_cel::CompiledSchema,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}

impl Schema {
    /// The schema of Experiment, from the CustomResourceDefinition that is installed.
    ///
    /// # Errors
    ///
    /// Where that file is no CustomResourceDefinition.
    pub fn experiment() -> Result<Self, SchemaError> {
        Self::of_yaml(EXPERIMENT_CRD)
    }

    /// The schema of PhasePlugin, from the CustomResourceDefinition that is installed.
    ///
    /// # Errors
    ///
    /// Where that file is no CustomResourceDefinition.
    pub fn phase_plugin() -> Result<Self, SchemaError> {
        Self::of_yaml(PHASE_PLUGIN_CRD)
    }

    fn of_yaml(crd: &str) -> Result<Self, SchemaError> {
        let documents = yaml::parse(crd).map_err(|error| SchemaError(error.to_string()))?;
        let crd = documents
            .first()
            .ok_or_else(|| SchemaError("it is empty".to_owned()))?;
        Self::of_crd(&crd.value)
    }

    /// The schema of the first version of `crd`.
    ///
    /// # Errors
    ///
    /// Where that is no CustomResourceDefinition.
    pub fn of_crd(crd: &Value) -> Result<Self, SchemaError> {
        let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema");
        let schema = schema
            .ok_or_else(|| SchemaError("it has no schema".to_owned()))?
            .clone();
        let structure =
            structure::validator(&schema).map_err(|error| SchemaError(error.to_string()))?;
        let rules = kube_cel::compile_schema(&schema);
        if let Some(error) = rules.compilation_errors().first() {
            return Err(SchemaError(error.to_string()));
        }
        Ok(Self {
            schema,
            structure,
            rules,
        })
    }

    /// What the API server would store of `object`, defaults filled in.
    ///
    /// # Errors
    ///
    /// Why it would refuse it. As there, each kind of check runs only where the one before found nothing.
    pub fn admit(&self, object: Value) -> Result<Value, Vec<Refusal>> {
        let refuse_any = |refusals: Vec<Refusal>| {
            if refusals.is_empty() {
                Ok(())
            } else {
                Err(refusals)
            }
        };
        refuse_any(metadata::unreadable(&object))?;
        let mut unknown = metadata::unknown_fields(&object);
        unknown.extend(structure::unknown_fields(&self.schema, &object));
        refuse_any(unknown)?;
        let object = metadata::without_nulls(structure::without_nulls(&self.schema, object));
        let object = kube_cel::apply_defaults(&self.schema, &object);
        let mut refusals = metadata::check(&object);
        refusals.extend(structure::violations(
            &self.structure,
            &self.schema,
            &object,
        ));
        refusals.extend(structure::duplicates(&self.schema, &object));
        refuse_any(refusals)?;
        refuse_any(self.broken_rules(&object))?;
        Ok(object)
    }

    fn broken_rules(&self, object: &Value) -> Vec<Refusal> {
        let Err(errors) = kube_cel::Validator::new().validate_compiled(&self.rules, object, None)
        else {
            return Vec::new();
        };
        let refusal = |error: kube_cel::ValidationError| Refusal {
            path: error.field_path,
            message: error.message,
        };
        let mut refusals: Vec<_> = errors.into_vec().into_iter().map(refusal).collect();
        // The evaluator keeps properties in an order that differs from one process to the next.
        refusals.sort_by(|a, b| a.path.cmp(&b.path));
        refusals
    }
}

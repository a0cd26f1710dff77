//! The samples, and every case of `tests/cases`, with the templates that we ship: nothing is left to wish for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testbench_core::pipeline::{Desired, Host};
use testbench_core::render::{Manifests, Renderer, Source};
use testbench_core::templates::TemplateProblem;
use testbench_core::yaml;
use testbench_tests::{bundled_host, folder};

use super::templates::NAMES;
use super::{all, deploy, documents, files, read};
use crate::neighbours::{real_schemas, schemas};

#[tokio::test]
async fn the_samples_need_nothing_but_the_templates() {
    let mut sources = sources(files("samples"));
    sources.push(templates_in("demo"));
    let rendered = render(bundled_host().await.unwrap(), &sources).await;
    let real = real_schemas().map(|crds| schemas(&crds));
    let excerpts = schemas(&folder("fixtures/crds"));
    for (title, desired) in &rendered {
        let remarks: Vec<_> = desired.remarks().map(|remark| remark.to_string()).collect();
        assert_eq!(remarks, Vec::<String>::new(), "{title}");
        for object in &desired.objects {
            for schemas in real.iter().chain([&excerpts]) {
                let kind = object.manifest["kind"].as_str().unwrap();
                if let Some(schema) = schemas.get(kind) {
                    let admitted = schema.admit(object.manifest.clone());
                    admitted.unwrap_or_else(|refusals| panic!("{title}: {kind} {refusals:#?}"));
                }
            }
        }
    }
    let names: BTreeSet<_> = rendered.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(names.len(), files("samples").len(), "one Experiment a file");
}

/// What the samples bring beside Experiments is what its own operators take.
#[test]
fn the_samples_fit_the_real_schemas() {
    let Some(crds) = real_schemas() else { return };
    let schemas = schemas(&crds);
    let mut kinds = BTreeSet::new();
    for object in all("samples") {
        let kind = object["kind"].as_str().unwrap().to_owned();
        assert_eq!(object["metadata"]["namespace"], "demo", "{kind}");
        if kind != "Experiment"
            && let Some(schema) = schemas.get(&kind)
        {
            let admitted = schema.admit(object);
            admitted.unwrap_or_else(|refusals| panic!("{kind}: {refusals:#?}"));
            kinds.insert(kind);
        }
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        ["Agent", "AiGateway"]
    );
}

/// So a change of a bundled phase that our templates do not follow is found.
#[tokio::test]
async fn the_bundled_phases_give_the_templates_what_they_take() {
    let host = bundled_host().await.unwrap();
    let mut checked = 0;
    for case in cases(&folder("cases")) {
        let input = read(&case.join("input.yaml"));
        let objects = yaml::parse(&input).unwrap();
        let objects: Vec<_> = objects.into_iter().map(|document| document.value).collect();
        // Some bring templates of their own.
        if of_kind(&objects, "TestWorkflowTemplate").next().is_some() {
            continue;
        }
        let namespaces: BTreeSet<_> = of_kind(&objects, "Experiment")
            .map(|object| {
                object["metadata"]["namespace"]
                    .as_str()
                    .unwrap_or("default")
            })
            .collect();
        let mut sources: Vec<_> = namespaces.into_iter().map(templates_in).collect();
        sources.push(Source {
            name: case.display().to_string(),
            text: input.clone(),
        });
        for (title, desired) in render(host.clone(), &sources).await {
            let ours = desired
                .template_problems
                .iter()
                .filter(|problem| is_ours(problem));
            assert_eq!(ours.collect::<Vec<_>>(), Vec::<&_>::new(), "{title}");
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} cases");
}

/// Without it, the two above would pass on a check that never looks.
#[tokio::test]
async fn a_template_that_is_not_ours_is_found() {
    let mut sources = sources(vec![
        deploy("samples/url.yaml"),
        deploy("samples/inline.yaml"),
    ]);
    let mut older = documents(&deploy("templates/setup-template.yaml")).swap_remove(0);
    older["metadata"]["namespace"] = "demo".into();
    let parameters = older["spec"]["config"].as_object_mut().unwrap();
    parameters["bucket"]
        .as_object_mut()
        .unwrap()
        .remove("default");
    sources.push(source(&[older]));
    let rendered = render(bundled_host().await.unwrap(), &sources).await;
    let reasons: BTreeSet<_> = rendered
        .iter()
        .flat_map(|(_, desired)| &desired.template_problems)
        .map(|problem| problem.reason())
        .collect();
    let expected = ["TemplateConfigMissing", "TemplateNotFound"];
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), expected);
}

/// Users may name templates of their own, which no case has to bring.
fn is_ours(problem: &TemplateProblem) -> bool {
    let (TemplateProblem::NotFound { template, .. }
    | TemplateProblem::ConfigMissing { template, .. }
    | TemplateProblem::HidesVariable { template, .. }) = problem;
    NAMES.contains(&template.name.as_str())
}

async fn render(host: Host, sources: &[Source]) -> Vec<(String, Desired)> {
    let Manifests {
        experiments,
        references,
        unused,
        ..
    } = Manifests::read(sources).unwrap();
    assert_eq!(unused, Vec::<String>::new());
    let renderer = Renderer::new(host, references, "testbench-system").unwrap();
    let mut rendered = Vec::new();
    for experiment in experiments {
        let title = experiment.title();
        let desired = renderer.render(experiment.manifest).await;
        let desired = desired.unwrap_or_else(|error| panic!("{title}: {}", error.explain()));
        rendered.push((title, desired));
    }
    rendered
}

fn sources(files: Vec<PathBuf>) -> Vec<Source> {
    let sources = files.into_iter().map(|file| Source {
        text: read(&file),
        name: file.display().to_string(),
    });
    sources.collect()
}

/// As `kubectl apply -n`.
fn templates_in(namespace: &str) -> Source {
    let mut templates = all("templates");
    for template in &mut templates {
        template["metadata"]["namespace"] = namespace.into();
    }
    source(&templates)
}

fn source(objects: &[Value]) -> Source {
    Source {
        name: "templates".to_owned(),
        text: yaml::documents(objects).unwrap(),
    }
}

fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// The folders whose case is rendered, not refused.
fn cases(dir: &Path) -> Vec<PathBuf> {
    if dir.join("expected.yaml").is_file() {
        return vec![dir.to_owned()];
    }
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.is_dir())
        .flat_map(|path| cases(&path))
        .collect()
}

//! From a component to an artifact.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;

use crate::digest::Digest;
use crate::error::Problem;
use crate::exchange::Ask;
use crate::manifest::{IMAGE_MANIFEST, WASM_LAYER, check_component};
use crate::session::Session;

const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";

/// Required by readers of the layout; a constant, because the same component is to have the same digest.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// A component to be pushed.
#[derive(Debug, Clone, Default)]
pub struct Artifact {
    /// The component.
    pub wasm: Vec<u8>,
    /// What it exports, for whoever looks at the artifact without loading it: `ns:package/interface@1.0.0`.
    pub exports: Vec<String>,
    /// What it imports.
    pub imports: Vec<String>,
    /// Of the manifest, such as `org.opencontainers.image.source`.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    /// Makes the configuration of every component a different one.
    layer_digests: [String; 1],
    component: Interfaces<'a>,
}

#[derive(Serialize)]
struct Interfaces<'a> {
    exports: &'a [String],
    imports: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: u8,
    media_type: &'static str,
    config: Descriptor,
    layers: [Descriptor; 1],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: usize,
}

/// Content, and what names it.
struct Blob {
    content: Bytes,
    digest: Digest,
}

impl Blob {
    fn new(content: Vec<u8>) -> Self {
        Self {
            digest: Digest::of(&content),
            content: content.into(),
        }
    }

    fn descriptor(&self, media_type: &'static str) -> Descriptor {
        Descriptor {
            media_type,
            digest: self.digest.to_string(),
            size: self.content.len(),
        }
    }
}

pub(crate) async fn push(session: &mut Session<'_>, artifact: Artifact) -> Result<Digest, Problem> {
    check_component(&artifact.wasm)?;
    let Artifact {
        wasm,
        exports,
        imports,
        annotations,
    } = artifact;
    let layer = Blob::new(wasm);
    let config = json(&Config {
        created: CREATED,
        architecture: "wasm",
        os: "wasip2",
        layer_digests: [layer.digest.to_string()],
        component: Interfaces {
            exports: &exports,
            imports: &imports,
        },
    })?;
    let manifest = json(&Document {
        schema_version: 2,
        media_type: IMAGE_MANIFEST,
        config: config.descriptor(WASM_CONFIG),
        layers: [layer.descriptor(WASM_LAYER)],
        annotations: &annotations,
    })?;
    if let Some(expected) = session.reference.digest()
        && expected != manifest.digest
    {
        return Err(Problem::DigestMismatch {
            what: "manifest",
            expected: expected.to_string(),
            found: manifest.digest.to_string(),
        });
    }
    for blob in [&layer, &config] {
        put_blob(session, blob).await?;
    }
    put_manifest(session, &manifest).await?;
    Ok(manifest.digest)
}

fn json(document: &impl Serialize) -> Result<Blob, Problem> {
    let content = serde_json::to_vec(document).map_err(|error| Problem::NotAComponent {
        expected: "what can be written as JSON".to_owned(),
        found: error.to_string(),
    })?;
    Ok(Blob::new(content))
}

async fn put_blob(session: &mut Session<'_>, blob: &Blob) -> Result<(), Problem> {
    let there = session.url(&format!("blobs/{}", blob.digest))?;
    let there = session
        .call(&Ask::new(Method::HEAD, "a redirect"), there)
        .await?;
    // Anything else the upload will show.
    if there.status() == StatusCode::OK {
        return Ok(());
    }
    let begin = session.url("blobs/uploads/")?;
    let begun = session
        .call(&Ask::new(Method::POST, "the upload"), begin)
        .await?;
    let begun = session
        .expect(begun, &[StatusCode::ACCEPTED], "upload")
        .await?;
    let mut place = begun.location()?;
    place
        .query_pairs_mut()
        .append_pair("digest", &blob.digest.to_string());
    let mut ask = Ask::new(Method::PUT, "the upload");
    ask.content_type = Some(HeaderValue::from_static("application/octet-stream"));
    ask.body = blob.content.clone();
    let done = session.call(&ask, place).await?;
    let created = [StatusCode::CREATED, StatusCode::NO_CONTENT];
    session.expect(done, &created, "upload").await?;
    Ok(())
}

async fn put_manifest(session: &mut Session<'_>, manifest: &Blob) -> Result<(), Problem> {
    let name = match session.reference.tag() {
        Some(tag) => tag.to_owned(),
        None => manifest.digest.to_string(),
    };
    let mut ask = Ask::new(Method::PUT, "a redirect");
    ask.content_type = Some(HeaderValue::from_static(IMAGE_MANIFEST));
    ask.body = manifest.content.clone();
    let place = session.url(&format!("manifests/{name}"))?;
    let done = session.call(&ask, place).await?;
    session
        .expect(done, &[StatusCode::CREATED], "manifest")
        .await?;
    Ok(())
}

//! What a manifest says of a component.

use serde::Deserialize;

use crate::digest::Digest;
use crate::error::Problem;

/// As much as a registry has to take.
pub(crate) const MAX_MANIFEST: u64 = 4 * 1024 * 1024;

pub(crate) const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const WASM_LAYER: &str = "application/wasm";
/// All that is asked for. An index is not used, but asked for all the same: its digest can then be checked, and the answer to
/// it says what to do.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

/// How a component is marked: as the CNCF's layout has it, then as tools did before that.
const WASM_LAYERS: [&str; 3] = [
    WASM_LAYER,
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
];

const MANIFESTS: [&str; 2] = [
    IMAGE_MANIFEST,
    "application/vnd.docker.distribution.manifest.v2+json",
];
const INDICES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// What a reference led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Of the manifest itself: what a reference by digest names.
    pub digest: Digest,
    /// The component.
    pub layer: Layer,
}

/// A component in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Of the component's bytes.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// One of those that mark a component.
    pub media_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: Option<String>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: String,
    size: u64,
}

/// Reads a manifest that the registry calls a `content_type`, and has the one component in it.
pub(crate) fn read(content: &[u8], content_type: Option<&str>) -> Result<Manifest, Problem> {
    let document: Document =
        serde_json::from_slice(content).map_err(|error| not("a manifest", error.to_string()))?;
    check_type(&document, content_type)?;
    let layer = wasm_layer(document.layers.unwrap_or_default())?;
    Ok(Manifest {
        digest: Digest::of(content),
        layer,
    })
}

/// What a document says of itself and what the registry says of it has to be one thing: read in two ways, it could be two.
fn check_type(document: &Document, content_type: Option<&str>) -> Result<(), Problem> {
    let content_type = content_type.map(|value| value.split(';').next().unwrap_or(value).trim());
    let own = document.media_type.as_deref();
    if let (Some(own), Some(given)) = (own, content_type)
        && own != given
    {
        return Err(not(
            format!(
                "a manifest of the type that the registry names, {}",
                shown(given)
            ),
            shown(own),
        ));
    }
    let is = |types: [&str; 2]| own.or(content_type).is_some_and(|own| types.contains(&own));
    if is(INDICES) || document.manifests.is_some() {
        return Err(not(
            "a manifest",
            index(document.manifests.as_deref().unwrap_or_default()),
        ));
    }
    if is(MANIFESTS) {
        return Ok(());
    }
    let found = own.or(content_type).map_or("no type".to_owned(), shown);
    Err(not(format!("a manifest of type {IMAGE_MANIFEST}"), found))
}

fn index(manifests: &[Descriptor]) -> String {
    let digests: Vec<_> = manifests
        .iter()
        .take(5)
        .map(|manifest| shown(&manifest.digest))
        .collect();
    format!(
        "an index of {}; refer to the one with the component by its digest: {}",
        manifests.len(),
        digests.join(", ")
    )
}

fn wasm_layer(layers: Vec<Descriptor>) -> Result<Layer, Problem> {
    let types: Vec<_> = layers
        .iter()
        .take(5)
        .map(|layer| {
            layer
                .media_type
                .as_deref()
                .map_or("no type".to_owned(), shown)
        })
        .collect();
    let count = layers.len();
    let mut components = layers.into_iter().filter_map(|layer| {
        let media_type = layer.media_type?;
        WASM_LAYERS
            .contains(&media_type.as_str())
            .then_some((layer.digest, layer.size, media_type))
    });
    match (components.next(), components.next()) {
        (Some((digest, size, media_type)), None) => Ok(Layer {
            digest: digest
                .parse()
                .map_err(|_| not("a layer with a SHA-256 digest", shown(&digest)))?,
            size,
            media_type,
        }),
        _ => Err(not(
            format!("exactly one layer of type {WASM_LAYER}"),
            format!("{count} layers: {}", types.join(", ")),
        )),
    }
}

/// Refuses what is no component: an engine would, but not say why.
pub(crate) fn check_component(content: &[u8]) -> Result<(), Problem> {
    let found = match content {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            "a core module: build for wasm32-wasip2, or make a component of it with `wasm-tools component new`"
        }
        [0, b'a', b's', b'm', ..] => "WebAssembly of another version",
        [0x1f, 0x8b, ..] => "something compressed with gzip",
        _ => "no WebAssembly",
    };
    Err(not("a component", found))
}

fn not(expected: impl Into<String>, found: impl Into<String>) -> Problem {
    Problem::NotAComponent {
        expected: expected.into(),
        found: found.into(),
    }
}

/// Text of a stranger, for a message.
fn shown(text: &str) -> String {
    text.chars().take(100).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKER: &str = MANIFESTS[1];

    fn layer(media_type: &str) -> String {
        let digest = Digest::of(b"component");
        format!(r#"{{"mediaType": "{media_type}", "digest": "{digest}", "size": 9}}"#)
    }

    fn manifest(layers: &[String]) -> String {
        format!(
            r#"{{"schemaVersion": 2, "layers": [{}]}}"#,
            layers.join(", ")
        )
    }

    fn refusal(content: &str, content_type: Option<&str>) -> String {
        read(content.as_bytes(), content_type)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_mark_of_a_component_is_taken() {
        for mark in WASM_LAYERS {
            for kind in [
                IMAGE_MANIFEST,
                DOCKER,
                &format!("{IMAGE_MANIFEST}; charset=utf-8"),
            ] {
                let content = manifest(&[layer("text/markdown"), layer(mark)]);
                let read = read(content.as_bytes(), Some(kind)).unwrap();
                assert_eq!(read.digest, Digest::of(content.as_bytes()));
                assert_eq!(read.layer.digest, Digest::of(b"component"));
                assert_eq!(read.layer.size, 9);
                assert_eq!(read.layer.media_type, mark);
            }
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let wasm = || layer(WASM_LAYER);
        let index = r#"{"mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{"mediaType": "m", "digest": "sha256:12", "size": 1}]}"#;
        let both = r#"{"layers": [], "manifests": []}"#;
        let contrary = format!(r#"{{"mediaType": "{DOCKER}", "layers": [{}]}}"#, wasm());
        let sha512 = wasm().replace("sha256", "sha512");
        for (content, kind, expected) in [
            ("", Some(IMAGE_MANIFEST), "expected a manifest, found EOF"),
            ("[]", Some(IMAGE_MANIFEST), "expected a manifest, found"),
            ("{}", Some("text/html"), "found text/html"),
            ("{}", None, "found no type"),
            (
                "{}",
                Some(IMAGE_MANIFEST),
                "exactly one layer of type application/wasm, found 0 layers",
            ),
            (
                index,
                None,
                "an index of 1; refer to the one with the component by its digest: sha256:12",
            ),
            (both, Some(IMAGE_MANIFEST), "an index of 0"),
            (&contrary, Some(IMAGE_MANIFEST), "that the registry names"),
            (
                &manifest(&[wasm(), wasm()]),
                Some(IMAGE_MANIFEST),
                "found 2 layers",
            ),
            (
                &manifest(&[layer("application/vnd.oci.image.layer.v1.tar+gzip")]),
                Some(IMAGE_MANIFEST),
                "layer.v1.tar+gzip",
            ),
            (
                &manifest(&[sha512]),
                Some(IMAGE_MANIFEST),
                "a SHA-256 digest",
            ),
            (
                &manifest(&[wasm().replace(": 9", ": -9")]),
                Some(IMAGE_MANIFEST),
                "expected a manifest",
            ),
        ] {
            let error = refusal(content, kind);
            assert!(error.contains(expected), "{content}: {error}");
        }
    }

    #[test]
    fn a_component_begins_like_one() {
        assert!(check_component(b"\0asm\x0d\0\x01\0etc").is_ok());
        for (content, expected) in [
            (&b"\0asm\x01\0\0\0"[..], "a core module"),
            (b"\0asm\x0d\0\x02\0", "another version"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"", "no WebAssembly"),
            (b"\0as", "no WebAssembly"),
        ] {
            let error = check_component(content).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

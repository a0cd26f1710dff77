//! What names an artifact in a registry.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::host::Authority;

/// As long as a registry has to take.
const LONGEST_REPOSITORY: usize = 255;
const LONGEST_TAG: usize = 128;

/// `host/repository:tag`, `host/repository@sha256:…`, or both; then the digest counts.
///
/// Nothing is implied: neither a registry nor the tag `latest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub(crate) registry: Authority,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Text that is no [`Reference`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no reference to an artifact: {why}; a reference is `registry.example/team/phase:1.0` or `registry.example/team/phase@sha256:…`"
)]
pub struct InvalidReference {
    text: String,
    why: String,
}

impl Reference {
    /// The registry: its host, and the port where one is given.
    #[must_use]
    pub fn registry(&self) -> String {
        self.registry.to_string()
    }

    /// The path beneath the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The name that may move.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the manifest, which cannot.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same artifact for good.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// What a request for the manifest names.
    pub(crate) fn target(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_default(),
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        parse(text).map_err(|why| InvalidReference {
            text: text.chars().take(2 * LONGEST_REPOSITORY).collect(),
            why,
        })
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(format!(
            "it begins with `{scheme}://`, which is to be left out"
        ));
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => {
            let digest = digest
                .parse::<Digest>()
                .map_err(|error| error.to_string())?;
            (name, Some(digest))
        }
        None => (text, None),
    };
    let (registry, path) = name
        .split_once('/')
        .filter(|(host, _)| host.contains(['.', ':']) || *host == "localhost")
        .ok_or("it does not begin with a registry")?;
    if ["docker.io", "index.docker.io"].contains(&registry) {
        return Err("the registry of Docker Hub is `registry-1.docker.io`".to_owned());
    }
    let registry = Authority::parse(registry).ok_or_else(|| format!("{registry:?} is no host"))?;
    let (repository, tag) = match path.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (path, None),
    };
    if repository.len() > LONGEST_REPOSITORY || !repository.split('/').all(is_component) {
        return Err(format!("{repository:?} is no name of a repository"));
    }
    match tag {
        Some(tag) if !is_tag(tag) => return Err(format!("{tag:?} is no tag")),
        None if digest.is_none() => {
            return Err("it has neither a tag nor a digest".to_owned());
        }
        _ => {}
    }
    Ok(Reference {
        registry,
        repository: repository.to_owned(),
        tag: tag.map(str::to_owned),
        digest,
    })
}

/// Lower-case letters and digits, in groups; between two groups `.`, `_`, `__`, or any number of `-`.
fn is_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = text.split(alphanumeric).filter(|it| !it.is_empty());
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && separators.into_iter().all(|separator| {
            matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        })
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= LONGEST_TAG
        && text.starts_with(word)
        && text.chars().all(|c| word(c) || c == '.' || c == '-')
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_read_and_written() {
        let digest = Digest::of(b"manifest");
        for text in [
            "ghcr.io/team/phase:1.0",
            "127.0.0.1:5000/phase:latest",
            "[::1]:5000/a/b__c/d--e.f:_x-1.Y",
            "localhost/phase:1",
            &format!("ghcr.io/team/phase@{digest}"),
            &format!("ghcr.io:8443/team/phase:1.0@{digest}"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
        }
        let both: Reference = format!("r.example/a/b:t@{digest}").parse().unwrap();
        assert_eq!(both.registry(), "r.example");
        assert_eq!(both.repository(), "a/b");
        assert_eq!(both.tag(), Some("t"));
        assert_eq!(both.digest(), Some(digest));
        assert_eq!(both.target(), digest.to_string());
        assert_eq!(
            both.pinned(digest).to_string(),
            format!("r.example/a/b@{digest}")
        );
    }

    #[test]
    fn a_refusal_says_why() {
        let long = format!("r.example/{}:1", "a".repeat(256));
        let long_tag = format!("r.example/a:{}", "t".repeat(129));
        for (text, why) in [
            ("", "does not begin with a registry"),
            ("phase:1", "does not begin with a registry"),
            ("team/phase:1", "does not begin with a registry"),
            ("oci://ghcr.io/team/phase:1", "`oci://`"),
            ("docker.io/team/phase:1", "registry-1.docker.io"),
            ("ghcr.io/team/phase", "neither a tag nor a digest"),
            ("ghcr.io/team/phase@sha256:12", "64 lower-case"),
            ("ghcr.io/team/phase@", "64 lower-case"),
            ("ghcr.io/team/phase:", "\"\" is no tag"),
            ("ghcr.io/team/phase:-a", "is no tag"),
            ("ghcr.io/team/phase:a/b", "is no tag"),
            (&long_tag, "is no tag"),
            ("ghcr.io/Team/phase:1", "\"Team/phase\" is no name"),
            ("ghcr.io/team//phase:1", "is no name"),
            ("ghcr.io/../phase:1", "is no name"),
            ("ghcr.io/a?b:1", "is no name"),
            ("ghcr.io/a.:1", "is no name"),
            ("ghcr.io/a._b:1", "is no name"),
            (&long, "is no name"),
            ("user:password@ghcr.io/a:1", "64 lower-case"),
            ("ghcr.io:99999/a:1", "is no host"),
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}

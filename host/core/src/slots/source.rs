//! The component that a ConfigMap holds, for PhasePlugins in development.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;

/// Why a ConfigMap's key holds no component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// No base64, which the API server would have refused.
    #[error("it is no base64")]
    Base64,
    /// It looks like gzip, and is not.
    #[error("it starts like gzip, and cannot be unpacked: {0}")]
    Gzip(String),
    /// Too much.
    #[error(
        "it unpacks to more than {0} bytes, the largest component that the administrator allows"
    )]
    TooLarge(usize),
}

/// That a ConfigMap whose binary keys are `keys` has no `key`.
pub fn no_such_key<'a>(key: &str, keys: impl Iterator<Item = &'a str>) -> String {
    let keys: Vec<_> = keys.collect();
    let keys = match keys.as_slice() {
        [] => "no key at all".to_owned(),
        keys => keys.join(", "),
    };
    format!(
        "expected the key `{key}` in binaryData, found {keys}; `kubectl create configmap NAME --from-file={key}=FILE` writes one"
    )
}

/// The component in a value of `binaryData` as a manifest has it, in base64.
///
/// # Errors
///
/// What is wrong with it.
pub fn component_in(binary_data: &str, limit: usize) -> Result<Vec<u8>, ContentError> {
    let bytes = STANDARD.decode(binary_data.trim());
    unpacked(bytes.map_err(|_| ContentError::Base64)?, limit)
}

/// The component in `bytes`, unpacked where they are gzipped: at most `limit` bytes.
///
/// # Errors
///
/// What is wrong with it.
pub fn unpacked(bytes: Vec<u8>, limit: usize) -> Result<Vec<u8>, ContentError> {
    let too_large = |bytes: &Vec<u8>| bytes.len() > limit;
    let component = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        // One byte more than is allowed, and no further: a few bytes can unpack to any number.
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = GzDecoder::new(bytes.as_slice())
            .take(most)
            .read_to_end(&mut unpacked);
        read.map_err(|error| ContentError::Gzip(error.to_string()))?;
        unpacked
    } else {
        bytes
    };
    if too_large(&component) {
        return Err(ContentError::TooLarge(limit));
    }
    Ok(component)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_component_may_be_gzipped_and_never_unpacks_beyond_the_limit() {
        let encoded = |bytes: &[u8]| STANDARD.encode(bytes);
        let plain = b"\0asm component".to_vec();
        let bomb = gzip(&vec![0; 1 << 20]);
        assert!(bomb.len() < 4096);
        for (value, expected) in [
            (encoded(&plain), Ok(plain.clone())),
            (encoded(&gzip(&plain)), Ok(plain)),
            ("%".to_owned(), Err(ContentError::Base64)),
            (encoded(&[0; 101]), Err(ContentError::TooLarge(100))),
            (encoded(&bomb), Err(ContentError::TooLarge(100))),
        ] {
            assert_eq!(component_in(&value, 100), expected);
        }
        let torn = component_in(&encoded(&gzip(&[1; 64])[..12]), 100);
        assert!(matches!(torn, Err(ContentError::Gzip(_))), "{torn:?}");
    }
}

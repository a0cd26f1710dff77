//! Paths into documents, as people read them.

use serde_json::Value;

/// A JSON Pointer into `document`, spelt as the API server spells paths: `/a/0/b` → `a[0].b`.
pub(crate) fn dotted(pointer: &str, document: &Value) -> String {
    let mut path = String::new();
    let mut at = Some(document);
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        if let Some(Value::Array(entries)) = at {
            path.push_str(&format!("[{token}]"));
            at = token.parse::<usize>().ok().and_then(|i| entries.get(i));
        } else {
            path = join(&path, &token);
            at = at.and_then(|object| object.get(&token));
        }
    }
    path
}

/// `key` below `path`; either may be the root.
pub(crate) fn join(path: &str, key: &str) -> String {
    let dot = if path.is_empty() || key.is_empty() || key.starts_with('[') {
        ""
    } else {
        "."
    };
    format!("{path}{dot}{key}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_reads_like_the_api_servers_path() {
        let document = json!({"spec": {"env": [{"name": "A"}], "a/b": {"0": 1}}});
        for (pointer, path) in [
            ("", ""),
            ("/spec/env/0/name", "spec.env[0].name"),
            ("/spec/a~1b/0", "spec.a/b.0"),
            ("/not/there", "not.there"),
        ] {
            assert_eq!(dotted(pointer, &document), path);
        }
    }
}

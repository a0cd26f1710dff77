#!/usr/bin/env bash
# Builds the example of a custom phase in another language, `hack/example.sh gate` or `hack/example.sh notification`, and prints
# where its component is. What was built of the same sources is not built again.
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:?gate or notification}
example=plugins/examples/$name
if [ -f "$example/plugin.py" ]; then
    language=python
elif [ -f "$example/plugin.js" ]; then
    language=javascript
else
    echo "expected plugin.py or plugin.js in $example, found neither" >&2
    exit 1
fi
installed=$(hack/languages.sh $language)

hash() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16; }
sources() { # in an order of their own, each with its name
    for file in wit/0.1/*.wit plugins/sdk-$language/*.{js,py} "$example"/*.{js,py} hack/example.sh; do
        [ ! -f "$file" ] || { echo "$file" && cat "$file"; }
    done
}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/testbench/examples
component=$cache/$({ sources && echo "$installed"; } | hash)/$name.wasm
if [ ! -f "$component" ]; then
    mkdir -p "$cache"
    find "$cache" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} +
    # Sources are copied: the interpreter leaves its own files beside what it imports.
    building=$(mktemp -d "$cache/.building.XXXXXX")
    trap 'rm -rf "$building"' EXIT
    mkdir -p "$building/examples"
    cp -r "$example" "$building/examples/$name"
    cp -r "plugins/sdk-$language" "$building/"
    if [ $language = python ]; then
        "$installed/.venv/bin/componentize-py" --quiet --wit-path wit/0.1 --world phase-plugin componentize \
            --python-path "$building/examples/$name" --python-path "$building/sdk-python" plugin --output "$building/$name.wasm"
    else
        "$installed/node_modules/.bin/componentize-qjs" --wit wit/0.1 --js "$building/examples/$name/plugin.js" \
            --module-root "$building" --sync --opt-size --output "$building/$name.wasm" >&2
    fi
    mkdir -p "$(dirname "$component")"
    mv "$building/$name.wasm" "$component"
fi
echo "$component"

#!/usr/bin/env bash
# Installs what builds components in a language, once for all clones of a user, and prints the folder that holds it:
# `hack/languages.sh javascript` a node_modules, `hack/languages.sh python` a .venv. Versions and digests are those of the starter.
set -euo pipefail
cd "$(dirname "$0")/.."

language=${1:?javascript or python}
starter=plugins/starters/$language
hash() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16; }
cache=${XDG_CACHE_HOME:-$HOME/.cache}/testbench/$language

case $language in
javascript)
    hack/tools.sh javascript
    installed=$cache/$({ cat $starter/package-lock.json && node --version && uname -sm; } | hash)
    ;;
python)
    hack/tools.sh python
    installed=$cache/$({ cat $starter/requirements.txt && python3 --version && uname -sm; } | hash)
    ;;
*)
    echo "there is nothing to install for $language; there are javascript and python" >&2
    exit 1
    ;;
esac

if [ ! -f "$installed/complete" ]; then
    echo "$language: installing into $installed, once" >&2
    # A virtual environment cannot be moved, so it is built where it stays; half a one is not complete.
    rm -rf "$installed"
    mkdir -p "$installed"
    if [ "$language" = javascript ]; then
        cp $starter/package.json $starter/package-lock.json "$installed/"
        # Not `npm ci`: it insists on bindings for platforms for which none was ever published.
        npm install --prefix "$installed" --no-audit --no-fund --loglevel=error >&2
    else
        python3 -m venv "$installed/.venv"
        "$installed/.venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement $starter/requirements.txt >&2
    fi
    touch "$installed/complete"
fi
echo "$installed"

#!/usr/bin/env bash
# Says which tool is missing and how to get it; lets rustup add what rust-toolchain.toml names.
# `hack/tools.sh go` looks for what builds the programs that tests run on, and for nothing else; `javascript` and `python` for what builds
# components.
set -euo pipefail

missing=0
need() { # command, how to get it
    if ! command -v "$1" >/dev/null; then
        echo "missing: $1. $2" >&2
        missing=1
    fi
}
if [ "${1:-}" = go ]; then
    need go "Install Go, 1.21 or newer (it gets the release that tests/*/go.mod name by itself): https://go.dev/dl, or without Go: make demo-offline, make test-fast"
    exit "$missing"
fi
if [ "${1:-}" = javascript ]; then
    need node "Install Node.js, 18 or newer: https://nodejs.org, or leave other languages out: make test-fast"
    need npm "It comes with Node.js: https://nodejs.org, or leave other languages out: make test-fast"
    exit "$missing"
fi
if [ "${1:-}" = python ]; then
    need python3 "Install Python, 3.10 or newer: https://www.python.org, or leave other languages out: make test-fast"
    if [ "$missing" = 0 ] && ! python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        echo "missing: Python 3.10 or newer with venv, found $(python3 --version). For example: apt-get install python3-venv" >&2
        missing=1
    fi
    exit "$missing"
fi
need cargo "Install Rust with rustup: https://rustup.rs"
need rustup "Install it from https://rustup.rs: it adds the toolchain and the target that rust-toolchain.toml names."
need cc "Install a C linker, for example: apt-get install gcc libc6-dev"
[ "$missing" = 0 ] || exit 1

channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
if ! rustup run "$channel" rustc --version >/dev/null 2>&1; then
    echo "adding Rust $channel"
    rustup toolchain install "$channel" --profile minimal
fi
has() { rustup "$1" list --toolchain "$channel" --installed | grep -q "^$2"; }
has target wasm32-wasip2 || rustup target add --toolchain "$channel" wasm32-wasip2
for component in clippy rustfmt; do
    has component "$component" || rustup component add --toolchain "$channel" "$component"
done

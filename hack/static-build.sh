#!/usr/bin/env bash
# Builds the binary of the image into FILE. It needs no library and no file at run time.
set -euo pipefail

out=${1:?expected: hack/static-build.sh FILE}
target=x86_64-unknown-linux-musl
if ! command -v musl-gcc >/dev/null; then
    echo "missing: musl-gcc. Install it, for example: apt-get install musl-tools" >&2
    exit 1
fi
rustup target add wasm32-wasip2 "$target"
cargo build --release --locked --target "$target" --package testbench-cli
install -D "${CARGO_TARGET_DIR:-target}/$target/release/testbench" "$out"

#!/usr/bin/env bash
# Measures how long a developer waits, on the cores that the machine has (or `taskset -c 0,1 make build-times`).
set -euo pipefail

CARGO_TARGET_DIR=$(mktemp -d)
export CARGO_TARGET_DIR
trap 'rm -rf "$CARGO_TARGET_DIR"; git checkout --quiet -- plugins/run/src/lib.rs host/core/src/placement.rs host/cli/src/crd.rs' EXIT
git diff --quiet || { echo "commit or stash first: this touches sources, and puts them back" >&2; exit 1; }

cargo fetch --quiet
measure() { # what, command…
    local what=$1 start=$EPOCHREALTIME
    shift
    "$@" >/dev/null 2>&1
    printf '%-48s %6.1f s\n' "$what" "$(echo "$EPOCHREALTIME - $start" | bc)"
}
echo "$(nproc) cores"
measure "build, cold" cargo build --package testbench-cli
touched() { echo "// touched" >>"$1"; }
touched plugins/run/src/lib.rs
measure "build, one line of a guest changed" cargo build --package testbench-cli
touched host/core/src/placement.rs
measure "build, one line of core changed" cargo build --package testbench-cli
touched host/cli/src/crd.rs
measure "build, one line of the cli changed" cargo build --package testbench-cli
measure "tests, first build and run" cargo test --workspace
measure "tests, again" cargo test --workspace
touched host/core/src/placement.rs
measure "tests of core, one line of core changed" cargo test --package testbench-core
measure "clippy, cold" cargo clippy --workspace --all-targets -- -D warnings

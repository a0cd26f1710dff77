#!/usr/bin/env bash
# Shows what goes in and what comes out.
set -euo pipefail

samples=deploy/samples
testbench=${CARGO_TARGET_DIR:-target}/debug/testbench
# The same on every generated object, and half a screen long.
without_labels() { grep -vE '^  labels:$|^    (app\.kubernetes\.io|testbench\.agentic-layer\.ai)/[a-z-]+: [a-z-]+$'; }
experiment() { sed -n '/^apiVersion/,/^---/p' "$1" | sed '/^---/,$d'; }

echo "━━ in: scenarios ($samples/inline.yaml, which also holds the Agent, the AiGateway and the ConfigMap it refers to)"
experiment "$samples/inline.yaml"
echo
echo "━━ out: $ testbench render -f $samples/inline.yaml   (labels left out here)"
"$testbench" render -f "$samples/inline.yaml" | without_labels
echo
echo "━━ in: a dataset, a schedule and a trigger ($samples/dataset.yaml)"
experiment "$samples/dataset.yaml"
echo
echo "━━ out: $ testbench render -f $samples   (of this Experiment, which comes first; labels left out here)"
"$testbench" render -f "$samples" | awk '/^---/ {documents++} documents < 3' | without_labels

#!/usr/bin/env bash
# Shows what goes in and what comes out.
set -euo pipefail

sample=deploy/samples/inline.yaml
testbench=${CARGO_TARGET_DIR:-target}/debug/testbench

echo "━━ in: an Experiment ($sample, which also holds the Agent, the AiGateway and the ConfigMap it refers to)"
sed -n '/^apiVersion/,/^---/p' "$sample" | sed '/^---/,$d'
echo
echo "━━ out: $ testbench render -f $sample   (labels left out here)"
"$testbench" render -f "$sample" | grep -vE '^  labels:$|^    (app\.kubernetes\.io|testbench\.agentic-layer\.ai)/'

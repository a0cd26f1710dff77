#!/usr/bin/env bash
# Builds the registry that tests run on, and crane, once. `hack/registry.sh path` only says where they are (or will be).
set -euo pipefail
cd "$(dirname "$0")/.."
. hack/go-programs.sh

name=registry
programs="registry crane"
flags=(-trimpath -buildvcs=false -ldflags "-s -w")
effort="15 seconds on 2 cores and some MB to download when Go has nothing cached"

go_programs "$@"

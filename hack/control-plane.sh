#!/usr/bin/env bash
# Builds the programs of the control plane that tests run on, once. `hack/control-plane.sh path` only says where they are (or will be).
set -euo pipefail
cd "$(dirname "$0")/.."
. hack/go-programs.sh

name=control-plane
programs="etcd kube-apiserver kube-controller-manager kubectl"
kubernetes=$(sed -nE 's|^\tk8s\.io/kubernetes v([^ ]+).*|\1|p' tests/$name/go.mod)
minor=${kubernetes#*.}
version=k8s.io/component-base/version
# Without the version, kubectl and the API server call themselves v0.0.0-master, and clients look at that.
flags=(
    -trimpath -buildvcs=false
    -ldflags "-s -w -X $version.gitVersion=v$kubernetes -X $version.gitMajor=${kubernetes%%.*} -X $version.gitMinor=${minor%%.*}"
)
effort="about 10 minutes on 2 cores when Go has nothing cached (1 GB to download, 4 GB of build cache)"

# What envtest brings needs no build; it usually lacks the controller manager.
found_elsewhere() {
    local program
    for program in $programs; do
        [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$program" ] || return 1
    done
}

# The package of etcd's program is called `server`.
rename() { mv "$1/server" "$1/etcd"; }

go_programs "$@"

#!/usr/bin/env bash
# Writes tests/control-plane/go.mod and go.sum anew: hack/control-plane-versions.sh KUBERNETES ETCD, e.g. 1.37.2 3.7.3.
set -euo pipefail
cd "$(dirname "$0")/../tests/control-plane"

[ $# = 2 ] || { sed -n '2s/^# //p' "$0" >&2; exit 2; }
kubernetes=$1 etcd=$2

rm -f go.sum
cat >go.mod <<EOF
// Names the programs of the control plane that tests run on; there is no Go code of our own.
// Written by hack/control-plane-versions.sh $kubernetes $etcd
module testbench.agentic-layer.ai/tests/control-plane

go 1.26.0

// Without it, Go's compatibility settings would come from the go line, which names the oldest Go that builds this.
godebug default=go1.26

tool (
	go.etcd.io/etcd/server/v3
	k8s.io/kubernetes/cmd/kube-apiserver
	k8s.io/kubernetes/cmd/kube-controller-manager
	k8s.io/kubernetes/cmd/kubectl
)

require (
	go.etcd.io/etcd/server/v3 v$etcd
	k8s.io/kubernetes v$kubernetes
)
EOF

# Kubernetes requires its own parts as v0.0.0 and replaces them by folders of its repository. Go ignores a dependency's
# replacements, so each part has to be named here, as the module that was published with that release.
theirs=$(go mod download -json "k8s.io/kubernetes@v$kubernetes" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
parts=$(sed -n 's|^\t\(k8s\.io/[a-z-]*\) => \./staging/.*|\1|p' "$theirs")
[ -n "$parts" ] || { echo "$theirs replaces no k8s.io/… by ./staging/…: read it, and change how this script finds the parts" >&2; exit 1; }
for part in $parts; do
    go mod edit -replace "$part=$part@v0.${kubernetes#*.}"
done
go mod tidy

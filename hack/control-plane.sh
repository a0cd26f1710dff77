#!/usr/bin/env bash
# Builds the programs of the control plane that tests run on, once. `hack/control-plane.sh path` only says where they are (or will be).
set -euo pipefail
cd "$(dirname "$0")/.."

# A workspace around this clone has no say in it.
export GOWORK=off

programs="etcd kube-apiserver kube-controller-manager kubectl"
module=tests/control-plane

kubernetes=$(sed -nE 's|^\tk8s\.io/kubernetes v([^ ]+).*|\1|p' $module/go.mod)
minor=${kubernetes#*.}
version=k8s.io/component-base/version
# Without the version, kubectl and the API server call themselves v0.0.0-master, and clients look at that.
flags=(
    -trimpath -buildvcs=false
    -ldflags "-s -w -X $version.gitVersion=v$kubernetes -X $version.gitMajor=${kubernetes%%.*} -X $version.gitMinor=${minor%%.*}"
)

# Outside of the work tree, so that a clean clone finds them. The platform counts, because home folders are shared between machines.
hash() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16; }
cache=${XDG_CACHE_HOME:-$HOME/.cache}/testbench/control-plane
built=$cache/$({ cat $module/go.mod $module/go.sum && echo "${flags[@]}" && uname -sm; } | hash)

if [ "${1:-}" = path ]; then
    echo "$built"
    exit
fi
if [ -d "$built" ]; then
    touch "$built" # see the clean-up below
    exit
fi
# What envtest brings needs no build; it usually lacks the controller manager.
missing=
for program in $programs; do
    [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$program" ] || missing+=" $program"
done
[ -n "$missing" ] || exit 0
hack/tools.sh go

mkdir -p "$cache"
# Versions that nobody has asked for in a month, and what a killed build left.
find "$cache" -mindepth 1 -maxdepth 1 \( -mtime +30 -o -name '.building.*' -mtime +0 \) -exec rm -rf {} +
building=$(mktemp -d "$cache/.building.XXXXXX")
compiler=
trap '[ -z "$compiler" ] || kill "$compiler" 2>/dev/null || true; rm -rf "$building"' EXIT
trap 'exit 130' INT TERM

echo "control plane: building$(printf ' %s,' $programs | sed 's/,$//') of Kubernetes $kubernetes into $built"
echo "control plane: once, for all clones of this user; about 10 minutes on 2 cores when Go has nothing cached (1 GB to download, 4 GB of build cache)"
go -C $module mod download
todo=$(go -C $module list -deps "${flags[@]}" -f '{{if .Stale}}{{.ImportPath}}{{end}}' tool | grep -c . || true)

: >"$building/log"
go -C $module build "${flags[@]}" -v -o "$building/" tool 2>"$building/log" &
compiler=$!
report() { printf 'control plane: %dm%02ds, %d of %d packages compiled\n' $((SECONDS / 60)) $((SECONDS % 60)) "$(wc -l <"$building/log")" "$todo"; }
next=0
while kill -0 "$compiler" 2>/dev/null; do
    if [ $SECONDS -ge $next ]; then
        report
        next=$((SECONDS + 15))
    fi
    sleep 1
done
if ! wait "$compiler"; then
    compiler=
    echo "control plane: the build failed. Go says:" >&2
    tail -n 20 "$building/log" >&2
    exit 1
fi
compiler=
report
rm "$building/log"
mv "$building/server" "$building/etcd" # the package of etcd's program is called so
chmod 755 "$building"
# A folder appears whole or not at all; another build may have been faster.
[ -d "$built" ] || mv "$building" "$built"

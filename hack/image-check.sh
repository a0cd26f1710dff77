#!/usr/bin/env bash
# Proves what is in the image, with no container engine: builds its binary as deploy/Dockerfile does, and runs it alone in an empty
# root that it cannot write to.
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
hack/static-build.sh "$root/testbench"
chmod 555 "$root" "$root/testbench"

alone() {
    if [ "$(id -u)" = 0 ]; then
        env --ignore-environment "$(command -v chroot)" --userspec=65532:65532 "$root" /testbench "$@"
    else
        env --ignore-environment "$(command -v unshare)" --map-current-user --root="$root" /testbench "$@"
    fi
}
same() { # what, expected, found
    diff <(printf '%s' "$2") <(printf '%s' "$3") || { echo "not the same in an empty root: $1" >&2; exit 1; }
    echo "ok: $1"
}

same "crd" "$("$root/testbench" crd)" "$(alone crd)"
for sample in deploy/samples/*.yaml; do
    # With the exit code of the last command, which `$(…)` in an argument would lose.
    expected=$("$root/testbench" render -f "$sample" 2>/dev/null)
    found=$(alone render -f - <"$sample" 2>/dev/null)
    same "render -f - <$sample" "$expected" "$found"
done
echo "the image holds one file of $(du -h "$root/testbench" | cut -f1)"

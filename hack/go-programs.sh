# Builds the programs that a Go module's tool lines name, once for all clones of a user. For scripts to source, then to call
# `go_programs "$@"`; such a script says
#   name            of the module's folder in tests/, and of the programs' folder in the user's cache
#   programs        that come of it
#   flags           of go build
#   effort          what to tell somebody who has to wait
#   found_elsewhere succeeds where there is nothing to build
#   rename FOLDER   gives the programs their names, where those of their packages won't do
# Its argument `path` only says where the programs are (or will be).

found_elsewhere() { false; }
rename() { :; }

go_programs() {
    # A workspace around this clone has no say in it.
    export GOWORK=off
    module=tests/$name
    label=${name//-/ }
    # Outside of the work tree, so that a clean clone finds them. The platform counts, because home folders are shared between machines.
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/testbench/$name
    built=$cache/$({ cat "$module/go.mod" "$module/go.sum" && echo "${flags[@]}" && uname -sm; } | hash)

    if [ "${1:-}" = path ]; then
        echo "$built"
    elif [ -d "$built" ]; then
        touch "$built" # see the clean-up in `build`
    elif ! found_elsewhere; then
        build
    fi
}

hash() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16; }

build() {
    hack/tools.sh go
    mkdir -p "$cache"
    # Versions that nobody has asked for in a month, and what a killed build left.
    find "$cache" -mindepth 1 -maxdepth 1 \( -mtime +30 -o -name '.building.*' -mtime +0 \) -exec rm -rf {} +
    building=$(mktemp -d "$cache/.building.XXXXXX")
    compiler=
    trap '[ -z "$compiler" ] || kill "$compiler" 2>/dev/null || true; rm -rf "$building"' EXIT
    trap 'exit 130' INT TERM

    echo "$label: building $programs into $built"
    echo "$label: once, for all clones of this user; $effort"
    go -C "$module" mod download
    todo=$(go -C "$module" list -deps "${flags[@]}" -f '{{if .Stale}}{{.ImportPath}}{{end}}' tool | grep -c . || true)
    compile
    rename "$building"
    chmod 755 "$building"
    # A folder appears whole or not at all; another build may have been faster.
    [ -d "$built" ] || mv "$building" "$built"
}

# Says every 15 seconds how far it is: Go says nothing for minutes.
compile() {
    local log=$building/log next=0
    : >"$log"
    go -C "$module" build "${flags[@]}" -v -o "$building/" tool 2>"$log" &
    compiler=$!
    while kill -0 "$compiler" 2>/dev/null; do
        if [ $SECONDS -ge $next ]; then
            report "$log"
            next=$((SECONDS + 15))
        fi
        sleep 1
    done
    if ! wait "$compiler"; then
        compiler=
        echo "$label: the build failed. Go says:" >&2
        tail -n 20 "$log" >&2
        exit 1
    fi
    compiler=
    report "$log"
    rm "$log"
}

report() { printf '%s: %dm%02ds, %d of %d packages compiled\n' "$label" $((SECONDS / 60)) $((SECONDS % 60)) "$(wc -l <"$1")" "$todo"; }

#!/usr/bin/env bash
# Shows what goes in and what comes out, then the operator at work on a real control plane of its own, of which nothing is left.
# `hack/demo.sh offline` ends after the first. With CLUSTER=current it works in the cluster of the current context, if you agree.
set -euo pipefail
cd "$(dirname "$0")/.."

binaries=${CARGO_TARGET_DIR:-target}/debug
samples=deploy/samples
namespace=demo
operator_namespace=testbench-system
limit=120

work= operator= control_plane= used_cluster= brought_crd=

clean_up() {
    local status=$?
    trap - EXIT INT TERM HUP
    set +e
    if [ $status != 0 ] && [ -n "$work" ]; then
        [ ! -s "$work/control-plane.log" ] || cat "$work/control-plane.log"
        [ ! -e "$work/operator.log" ] || { echo "━━ the demo failed; the operator's log:" && cat "$work/operator.log"; }
    fi >&2
    if [ -n "$operator" ]; then
        kill "$operator" 2>/dev/null
        wait "$operator" 2>/dev/null
    fi
    [ -z "$used_cluster" ] || leave_cluster
    # It ends with its input, and what is in its folder goes with it.
    exec 9>&-
    [ -z "$control_plane" ] || wait "$control_plane"
    [ -z "$work" ] || rm -rf "$work"
    [ $status = 0 ] || exit 1
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

title() { printf '\n━━ %s\n' "$*"; }
fail() {
    echo "$*" >&2
    exit 1
}
# Prints a command, then what it prints.
show() {
    echo "\$ $1"
    eval "$1"
}
# The same with a command that prints nothing at first: Events come a moment after what they tell of.
show_once_there() {
    local end=$((SECONDS + limit))
    while [ -z "$(eval "$1")" ]; do
        [ $SECONDS -lt $end ] || fail "nothing came of it within $limit s: $1"
        sleep 0.2
    done
    show "$1"
}
# Without the end of the control plane's input, which has to be closed when this script is gone.
kubectl() { command kubectl "$@" 9>&-; }
quietly() { kubectl "$@" >"$work/kubectl.log" 2>&1 || fail "kubectl $*: $(cat "$work/kubectl.log")"; }

offline() {
    # The same on every generated object, and long.
    without_labels() { grep -vE '^  (labels|annotations):$|^    (app\.kubernetes\.io|testbench\.agentic-layer\.ai)/[a-z-]+: [a-z0-9-]+$'; }
    echo "━━ in: an Experiment ($samples/inline.yaml, which also holds the Agent, the AiGateway and the ConfigMap it refers to)"
    sed -n '/^apiVersion/,/^---/p' "$samples/inline.yaml" | sed '/^---/,$d'
    title "out: a ConfigMap with the scenarios, and this workflow (labels and annotations left out)"
    echo "\$ testbench render -f $samples/inline.yaml"
    "$binaries/testbench" render -f "$samples/inline.yaml" | awk 'second; /^---/ {second = 1}' | without_labels
}

# A control plane of this script's own, whatever KUBECONFIG says.
start_control_plane() {
    # A proxy does not reach this loopback.
    unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
    local built
    built=$(hack/control-plane.sh path)
    export PATH="${KUBEBUILDER_ASSETS:+$KUBEBUILDER_ASSETS:}$built:$PATH"
    work=$(mktemp -d "${TMPDIR:-/tmp}/testbench-demo-XXXXXX")
    mkfifo "$work/in" "$work/out"
    "$binaries/control-plane" up <"$work/in" >"$work/out" 2>"$work/control-plane.log" &
    control_plane=$!
    exec 9>"$work/in"
    read -r KUBECONFIG <"$work/out" || fail "the control plane did not start"
    export KUBECONFIG
    # A killed script cleans up nothing; the control plane does, in its own folder.
    rm -r "$work"
    work=$(dirname "$KUBECONFIG")/demo
    mkdir "$work"
    # Killed with this script.
    tied=("$PWD/$binaries/control-plane" tied $$)
    case $binaries in /*) tied[0]=$binaries/control-plane ;; esac

    echo "Testkube and the agent runtime are not here: of them, there are excerpts of their CustomResourceDefinitions. So nothing runs the workflows."
    show "kubectl apply --server-side -f deploy/install.yaml -f tests/fixtures/crds | wc -l"
    quietly wait --for=condition=Established "--timeout=${limit}s" crd --all
    show "kubectl create namespace $namespace"
}

# The cluster of the current context: nothing of its own is touched.
enter_cluster() {
    command -v kubectl >/dev/null || fail "missing: kubectl, which CLUSTER=current needs"
    local context answer= crd others
    context=$(kubectl config current-context)
    namespace=testbench-demo-$$
    operator_namespace=$namespace
    title "the cluster of the context $context"
    for crd in agents.runtime.agentic-layer.ai aigateways.runtime.agentic-layer.ai testtriggers.tests.testkube.io \
        testworkflows.testworkflows.testkube.io testworkflowtemplates.testworkflows.testkube.io; do
        kubectl get crd "$crd" >/dev/null || fail "$context lacks the CustomResourceDefinition $crd: install Testkube and the agent runtime, or leave out CLUSTER=current"
    done
    others=$(kubectl get deployments --all-namespaces --selector app.kubernetes.io/name=testbench --output name)
    [ -z "$others" ] || fail "$context has an operator ($others), which would serve the Experiments of the demo too"
    echo "It gets the namespace $namespace, a ClusterRole and a ClusterRoleBinding of that name, and our CustomResourceDefinitions if it has none. All of it is deleted in the end."
    printf 'Go on in the context %s? [y/N] ' "$context"
    { read -r answer </dev/tty; } 2>/dev/null || true
    case $answer in y | Y | yes) ;; *) fail "not agreed; nothing was done" ;; esac

    work=$(mktemp -d "${TMPDIR:-/tmp}/testbench-demo-XXXXXX")
    tied=()
    used_cluster=1
    mkdir "$work/samples" "$work/install"
    local file
    for file in inline dataset; do
        sed "s/^  namespace: demo$/  namespace: $namespace/" "$samples/$file.yaml" >"$work/samples/$file.yaml"
    done
    for file in service-account cluster-role cluster-role-binding; do
        sed "s/testbench-system/$namespace/; s/testbench-operator/$namespace/" "deploy/install/$file.yaml" >"$work/install/$file.yaml"
    done
    samples=$work/samples
    if ! kubectl get crd experiments.testbench.agentic-layer.ai >/dev/null 2>&1; then
        brought_crd=1
        show "kubectl apply --server-side -f crds"
        quietly wait --for=condition=Established "--timeout=${limit}s" -f crds
    fi
    show "kubectl create namespace $namespace"
    show "kubectl apply -f $work/install"
}

leave_cluster() {
    title "cleaning up"
    kubectl delete --ignore-not-found "--timeout=${limit}s" "namespace/$namespace" "clusterrole/$namespace" "clusterrolebinding/$namespace"
    # Somebody else may have come to like it.
    if [ -n "$brought_crd" ] && [ -z "$(kubectl get experiments --all-namespaces --output name)" ]; then
        kubectl delete "--timeout=${limit}s" -f crds
    fi
}

# With the token of its account and no other credential, so that it may do what deploy/ grants.
start_operator() {
    local kubeconfig=$work/operator-kubeconfig admin token command
    admin=$(kubectl config view --minify --output 'jsonpath={.users[0].name}')
    (umask 077 && kubectl config view --minify --raw --flatten >"$kubeconfig")
    echo "\$ kubectl create token testbench -n $operator_namespace"
    token=$(kubectl create token testbench -n "$operator_namespace")
    quietly --kubeconfig "$kubeconfig" config set-credentials testbench "--token=$token"
    quietly --kubeconfig "$kubeconfig" config set-context --current --user=testbench
    quietly --kubeconfig "$kubeconfig" config delete-user "$admin"
    show "kubectl --kubeconfig $kubeconfig auth whoami --output 'jsonpath={.status.userInfo.username}'"
    echo
    command="testbench controller --testkube-namespace $namespace --operator-namespace $operator_namespace --listen 127.0.0.1:0"
    [ -z "$used_cluster" ] || command="$command --watch-namespaces $namespace"
    echo "\$ $command &"
    KUBECONFIG=$kubeconfig ${tied[@]+"${tied[@]}"} "$binaries"/$command 2>"$work/operator.log" 9>&- &
    operator=$!
    # One that ends at once is not waited for. Until it has seen an Experiment, that has observed the generation -1.
    local end=$((SECONDS + limit))
    until kubectl get experiments -n "$namespace" --output 'jsonpath={.items[*].status.observedGeneration}' | grep -qE '(^| )[0-9]'; do
        kill -0 "$operator" 2>/dev/null || fail "the operator ended"
        [ $SECONDS -lt $end ] || fail "no Experiment has a status within $limit s"
        sleep 0.2
    done
}

offline
[ "${1:-}" != offline ] || exit 0

if [ "${CLUSTER:-}" = current ]; then
    enter_cluster
else
    title "a control plane: etcd, kube-apiserver, kube-controller-manager"
    start_control_plane
fi
of="-n $namespace"
events() { echo "kubectl get events $of --field-selector involvedObject.name=$1,reason=$2 --no-headers -o custom-columns=:type,:reason,:message"; }
generated="configmaps,testworkflows,testtriggers $of --selector testbench.agentic-layer.ai/experiment=weather-nightly --no-headers"

title "the right to read Testkube's Events, where it would write them (deploy/install/role.yaml says why)"
show "kubectl create role testbench-runs $of --verb list,watch --resource events"
show "kubectl create rolebinding testbench-runs $of --role testbench-runs --serviceaccount $operator_namespace:testbench"

title "templates, where Testkube would look for them; an Agent, an AiGateway, a ConfigMap otel-config, two Experiments"
show "kubectl apply $of -f deploy/templates | wc -l"
show "kubectl apply -f $samples/inline.yaml -f $samples/dataset.yaml"

title "the operator, as the ServiceAccount that deploy/install.yaml brings"
start_operator
show "kubectl wait $of --for=condition=Ready --timeout=${limit}s experiments --all"
show "kubectl get experiments $of"
show "kubectl get $generated"
show "kubectl describe experiment weather-nightly $of | sed -n '/Conditions:/,/Generated Resources:/p' | grep -E 'Message|Reason|Status|Type'"
show_once_there "$(events weather-nightly Generated)"

title "the trigger off, and on again"
patch="kubectl patch experiment weather-nightly $of --type merge --patch"
show "$patch '{\"spec\":{\"trigger\":{\"enabled\":false}}}'"
show "kubectl wait $of --for=delete --timeout=${limit}s testtrigger/weather-nightly-trigger"
show "kubectl get $generated"
show "$patch '{\"spec\":{\"trigger\":{\"enabled\":true}}}'"
show "kubectl wait $of --for=create --timeout=${limit}s testtrigger/weather-nightly-trigger"

title "somebody changes a generated object"
show "kubectl patch testtrigger weather-nightly-trigger $of --type merge --patch '{\"spec\":{\"event\":\"deleted\"}}'"
show "kubectl wait $of --for='jsonpath={.spec.event}=deployment-image-update' --timeout=${limit}s testtrigger/weather-nightly-trigger"
show_once_there "$(events weather-nightly Healed)"

title "a phase of a team's own, from YAML alone (docs/plugins.md has the others)"
cat >"$work/announce.yaml" <<'END'
apiVersion: testbench.agentic-layer.ai/v1alpha1
kind: PhasePlugin
metadata: {name: announce}
spec:
  source: {bundled: template}
  placement: {after: visualize}
  experimentSelector: {}
  settings: {image: "curlimages/curl:8.16.0", command: [curl, --data, "evaluated $(experiment.name)", "http://announce.example"]}
END
show "cat $work/announce.yaml"
show "kubectl apply -n $operator_namespace -f $work/announce.yaml"
show "kubectl wait $of --for='jsonpath={.spec.steps[-1:].name}=announce' --timeout=${limit}s testworkflow/weather-nightly-workflow"
show "kubectl get phaseplugins -n $operator_namespace"
show "kubectl get testworkflow weather-nightly-workflow $of --output jsonpath='{.spec.steps[*].name}{\"\\n\"}{.spec.steps[-1:].run.command}{\"\\n\"}'"
show "kubectl delete phaseplugin announce -n $operator_namespace"
show "kubectl wait $of --for='jsonpath={.spec.steps[-1:].name}=visualize' --timeout=${limit}s testworkflow/weather-nightly-workflow"

title "the Experiment goes, and with it all that it generated (Kubernetes looks for new kinds twice a minute, and deletes none before)"
show "kubectl delete experiment weather-nightly $of"
show "kubectl wait $of --for=delete --timeout=${limit}s configmap/weather-nightly-experiment testworkflow/weather-nightly-workflow testtrigger/weather-nightly-trigger"
show "kubectl get $generated"
show "kubectl get experiments $of"

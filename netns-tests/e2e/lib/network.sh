# Sourced by the cases: podnet comes to the cluster as it does to anybody's, by one `kubectl apply`.
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# What a cloud's route controller says once its routes are there.
network_available() {
    k patch node "$1" --subresource=status --type=strategic -p '{"status": {"conditions": [{"type": "NetworkUnavailable", "status": "False",
        "reason": "RouteCreated", "message": "e2e has made the routes"}]}}'
}

# The cluster's own kustomization: an overlay, and of both families where the cluster is.
manifests() {
    local conf
    mkdir -p "$RUN/manifests"
    conf=$(realpath --relative-to="$RUN/manifests" "$ROOT/conf/kubernetes")
    cat <<T >"$RUN/manifests/kustomization.yaml"
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [$conf/overlays/$OVERLAY]
T
    [ "$STACK" = single ] || echo "components: [$conf/dual-stack]" >>"$RUN/manifests/kustomization.yaml"
}

network_up() {
    local node
    manifests
    k apply -k "$RUN/manifests"
    if [ "$ROUTES" = cloud ]; then
        for node in $NODES; do network_available "$node"; done
    fi
    if [ "$OVERLAY" = vnet ]; then
        k apply -k "$E2E/grant"
        "$E2E/lib/fabric" </dev/null >"$RUN/fabric.log" 2>&1 &
        disown
    fi
}

# Each DaemonSet has a ready pod on each node.
daemons_ready() {
    local name
    for name in podnet-ipamd podnet-masq-agent; do
        k -n kube-system rollout status "daemonset/$name" --timeout=5s
    done
}

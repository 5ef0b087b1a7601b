# Sourced by the cases: podnet comes to the cluster.
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

network_up() {
    local node
    for node in $NODES; do
        on "$node" cp "$PODNET_BIN" /opt/cni/bin/podnet
        on "$node" ln -sf podnet /opt/cni/bin/loopback
        cidr=$(k get node "$node" -o "jsonpath={.spec.podCIDR}")
        jq --arg cidr "$cidr" '.plugins[0].ipam.ranges = [[{subnet: $cidr}]]' "$ROOT/conf/kubenet.conflist" >"$RUN/$node/conflist"
        on "$node" cp "$RUN/$node/conflist" /etc/cni/net.d/.new
        on "$node" mv /etc/cni/net.d/.new /etc/cni/net.d/10-podnet.conflist
    done
}

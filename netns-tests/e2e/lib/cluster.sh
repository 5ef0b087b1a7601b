# Sourced by the cases: the cluster seen from outside.
. "$(dirname "${BASH_SOURCE[0]}")/say.sh"

NODES="node1 node2"
OUTSIDE=203.0.113.1     # addresses beyond the nodes' network, which the switch has
OUTSIDE_6=2001:db8::1
IMAGE=localhost/busybox:e2e

# on NODE COMMAND ...: in the namespaces of a node, or of the switch
on() {
    local node=$1
    shift
    nsenter -t "$(cat "$RUN/$node/init.pid")" -n -m -u -i -p -- "$@"
}

address_of() { cat "$RUN/$1/address"; }
sixth_of() { echo "fd00:31:255::$(address_of "$1" | cut -d. -f4)"; }

k() { on node1 env KUBECONFIG="$RUN/pki/admin.kubeconfig" HOME=/run "$BIN/kubectl" --cache-dir=/run/kubectl "$@"; }

# api PATH: one GET, as JSON; cheaper than kubectl where it is asked often
api() {
    on node1 curl -sSf --max-time 5 --cacert "$RUN/pki/ca.crt" --cert "$RUN/pki/admin.crt" --key "$RUN/pki/admin.key" \
        "https://172.31.255.2:6443$1"
}

pod_address() { k get pod "$1" -o "jsonpath={.status.podIP}"; }

# The Node's conditions Ready that are not True, with their reasons.
unready() {
    api /api/v1/nodes | jq -r '.items[] | .metadata.name as $n | .status.conditions[]
        | select(.type == "Ready" and .status != "True") | "\($n) \(.status) \(.message)"'
}

# Addresses that two live pods have; those of the node's own network are the node's.
twice() {
    api /api/v1/pods | jq -r '[.items[] | select(.spec.hostNetwork != true)
        | select(.status.phase == "Running" or .status.phase == "Pending") | (.status.podIPs // [])[].ip]
        | group_by(.)[] | select(length > 1) | .[0]'
}

no_address_twice() {
    local found
    found=$(twice)
    [ -z "$found" ] || fail "two pods have address $found"
}

# gone LABEL: no pod with it is left, at the API server
gone() { [ -z "$(k get pods -l "$1" -o name)" ]; }

# Since when each node is in the state Ready that it is in.
ready_since() {
    api /api/v1/nodes | jq -r '.items[] | .metadata.name as $n | .status.conditions[]
        | select(.type == "Ready") | "\($n) \(.status) \(.lastTransitionTime)"'
}

nodes_ready() { [ -z "$(unready)" ]; }

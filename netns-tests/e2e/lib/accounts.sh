# Sourced by the cases: who has an address, as everybody says who should know.
. "$(dirname "${BASH_SOURCE[0]}")/workload.sh"

# pods_on NODE: namespace/name of the pods that have an address of their own, at the API server
pods_on() {
    api /api/v1/pods | jq -r --arg node "$1" '.items[] | select(.spec.nodeName == $node and .spec.hostNetwork != true)
        | select(.status.phase == "Running" or .status.phase == "Pending") | "\(.metadata.namespace)/\(.metadata.name)"' | sort
}

# attached_on NODE: the same by podnet's records
attached_on() { on "$1" /opt/cni/bin/podnet list -o json | jq -r '.[].pod' | sort; }

# reserved_on NODE: how many addresses the node's allocator has given
reserved_on() {
    if [ "$MODE" = kubenet ]; then
        on "$1" find /var/lib/cni/networks -name '[0-9]*.*.*.*' -type f | wc -l
    else
        on "$1" curl -sS http://127.0.0.1:10092/metrics | awk '/^podnet_ipamd_addresses\{family="IPv4",state="Assigned"\}/ { print $2 }'
    fi
}

# links_on NODE: how many pods' links its kernel has
links_on() { on "$1" ip -o link show type veth | grep -c -E ': (veth|azv)[0-9a-f]{11}@' || true; }

# agree NODE: everybody says the same
agree() {
    local pods attached
    pods=$(pods_on "$1") attached=$(attached_on "$1")
    [ "$pods" = "$attached" ] || { diff <(echo "$pods") <(echo "$attached"); return 1; }
    local number=0
    [ -z "$pods" ] || number=$(wc -l <<<"$pods")
    [ "$(reserved_on "$1")" = "$number" ] || { echo "$1: $number pods, $(reserved_on "$1") addresses"; return 1; }
    [ "$(links_on "$1")" = "$number" ] || { echo "$1: $number pods, $(links_on "$1") links"; return 1; }
    [ "$(on "$1" ls /run/netns | wc -l)" = "$number" ] || { echo "$1: $number pods, $(on "$1" ls /run/netns | wc -l) namespaces"; return 1; }
}

# nothing_leaked: what was deleted is gone everywhere, what lives is everywhere, and no address is there twice
nothing_leaked() {
    local node
    for node in $NODES; do
        wait_for 120 "agreement on the pods of $node" agree "$node"
    done
    no_address_twice
}

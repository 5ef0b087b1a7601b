# Sourced by the cases of network policy: a guarded pod, friends and strangers on both nodes.
. "$(dirname "${BASH_SOURCE[0]}")/workload.sh"

policy_pods() {
    {
        pod guarded node1
        pod friend-near node1
        pod stranger-near node1
        pod friend-far node2
        pod stranger-far node2
    } | apply
    ready_pods guarded friend-near stranger-near friend-far stranger-far
    guarded=$(pod_address guarded)
    friend_near=$(pod_address friend-near)
    friend_far=$(pod_address friend-far)
}

reached() { answers "guarded $(pod_address "$1")" fetch "$1" "$guarded" 80; }

# policy_holds: `policy_on` and `policy_off` of the case, on every node, and what they change
policy_holds() {
    local node one
    for one in friend-near stranger-near friend-far stranger-far; do
        wait_for 30 "$one, without a policy" reached "$one"
    done
    for node in $NODES; do policy_on "$node"; done
    for one in friend-near friend-far; do
        reached "$one" || fail "$one does not reach the guarded pod"
    done
    for one in stranger-near stranger-far; do
        ! fetch "$one" "$guarded" 80 || fail "$one reaches the guarded pod"
        answers "friend-${one#stranger-} $(pod_address "$one")" fetch "$one" "$(pod_address "friend-${one#stranger-}")" 80 \
            || fail "$one is kept from other pods, too"
    done
    for node in $NODES; do policy_off "$node"; done
    for one in stranger-near stranger-far; do
        reached "$one" || fail "after the policy, $one does not reach the guarded pod"
    done
}

# Sourced by the cases that kill something while pods come and go.
. "$(dirname "${BASH_SOURCE[0]}")/accounts.sh"

# at_least NAME NUMBER: so many pods of the Deployment have got an address
at_least() {
    [ "$(api "/api/v1/namespaces/default/pods?labelSelector=app%3D$1" | jq '[.items[] | select(.status.podIP)] | length')" -ge "$2" ]
}
at_most() {
    [ "$(api "/api/v1/namespaces/default/pods?labelSelector=app%3D$1" | jq '.items | length')" -le "$2" ]
}

# No node says that its network is not ready, whatever else it says.
network_ready() { ! unready | grep -i -E 'cni|network'; }

# killed WHAT: `kill_it` and `start_it` of the case, in the middle of thirty pods that come and of thirty that go
killed() {
    local since
    since=$(date -u +%FT%TZ)
    deployment busy 30 any | apply
    wait_for 120 "the first of the pods" at_least busy 5
    kill_it
    start_it
    rolled_out busy 300
    network_ready || fail "a node's network is not ready after the end of $1"
    nothing_leaked
    k scale deployment busy --replicas=0 >/dev/null
    wait_for 120 "the end of the first pods" at_most busy 25
    kill_it
    start_it
    wait_for 300 "the end of all pods" gone app=busy
    nothing_leaked
    # Who was killed may have made the node NotReady for a moment; it is Ready again, and from now on.
    wait_for 120 "Ready nodes" nodes_ready
    network_ready || fail "a node's network is not ready after the end of $1"
    remove deployment/busy app=busy
    explained "$since"
    ready_since >"$RUN/ready-since"
}

# explained SINCE: every pod is there by now; those that had to wait had an event that said why
explained() {
    local events
    events=$(k get events --field-selector reason=FailedCreatePodSandBox -o json \
        | jq -r --arg since "$1" '.items[] | select((.lastTimestamp // .eventTime) >= $since) | .message')
    [ -z "$events" ] || echo "NOTE: $(wc -l <<<"$events") sandboxes failed, such as: $(head -n 1 <<<"$events" | sed 's/.*desc = //; s/"[0-9a-f]\{64\}"/.../')"
}

# ended_on NODE PID ...: none of them is there any more, so that nobody has what they had open
ended_on() {
    local node=$1
    shift
    ! on "$node" bash -c "kill -0 $* 2>/dev/null"
}

# kill_process NAME [NODE ...]: on every node or on these, as the kernel does it when memory is short; until it has ended
kill_process() {
    local name=$1 node pids
    shift
    for node in ${*:-$NODES}; do
        pids=$(on "$node" pgrep -x "$name" | paste -sd' ') || true
        [ -n "$pids" ] || fail "no $name runs on $node"
        on "$node" bash -c "kill -KILL $pids"
        wait_for 60 "the end of $name on $node" ended_on "$node" "$pids"
    done
}

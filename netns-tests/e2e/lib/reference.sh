# Sourced by the case that compares: the reference chain beside podnet on one node, and what pods cost by each.
. "$(dirname "${BASH_SOURCE[0]}")/workload.sh"
: "${REFERENCE_BIN:=$ROOT/target/tools/plugins-1.9.1}"
CONFLIST=/etc/cni/net.d/05-reference.conflist

# The reference's programs beside podnet, but for loopback, which both have.
reference_installed() {
    on "$1" cp "$REFERENCE_BIN"/{bridge,host-local,portmap,bandwidth} /opt/cni/bin/
    on "$1" mkdir -p /opt/cni/reference /opt/cni/podnet
    on "$1" cp "$REFERENCE_BIN/loopback" /opt/cni/reference/loopback
    on "$1" cp -P /opt/cni/bin/loopback /opt/cni/podnet/loopback
}

loopback_of() {
    on "$2" cp -P "/opt/cni/$1/loopback" /opt/cni/bin/.loopback
    on "$2" mv -f /opt/cni/bin/.loopback /opt/cni/bin/loopback
}

turn_of_reference() {
    loopback_of reference "$1"
    cat >"$RUN/$1/reference.conflist" <<'T'
{"cniVersion": "1.0.0", "name": "reference", "plugins": [
 {"type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "ipMasq": false, "hairpinMode": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.99.0.0/24"}]]}},
 {"type": "portmap", "capabilities": {"portMappings": true}},
 {"type": "bandwidth", "capabilities": {"bandwidth": true}}]}
T
    on "$1" cp "$RUN/$1/reference.conflist" "$CONFLIST.new"
    on "$1" mv "$CONFLIST.new" "$CONFLIST"
    wait_for 120 "a pod by the reference chain" is_by "10.99.0." "$1"
}

turn_of_podnet() {
    loopback_of podnet "$1"
    on "$1" rm -f "$CONFLIST"
    wait_for 120 "a pod by podnet" is_by "" "$1"
}

# is_by PREFIX NODE: a new pod has an address that begins so; without a prefix, one that is not the reference chain's
is_by() {
    pod first "$2" | apply
    ready_pods first
    local address
    address=$(pod_address first)
    remove_case_pods
    case $1 in "") [[ $address != 10.99.0.* ]] ;; *) [[ $address = "$1"* ]] ;; esac
}

# limited FROM TO NODE: pods of these numbers, each with a host port, and limited in both directions
limited() {
    local number
    for number in $(seq "$1" "$2"); do
        cat <<T
apiVersion: v1
kind: Pod
metadata:
  name: limited-$number
  labels: {role: case}
  annotations: {kubernetes.io/ingress-bandwidth: 100M, kubernetes.io/egress-bandwidth: 100M}
spec:
$(spec "$3" $((20000 + number)) | sed 's/^/  /')
---
T
    done
}

running() { [ "$(api '/api/v1/namespaces/default/pods?labelSelector=role%3Dcase' | jq '[.items[] | select(.status.phase == "Running")] | length')" = "$1" ]; }

# set_up NODE: seconds and number of what containerd calls set_up_pod, so far
set_up() {
    on "$1" curl -sS http://127.0.0.1:1338/v1/metrics | awk '
        /^containerd_cri_network_plugin_operations_duration_seconds_seconds_sum\{operation_type="set_up_pod"\}/ { sum = $2 }
        /^containerd_cri_network_plugin_operations_duration_seconds_seconds_count\{operation_type="set_up_pod"\}/ { count = $2 }
        END { print sum + 0, count + 0 }'
}

# an_add BEFORE AFTER: milliseconds, from two answers of `set_up`
an_add() { echo "$1 $2" | awk '{ printf "%.2f\n", 1000 * ($3 - $1) / ($4 - $2) }'; }

# fifty_pods MAKER NODE: at once; the figures go to files for `best`
fifty_pods() {
    local before began
    limited 1 50 "$2" >"$RUN/limited.yaml"
    before=$(set_up "$2")
    began=$(now)
    apply <"$RUN/limited.yaml"
    wait_for 300 "fifty pods by $1" running 50
    echo $(($(now) - began)) >>"$RUN/$1.running"
    an_add "$before" "$(set_up "$2")" >>"$RUN/$1.crowded"
    remove_case_pods
}

# one_by_one MAKER NODE: ten pods, none before the last one runs: what an ADD costs where nothing waits for a processor
one_by_one() {
    local before number
    before=$(set_up "$2")
    for number in $(seq 10); do
        limited "$number" "$number" "$2" | apply
        wait_for 120 "pod $number by $1" running "$number"
    done
    an_add "$before" "$(set_up "$2")" >>"$RUN/$1.alone"
    remove_case_pods
}

# best MAKER FIGURE: the least of the rounds, which other work on the machine has disturbed the least
best() { sort -n "$RUN/$1.$2" | head -n 1; }

# no_later: fifty pods run no later than by the reference chain
no_later() { [ "$(best podnet running)" -le "$(best reference running)" ]; }

# share FIGURE: of the reference chain's time in the plugins
share() { awk -v ours="$(best podnet "$1")" -v theirs="$(best reference "$1")" 'BEGIN { printf "%.3f\n", ours / theirs }'; }

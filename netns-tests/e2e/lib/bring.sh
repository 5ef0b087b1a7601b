# Sourced by `run`: a cluster comes and goes.
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# machine NAME
machine() {
    mkdir -p "$RUN/$1"
    setsid "$E2E/node/sandbox" "$1" >"$RUN/$1/sandbox.log" 2>&1 </dev/null &
    echo $! >"$RUN/$1/unshare.pid"
    disown
    wait_for 60 "machine $1" test -e "$RUN/$1/ready"
    awk '{print $1}' "/proc/$(cat "$RUN/$1/unshare.pid")/task/$(cat "$RUN/$1/unshare.pid")/children" >"$RUN/$1/init.pid"
}

# The link of all nodes. The switch is their gateway, and stands for everything beyond.
switch_up() {
    machine switch
    on switch bash -c "
        ip link add br0 type bridge
        ip address add 172.31.255.1/24 dev br0
        ip address add fd00:31:255::1/64 dev br0 nodad
        ip address add $OUTSIDE/32 dev lo
        ip address add $OUTSIDE_6/128 dev lo nodad
        ip link set br0 up"
    mkdir -p "$RUN/switch/www/cgi-bin"
    cp "$E2E/who" "$RUN/switch/www/cgi-bin/who"
    on switch busybox httpd -p 80 -h "$RUN/switch/www"
}

# node_up NAME NUMBER: its place on the network, its container runtime
node_up() {
    machine "$1"
    ip link add eth0 netns "$(cat "$RUN/$1/init.pid")" type veth peer name "port$2" netns "$(cat "$RUN/switch/init.pid")"
    on switch ip link set "port$2" master br0 up
    on "$1" bash -c "
        ip address add 172.31.255.$2/24 dev eth0
        ip address add fd00:31:255::$2/64 dev eth0 nodad
        ip link set eth0 up
        ip route add default via 172.31.255.1
        ip -6 route add default via fd00:31:255::1"
    echo "172.31.255.$2" >"$RUN/$1/address"
    on "$1" "$E2E/node/containerd" "$1"
    wait_for 60 "containerd of $1" on "$1" ctr version
    local image
    for image in "$E2E_CACHE/images/busybox.tar" "$ROOT"/target/images/*.tar; do
        on "$1" ctr -n k8s.io images import --digests=false "$image" >>"$RUN/$1/images.log"
    done
}

# The routes that the network has to each node's pods: the way back from outside and, with ROUTES=cloud, those that a
# cloud's route controller makes between the nodes.
routes_up() {
    local node other cidr at where="switch"
    [ "$ROUTES" != cloud ] || where="switch $NODES"
    for node in $NODES; do
        for cidr in $(k get node "$node" -o "jsonpath={.spec.podCIDRs[*]}"); do
            at=$(address_of "$node")
            [[ $cidr != *:* ]] || at=$(sixth_of "$node")
            for other in $where; do
                [ "$other" = "$node" ] || on "$other" ip route replace "$cidr" via "$at"
            done
        done
    done
}

have_cidr() { [ -n "$(k get node "$1" -o "jsonpath={.spec.podCIDR}")" ]; }

# cluster_up: a switch, two nodes, the control plane on the first; kubelet and kube-proxy on both; no pod network yet.
cluster_up() {
    rm -rf "$RUN"
    mkdir -p "$RUN"
    switch_up
    node_up node1 2
    node_up node2 3
    "$E2E/control/certificates" 172.31.255.2 $NODES
    on node1 "$E2E/control/plane" all
    local node
    for node in $NODES; do
        on "$node" "$E2E/node/kubelet" "$node"
        wait_for 120 "the CIDR of $node" have_cidr "$node"
        on "$node" "$E2E/node/proxy" "$node"
    done
    routes_up
}

ended() { ! kill -0 "$1" 2>/dev/null; }

# The cgroups of the nodes go when the last process in them is gone.
cgroups_gone() {
    local group
    for group in /sys/fs/cgroup/*/podnet-e2e-*; do
        [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + || return 1
    done
}

# Everything ends with its sandbox; the logs stay where E2E_KEEP is set.
cluster_down() {
    local file
    for file in "$RUN"/*/unshare.pid; do
        [ -f "$file" ] || continue
        kill -KILL "$(cat "$file")" 2>/dev/null || true
        wait_for 60 "the end of $file" ended "$(cat "$file")"
    done
    [ ! -d "$RUN" ] || wait_for 60 "the end of the nodes' cgroups" cgroups_gone
    [ -n "${E2E_KEEP:-}" ] || rm -rf "$RUN"
}

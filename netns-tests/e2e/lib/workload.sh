# Sourced by the cases: pods, and what they see of each other.
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

# spec NODE [HOSTPORT]: of a pod that answers on port 80; NODE may be "any"
spec() {
    [ "$1" = any ] || echo "nodeSelector: {kubernetes.io/hostname: $1}"
    cat <<T
terminationGracePeriodSeconds: 1
automountServiceAccountToken: false
dnsPolicy: Default
containers:
- name: web
  image: $IMAGE
  imagePullPolicy: Never
  command: [httpd, -f, -p, "80", -h, /www]
  ports: [{containerPort: 80${2:+, hostPort: $2}}]
  readinessProbe: {httpGet: {path: /cgi-bin/who, port: 80}, periodSeconds: 5, timeoutSeconds: 5}
T
}

# deployment NAME REPLICAS NODE: its pods carry the label app=NAME
deployment() {
    cat <<T
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1}
spec:
  replicas: $2
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec:
$(spec "$3" | sed 's/^/      /')
T
}

# pod NAME NODE [HOSTPORT]
pod() {
    cat <<T
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {app: $1, role: case}}
spec:
$(spec "$2" "${3:-}" | sed 's/^/  /')
---
T
}

apply() { k apply -f - >/dev/null; }

# rolled_out NAME: every replica is there and ready
rolled_out() { k rollout status "deployment/$1" --timeout="${2:-180}s" >/dev/null || fail "Deployment $1 did not become ready"; }

ready_pods() { k wait --for=condition=Ready --timeout=120s "${@/#/pod/}" >/dev/null || fail "not ready: $*"; }

# remove KIND/NAME LABEL: until no pod of it is left
remove() {
    k delete --wait=false "$1" >/dev/null
    wait_for 180 "the end of $2" gone "$2"
}

remove_case_pods() {
    k delete pods -l role=case --wait=false >/dev/null
    wait_for 120 "the end of the case's pods" gone role=case
}

# page: what the page `who` says, from an HTTP answer, addresses without brackets; IPv4 is IPv4 to a server of both families, too
page() { tr -d '\r' | sed '1,/^$/d; s/\[\(.*\)\]/\1/; s/::ffff://' | grep .; }

# fetch POD ADDRESS PORT: "who answers, whom it sees", asked from a pod
fetch() { printf 'GET /cgi-bin/who HTTP/1.0\r\n\r\n' | k exec -i "$1" -- nc -w 5 "$2" "$3" | page; }

# fetch_from NODE ADDRESS PORT: the same from a node or from the outside
fetch_from() {
    case $2 in *:*) set -- "$1" "[$2]" "$3" ;; esac
    on "$1" curl -sSi --max-time 5 "http://$2:$3/cgi-bin/who" | page
}

# answers WANTED COMMAND ...: the answer is as wanted
answers() {
    local wanted=$1
    shift
    [ "$("$@")" = "$wanted" ]
}

# reaches POD ADDRESS PORT ANSWER: soon, since routes and rules follow their objects
reaches() { wait_for 30 "'$4' as the answer to $1 at $2 port $3" answers "$4" fetch "$1" "$2" "$3"; }
reached_from() { wait_for 30 "'$4' as the answer to $1 at $2 port $3" answers "$4" fetch_from "$1" "$2" "$3"; }

pod_has_address() { [ -n "$(pod_address "$1")" ]; }

# Sourced by everything here: where things are, and how a script says what it does, waits and fails.

E2E=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
ROOT=$(dirname "$(dirname "$E2E")")
: "${E2E_CACHE:=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/podnet-e2e}"
export E2E_CACHE
RUN=$E2E_CACHE/run
BIN=$E2E_CACHE/bin

say() { printf 'e2e: %s\n' "$*"; }

# The case ends here; what it found is its last line.
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# equal WHAT WANTED FOUND
equal() { [ "$2" = "$3" ] || fail "$1: wanted '$2', found '$3'"; }

# wait_for SECONDS WHAT COMMAND ...: until the command succeeds. Seconds are a limit for a machine that is in trouble.
wait_for() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >"$RUN/last" 2>&1; do
        if [ $SECONDS -ge $until ]; then
            tail -n 5 "$RUN/last" >&2
            fail "waited in vain for $what"
        fi
        sleep 0.2
    done
}

# milliseconds since the machine started
now() { awk '{print int($1 * 1000)}' /proc/uptime; }

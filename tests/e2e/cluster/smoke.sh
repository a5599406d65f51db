#!/usr/bin/env bash
# Tells whether the running cluster does what backup Jobs need: runs the Jobs of smoke.yaml and
# checks what came of each. Ends with "N passed, N failed".
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

passed=0 failed=0

# check WHAT COMMAND...
check() {
    local what=$1
    shift
    if "$@" >/dev/null 2>&1; then
        passed=$((passed + 1))
        printf 'ok      %s\n' "$what"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "$what"
    fi
}

# job_ended NAME CONDITION
job_ended() {
    local query="{.status.conditions[?(@.type==\"$2\")].status}"
    [ "$(kubectl -n smoke get job "$1" -o "jsonpath=$query")" = True ]
}

job_reason() {
    kubectl -n smoke get job "$1" -o 'jsonpath={.status.conditions[*].reason}' | grep -qw "$2"
}

# pod_said JOB EXIT_CODE MESSAGE: how the container ended, and its termination message
pod_said() {
    local state='{.items[0].status.containerStatuses[0].state.terminated}'
    kubectl -n smoke get pods -l "job-name=$1" -o "jsonpath=$state" |
        jq -e --argjson code "$2" --arg message "$3" \
            '.exitCode == $code and ((.message // "") | contains($message))'
}

logged() { grep -qE "$1" "$work/log"; }
job_is_gone() { ! kubectl -n smoke get job "$1"; }

# a server in the machine's own network namespace, which pods must reach
work=$(mktemp -d)
echo hello-from-host >"$work/hello"
(cd "$work" && exec python3 -m http.server 18080 --bind "$HOST_IP") >/dev/null 2>&1 &
server_pid=$!
trap 'kill "$server_pid"; rm -rf "$work"' EXIT

kubectl delete namespace smoke --ignore-not-found --wait >/dev/null
sed "s/@HOST_IP@/$HOST_IP/" "$CLUSTER_DIR/smoke.yaml" | kubectl apply -f - >/dev/null

check 'a restricted Job completes' wait_for 90 job_ended full Complete
kubectl -n smoke logs job/full >"$work/log" || true
check 'as its own user and group' logged '^user: 10001 10001$'
check 'under seccomp' logged '^Seccomp:.*2$'
check 'without new privileges' logged '^NoNewPrivs:.*1$'
check 'its root is read-only' logged '^root is read-only$'
check 'its emptyDir is writable' logged '^tmp is writable$'
check 'ConfigMap and Secret reach it' logged '^mounted: hello-from-configmap not-secret not-secret$'
check 'the API lets it list what its Role names' logged '^list configmaps: 200$'
check 'and nothing else' logged '^list secrets: 403$'
check 'cluster DNS answers' logged '^by name: 200$'
check 'it reaches a server of the machine' logged '^host: hello-from-host$'
check 'its termination message is kept' pod_said full 0 '{"bytes":4711}'
check 'a Job that exits 3 fails' wait_for 60 job_ended fails Failed
check 'with code and message' pod_said fails 3 'why it failed'
check 'a Job past its deadline fails' wait_for 60 job_ended deadline Failed
check 'for that reason' job_reason deadline DeadlineExceeded
check 'a Job with a TTL is removed' wait_for 60 job_is_gone full

[ "$failed" = 0 ] || cat "$work/log"
kubectl delete namespace smoke --wait=false >/dev/null
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]

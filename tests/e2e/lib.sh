# What every end-to-end story uses. Sourced by stories/*.sh, which tests/e2e/run.sh starts with this
# environment: KUBECONFIG, E2E_BIN (kubectl, helm), E2E_PY (python with boto3 and the Neo4j driver), E2E_DIR
# (a directory for the story's own files), E2E_HOST (an address of this machine that pods reach), E2E_IMAGE, E2E_NEO4J_URI,
# E2E_NEO4J_PASSWORD, S3_ENDPOINT (through the R2-shaped proxy), S3_ACCESS_KEY, S3_SECRET_KEY, E2E_WORKER (the program).
# shellcheck shell=bash
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$E2E_BIN:$PATH
SYSTEM_NS=neo4j-backup-system

fail() {
    echo "FAIL: $*" >&2
    dump_state >&2 || true
    exit 1
}

note() { printf '%s %s\n' "$(date -u +%H:%M:%S)" "$*"; }

# What a reader of a failed story wants to see.
dump_state() {
    [ -n "${NS:-}" ] || return 0
    echo "--- state of namespace $NS"
    kubectl -n "$NS" get neo4jbackups,neo4jbackupruns,jobs,pods -o wide
    kubectl -n "$NS" get neo4jbackups,neo4jbackupruns -o yaml | grep -v managedFields | tail -n 150
    kubectl -n "$NS" get events --sort-by=.lastTimestamp | tail -n 30
    local pod
    for pod in $(kubectl -n "$NS" get pods -o name | tail -n 3); do
        echo "--- log of $pod"
        kubectl -n "$NS" logs "$pod" --tail=30
    done
    echo "--- log of the controller"
    kubectl -n "$SYSTEM_NS" logs deployment/neo4j-backup --tail=30
}

# wait_until SECONDS WHAT COMMAND...: polls; the story fails when the time is over.
wait_until() {
    local limit=$1 what=$2 end
    shift 2
    end=$((SECONDS + limit))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || fail "not within $limit s: $what"
        sleep 0.5
    done
    note "seen: $what"
}

expect() { # WHAT GOT WANTED
    [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"
}
expect_match() { # WHAT GOT PATTERN
    grep -qE -- "$3" <<<"$2" || fail "$1 is '$2', which does not match '$3'"
}

s3() { "$E2E_PY" "$HERE/s3.py" "$@"; }
servers() { "$HERE/servers.sh" "$@"; }
# compare A B: two databases, by an independent judge
compare() { "$E2E_PY" "$HERE/graph_compare.py" "$1" "$2"; }

# story_namespace NAME: a namespace under restricted Pod Security with its own bucket and both Secrets.
story_namespace() {
    NS=$1
    BUCKET=e2e-$1
    kubectl delete namespace "$NS" --ignore-not-found --wait >/dev/null
    kubectl create namespace "$NS" >/dev/null
    kubectl label namespace "$NS" pod-security.kubernetes.io/enforce=restricted >/dev/null
    s3 make "$BUCKET"
    s3 sweep "$BUCKET" ""
    secrets
}
secrets() {
    kubectl -n "$NS" create secret generic neo4j-auth \
        --from-literal=NEO4J_PASSWORD="$E2E_NEO4J_PASSWORD" >/dev/null
    kubectl -n "$NS" create secret generic s3-credentials \
        --from-literal=R2_ACCESS_KEY_ID="$S3_ACCESS_KEY" \
        --from-literal=R2_SECRET_ACCESS_KEY="$S3_SECRET_KEY" >/dev/null
}

# policy NAME [JSON]: applies a Neo4jBackup; JSON is merged over the smallest useful spec. Its schedule is half a day
# away, so that nothing runs but what a story asks for.
policy() {
    local base
    base=$(jq -n --arg schedule "0 $(((10#$(date -u +%H) + 12) % 24)) * * *" --arg ns "$NS" --arg name "$1" --arg uri "$E2E_NEO4J_URI" --arg bucket "$BUCKET" \
        --arg endpoint "$S3_ENDPOINT" '{
        apiVersion: "neo4jbackup.dev/v1", kind: "Neo4jBackup", metadata: {namespace: $ns, name: $name},
        spec: {
            schedule: $schedule,
            connection: {uri: $uri, authSecretRef: {name: "neo4j-auth"}},
            storage: {s3: {endpoint: $endpoint, bucket: $bucket, forcePathStyle: true,
                credentialsSecretRef: {name: "s3-credentials"}}},
            job: {retryWindowSeconds: 0}
        }}')
    # a member that is null in JSON is removed
    jq -n --argjson base "$base" --argjson over "${2:-"{}"}" '
        def strip: if type == "object" then with_entries(select(.value != null) | .value |= strip) else . end;
        ($base * {spec: $over}) | strip' | kubectl apply -f - 2>&1
}

run_now() { # POLICY TOKEN
    kubectl -n "$NS" annotate --overwrite neo4jbackup "$1" "neo4jbackup.dev/run-requested=$2" >/dev/null
}

# field KIND NAME JSONPATH
field() { kubectl -n "$NS" get "$1" "$2" -o "jsonpath={$3}"; }
# condition KIND NAME TYPE -> "Status Reason"
condition() {
    kubectl -n "$NS" get "$1" "$2" -o json |
        jq -r --arg t "$3" '.status.conditions[]? | select(.type == $t) | "\(.status) \(.reason)"'
}
condition_is() { [ "$(condition "$1" "$2" "$3")" = "$4" ]; }
condition_message() {
    kubectl -n "$NS" get "$1" "$2" -o json |
        jq -r --arg t "$3" '.status.conditions[]? | select(.type == $t) | .message'
}
# runs POLICY: names, oldest first
runs() {
    kubectl -n "$NS" get neo4jbackupruns -l "neo4jbackup.dev/backup-name=$1" \
        --sort-by=.metadata.creationTimestamp -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}'
}
run_count_is() { [ "$(runs "$1" | grep -c .)" -eq "$2" ]; }
run_count_at_least() { [ "$(runs "$1" | grep -c .)" -ge "$2" ]; }
newest_run() { runs "$1" | tail -n 1; }
run_status() { condition neo4jbackuprun "$1" Succeeded | cut -d' ' -f1; }
# run_done POLICY N: N runs are there and the newest has ended
run_done() {
    local r
    run_count_at_least "$1" "$2" || return 1
    r=$(newest_run "$1")
    case $(run_status "$r") in True | False) ;; *) return 1 ;; esac
}
run_succeeded() { [ "$(run_status "$1")" = True ]; }
backed_up() { # POLICY N: N runs are there, the newest succeeded
    run_done "$1" "$2" && run_succeeded "$(newest_run "$1")"
}
manifests() { s3 ls "$BUCKET" "${1:-}" | grep -c 'manifest\.json$' || true; }
# No claim and no unfinished upload is left.
nothing_left_behind() {
    local left
    left=$(s3 ls "$BUCKET" "" | grep 'claim\.json$' || true)
    [ -z "$left" ] || fail "a claim is left: $left"
    left=$(s3 uploads "$BUCKET")
    [ -z "$left" ] || fail "an upload is left: $left"
}
# No secret in anything that the story can read.
no_secret_shown() {
    local all
    all=$(kubectl -n "$NS" get neo4jbackups,neo4jbackupruns,jobs,pods,events -o yaml
        for p in $(kubectl -n "$NS" get pods -o name); do kubectl -n "$NS" logs "$p" || true; done)
    ! grep -qF -- "$E2E_NEO4J_PASSWORD" <<<"$all" || fail "the Neo4j password is shown somewhere"
    ! grep -qF -- "$S3_SECRET_KEY" <<<"$all" || fail "the S3 secret key is shown somewhere"
}
controller_restarts() {
    kubectl -n "$SYSTEM_NS" get pods -l app.kubernetes.io/component=controller \
        -o 'jsonpath={.items[*].status.containerStatuses[0].restartCount}'
}
story_done() {
    no_secret_shown
    kubectl delete namespace "$NS" --wait=false >/dev/null
    note "done"
}

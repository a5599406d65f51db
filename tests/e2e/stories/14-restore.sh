#!/usr/bin/env bash
# Neo4jRestore: by run, by key, by policy, and by policy and time; a target that is not empty is refused with nothing written; Wipe wants
# the database's name. What comes back is compared value by value by an independent judge.
. "$(dirname "$0")/../lib.sh"
story_namespace restore

servers neo4j-wipe restore-target
servers neo4j-up 5 restore-target 17698 >/dev/null
trap 'servers neo4j-down restore-target' EXIT
target=bolt://$E2E_HOST:17698

# restore NAME JSON: a Neo4jRestore into the target; JSON is merged over its spec
restore() {
    jq -n --arg ns "$NS" --arg name "$1" --arg uri "$target" --argjson over "$2" '{
        apiVersion: "neo4jbackup.dev/v1", kind: "Neo4jRestore", metadata: {namespace: $ns, name: $name},
        spec: ({target: {connection: {uri: $uri, authSecretRef: {name: "neo4j-auth"}}}, job: {retryWindowSeconds: 0}} * $over)
    }' | kubectl apply -f - 2>&1
}
restored() { condition_is neo4jrestore "$1" Succeeded "True Succeeded"; }
refused() { condition_is neo4jrestore "$1" Succeeded "False $2"; }
in_target() { NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD servers shell "$target" <<<"$1"; }

policy graph '{"suspend": true}' >/dev/null
run_now graph one
wait_until 90 "a backup" backed_up graph 1
run=$(newest_run graph)
key=$(field neo4jbackuprun "$run" '.status.artifacts[0].manifestKey')
[ -n "$key" ] || fail "the run names no manifest"
moment=$(date -u +%Y-%m-%dT%H:%M:%SZ)
run_now graph two # meanwhile

# by run, into an empty database
restore by-run '{"source": {"runRef": {"name": "'"$run"'"}}}'
wait_until 240 "restored by run" restored by-run
compare "$E2E_NEO4J_URI" "$target" || fail "the graph restored by run differs"
expect "Verified" "$(condition neo4jrestore by-run Verified)" "True Succeeded"
expect "the source" "$(field neo4jrestore by-run '.status.resolvedSource.points[0].manifestKey')" "$key"
expect "the result" "$(field neo4jrestore by-run '.status.databaseResults[0].result')" Succeeded
expect "the target database" "$(field neo4jrestore by-run '.status.databaseResults[0].target')" neo4j
expect "progress" "$(field neo4jrestore by-run '.status.progressText')" "100%"
expect "nodes" "$(field neo4jrestore by-run '.status.databaseResults[0].nodes')" \
    "$(field neo4jbackuprun "$run" '.status.artifacts[0].nodes')"

# again: the target is not empty; and of two backups the time says which one it would have been
wait_until 90 "a second backup" backed_up graph 2
newer=$(field neo4jbackuprun "$(newest_run graph)" '.status.artifacts[0].manifestKey')
[ -n "$newer" ] && [ "$newer" != "$key" ] || fail "the second run has no manifest of its own"
restore again '{"source": {"runRef": {"name": "'"$run"'"}}}'
restore before '{"source": {"backupRef": {"name": "graph"}, "beforeTime": "'"$moment"'"}}'
wait_until 120 "a target that is not empty is refused" refused again TargetNotEmpty
expect_match "the message" "$(condition_message neo4jrestore again Succeeded)" "not empty.*nothing was written"
expect "exit code" "$(field neo4jrestore again '.status.failure.exitCode')" 2
expect "pods of the refused one" "$(kubectl -n "$NS" get pods -l neo4jbackup.dev/restore-name=again -o name | wc -l)" 1
wait_until 120 "the one by time is refused" refused before TargetNotEmpty
expect "the newest backup before that time" "$(field neo4jrestore before '.status.resolvedSource.points[*].manifestKey')" "$key"
compare "$E2E_NEO4J_URI" "$target" || fail "a refused restore has changed the target"

# by key, from the bucket alone, over what is there
in_target 'CREATE (:Stranger {of: "the backup"})-[:R]->(:Stranger); CREATE INDEX stranger FOR (s:Stranger) ON (s.of);' >/dev/null
source=$(jq -n --arg endpoint "$S3_ENDPOINT" --arg bucket "$BUCKET" --arg key "$key" '{source: {key: $key,
    storage: {s3: {endpoint: $endpoint, bucket: $bucket, forcePathStyle: true, credentialsSecretRef: {name: "s3-credentials"}}}}}')
wipe() { jq -n --argjson source "$source" --arg confirm "$1" '$source + {overwritePolicy: "Wipe", confirm: $confirm}'; }
expect_match "no confirmation" "$(restore unconfirmed "$(jq '. + {overwritePolicy: "Wipe"}' <<<"$source")" || true)" "spec.confirm"
restore wrong "$(wipe other)"
wait_until 120 "a wipe of another name is refused" refused wrong ConfirmMismatch
expect_match "strangers" "$(in_target 'MATCH (s:Stranger) RETURN count(s) AS n;')" "^2$"
restore by-key "$(wipe neo4j)"
wait_until 240 "restored by key" restored by-key
compare "$E2E_NEO4J_URI" "$target" || fail "the graph restored by key differs"

# what it has wiped is a backup of its own, which nobody else finds
safety=$(field neo4jrestore by-key '.status.safetyBackups[0].manifestKey')
expect "databases that were backed up before the wipe" "$(field neo4jrestore by-key '.status.safetyBackups[*].database')" neo4j
restore back "$(wipe neo4j | jq --arg key "$safety" '.source.key = $key')"
wait_until 240 "what was wiped is back" restored back
expect_match "strangers again" "$(in_target 'MATCH (s:Stranger) RETURN count(s) AS n;')" "^2$"

# the newest backup of a policy; the worker says which
restore newest '{"source": {"backupRef": {"name": "graph"}}, "overwritePolicy": "Wipe", "confirm": "neo4j"}'
wait_until 240 "restored by policy" restored newest
expect "the chosen backup" "$(field neo4jrestore newest '.status.resolvedSource.points[0].manifestKey')" "$newer"
compare "$E2E_NEO4J_URI" "$target" || fail "the graph restored by policy differs"

# nothing that old
restore too-old '{"source": {"backupRef": {"name": "graph"}, "beforeTime": "2020-01-01T00:00:00Z"}}'
wait_until 120 "a time before the first backup" refused too-old NoBackup
nothing_left_behind
expect_match "an event" "$(kubectl -n "$NS" get events -o 'jsonpath={range .items[*]}{.reason}{" "}{end}')" "RestoreSucceeded"
story_done

#!/usr/bin/env bash
# Neo4j is down when the run starts and comes back: the run waits and succeeds, as one run.
. "$(dirname "$0")/../lib.sh"
story_namespace neo4j-away

servers neo4j-up 5 away 17691 >/dev/null
trap 'servers neo4j-down away' EXIT
servers neo4j-down away
policy patient '{"connection": {"uri": "bolt://'"$E2E_HOST"':17691"}, "job": {"retryWindowSeconds": 600}}'
run_now patient now
wait_until 60 "the run waits for Neo4j" bash -c \
    "kubectl -n $NS get neo4jbackupruns -o jsonpath='{.items[0].status.progress.stage}' | grep -q WaitingForNeo4j"
wait_until 30 "the policy says so" condition_is neo4jbackup patient Ready "False WaitingForNeo4j"
servers neo4j-up 5 away 17691 >/dev/null
wait_until 120 "the run succeeded" backed_up patient 1
run_count_is patient 1 || fail "more than one run"
expect "pods" "$(kubectl -n "$NS" get pods -l neo4jbackup.dev/backup-name=patient -o name | wc -l)" 1
story_done

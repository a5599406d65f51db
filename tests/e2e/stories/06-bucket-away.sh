#!/usr/bin/env bash
# The bucket answers nothing but 503 for ten minutes (E2E_AWAY_SECONDS) and comes back: the run waits and succeeds.
. "$(dirname "$0")/../lib.sh"
story_namespace bucket-away
away=${E2E_AWAY_SECONDS:-600}

servers proxy-up away 9491 >/dev/null
trap 'servers proxy-down away' EXIT
control() { curl -sS --fail -d "$1" "http://$E2E_HOST:9491/_control"; }
control '{"down": true}'
policy patient '{"storage": {"s3": {"endpoint": "http://'"$E2E_HOST"':9491"}}, "job": {"retryWindowSeconds": 3600}}'
run_now patient now
wait_until 60 "the run waits for the bucket" bash -c \
    "kubectl -n $NS get neo4jbackupruns -o jsonpath='{.items[0].status.progress.stage}' | grep -q WaitingForStorage"
end=$((SECONDS + away))
while [ $SECONDS -lt $end ]; do
    ! run_done patient 1 || fail "the run ended while the bucket was away: $(condition neo4jbackuprun "$(newest_run patient)" Succeeded)"
    sleep 5
done
control '{"down": false}'
wait_until 120 "the run succeeded" backed_up patient 1
expect "manifests" "$(manifests)" 1
nothing_left_behind
story_done

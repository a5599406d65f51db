#!/usr/bin/env bash
# Run now: one token gives one run, also while the policy is suspended.
. "$(dirname "$0")/../lib.sh"
story_namespace run-now

policy manual '{"suspend": true}'
wait_until 10 "the policy was seen" bash -c "[ -n \"\$(kubectl -n $NS get neo4jbackup manual -o 'jsonpath={.status.observedGeneration}')\" ]"
run_count_is manual 0 || fail "a run without being asked"
run_now manual first
wait_until 60 "the run succeeded" backed_up manual 1
expect trigger "$(field neo4jbackuprun "$(newest_run manual)" .spec.trigger)" Manual
expect "handled token" "$(field neo4jbackup manual .status.lastHandledRequest)" first
run_now manual first
kubectl -n "$NS" label neo4jbackup manual touched=yes >/dev/null
run_now manual second
wait_until 60 "a second token gives a second run" backed_up manual 2
run_count_is manual 2 || fail "the first token gave a second run"
nothing_left_behind
story_done

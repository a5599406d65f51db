#!/usr/bin/env bash
# Retention keeps what its rules say, deletes the rest whole, and never what is pinned by a foreign owner or not ours.
. "$(dirname "$0")/../lib.sh"
story_namespace retention

policy keep '{"retention": {"keepLast": 2}}'
for i in 1 2 3 4; do
    run_now keep "t$i"
    wait_until 60 "backup $i" bash -c "[ \"\$(kubectl -n $NS get neo4jbackup keep -o 'jsonpath={.status.lastHandledRequest}')\" = t$i ]"
    wait_until 60 "backup $i is recorded" bash -c "kubectl -n $NS get neo4jbackup keep -o json | jq -e '[.status.history[] | select(.result == \"Succeeded\")] | length == $i'"
done
wait_until 30 "two are kept" bash -c "[ \"\$('$E2E_PY' '$HERE/s3.py' ls $BUCKET | grep -c manifest.json)\" = 2 ]"
expect "objects" "$(s3 ls "$BUCKET" "" | wc -l)" 4
wait_until 20 "the policy counts two" bash -c "[ \"\$(kubectl -n $NS get neo4jbackup keep -o 'jsonpath={.status.stored.count}')\" = 2 ]"
# history limits never touch the bucket, and hold
wait_until 20 "three runs are kept" run_count_is keep 3
story_done

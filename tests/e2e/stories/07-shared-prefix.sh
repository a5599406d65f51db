#!/usr/bin/env bash
# Two policies on one bucket and prefix, due at the same minute: both back up, neither touches the other's.
. "$(dirname "$0")/../lib.sh"
story_namespace shared-prefix

policy one '{"schedule": "* * * * *", "retention": {"keepLast": 1}}'
policy two '{"schedule": "* * * * *", "retention": {"keepLast": 5}}'
printf 'CREATE (:Old);\n' | gzip >"$E2E_DIR/old.gz"
s3 put "$BUCKET" neo4j-backup/neo4j_2020-01-01_00-00-00.cypher.gz "$E2E_DIR/old.gz"
wait_until 130 "one ran" backed_up one 1
wait_until 60 "two ran" backed_up two 1
first_of_two=$(field neo4jbackuprun "$(runs two | head -n 1)" .status.manifestKey)
run_now one again
wait_until 60 "one ran again" bash -c "[ \"\$(kubectl -n $NS get neo4jbackup one -o 'jsonpath={.status.lastHandledRequest}')\" = again ]"
wait_until 60 "and ended" backed_up one 2
for r in $(runs one; runs two); do
    expect "run $r" "$(run_status "$r")" True
done
keys=$(kubectl -n "$NS" get neo4jbackupruns -o 'jsonpath={range .items[*]}{.status.manifestKey}{"\n"}{end}')
expect "no key twice" "$(sort <<<"$keys" | uniq -d)" ""
listing=$(s3 ls "$BUCKET" "")
echo "$listing"
grep -qF "$first_of_two" <<<"$listing" || fail "retention of one removed a backup of two"
grep -qF neo4j_2020-01-01_00-00-00.cypher.gz <<<"$listing" || fail "an unmanaged object was removed"
for p in one two; do kubectl -n "$NS" patch neo4jbackup $p --type=merge -p '{"spec":{"suspend":true}}' >/dev/null; done
story_done

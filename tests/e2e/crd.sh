#!/usr/bin/env bash
# The CustomResourceDefinitions before a real API server: every valid example is taken, every
# invalid one is refused with the sentence that says what to write instead, defaults are set,
# frozen specs stay frozen. Wants kubectl (KUBECTL, default: from the path) and a KUBECONFIG of
# a cluster that may be written to; leaves a namespace behind only when it fails.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
KUBECTL=${KUBECTL:-kubectl}
vectors=tests/vectors/crd
passed=0 failed=0

good() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    printf 'FAIL %s\n%s\n' "$1" "$2"
}
# is NAME EXPECTED GOT
is() { if [ "$2" = "$3" ]; then good; else bad "$1" "expected '$2', got '$3'"; fi; }

"$KUBECTL" apply -f crd/ >/dev/null || exit 1
"$KUBECTL" wait --for=condition=Established --timeout=30s -f crd/ >/dev/null || exit 1
for condition in $("$KUBECTL" get -f crd/ -o \
    'jsonpath={range .items[*]}{.status.conditions[?(@.type=="NonStructuralSchema")].status}{" "}{end}'); do
    is "schemas are structural" '' "$condition"
done
namespace=crd-$$
"$KUBECTL" create namespace "$namespace" >/dev/null || exit 1
k() { "$KUBECTL" -n "$namespace" "$@"; }

for file in "$vectors"/valid/*.yaml; do
    if out=$(k create -f "$file" 2>&1); then good; else bad "$file was refused" "$out"; fi
done
for file in "$vectors"/invalid/*.yaml; do
    want=$(sed -n '1s/^# error: //p' "$file")
    if out=$(k create -f "$file" 2>&1); then
        bad "$file was taken" "$out"
    elif [[ $out == *"$want"* ]]; then
        good
    else
        bad "$file: another error than '$want'" "$out"
    fi
done

field() { k get "$1" "$2" -o "jsonpath={$3}"; }
is 'default of timeZone' Etc/UTC "$(field n4b graphiti .spec.timeZone)"
is 'default of concurrencyPolicy' Forbid "$(field n4b graphiti .spec.concurrencyPolicy)"
is 'default of daylightSavingPolicy' RunOnce "$(field n4b graphiti .spec.daylightSavingPolicy)"
is 'no default of retention.days: it depends on the keep rules' '' "$(field n4b graphiti .spec.retention.days)"
is 'default of retention.minimumSuccessful' 1 "$(field n4b graphiti .spec.retention.minimumSuccessful)"
is 'default of prefix' neo4j-backup "$(field n4b graphiti .spec.storage.r2.prefix)"
is 'default of verification.level' Checksum "$(field n4b graphiti .spec.verification.level)"
is 'default of compressionLevel' 6 "$(field n4b graphiti .spec.compressionLevel)"
is 'default of job.retryWindowSeconds' 7200 "$(field n4b graphiti .spec.job.retryWindowSeconds)"
is 'default of notifications[].events' '["Failed","Recovered","Overdue"]' \
    "$(field n4b full-example '.spec.notifications[?(@.channel=="dev")].events')"
is 'default of overwritePolicy' Fail "$(field n4r r1 .spec.overwritePolicy)"
is 'default of a restore'"'"'s backoffLimit' 0 "$(field n4r r1 .spec.job.backoffLimit)"

out=$(k patch n4r r1 --type merge -p '{"spec":{"verify":false}}' 2>&1)
if [[ $out == *'make a new Neo4jRestore'* ]]; then good; else bad 'a restore is immutable' "$out"; fi
k create -f - >/dev/null <<'Y' || bad 'a run is taken' ''
apiVersion: neo4jbackup.dev/v1
kind: Neo4jBackupRun
metadata: {name: graphiti-1}
spec:
  backupRef: {name: graphiti}
  trigger: Schedule
  scheduledTime: "2026-01-01T02:00:00Z"
  template:
    connection: {uri: "bolt://neo4j:7687"}
    storage: {r2: {bucket: bbb, credentialsSecretRef: {name: r2}}}
Y
out=$(k patch n4br graphiti-1 --type merge -p '{"spec":{"trigger":"Manual"}}' 2>&1)
if [[ $out == *'is frozen'* ]]; then good; else bad 'a run is frozen' "$out"; fi
# a controller that watches must leave this one alone
k annotate n4b graphiti neo4jbackup.dev/reconcile=disabled >/dev/null
k patch n4b graphiti --subresource status --type merge -p '{"status":{"lastSize":"1.2 GiB",
  "nextScheduleTime":"2026-01-02T02:00:00Z","consecutiveFailures":2,"active":["graphiti-1"],"conditions":[{
  "type":"Ready","status":"True","reason":"Running","message":"","lastTransitionTime":"2026-01-01T02:00:00Z"}]}}' \
    >/dev/null || bad 'a status is taken' ''
is 'columns of backups' 'NAME SCHEDULE SUSPEND STATUS LAST SUCCESS SIZE NEXT AGE' \
    "$(k get n4b graphiti | head -1 | tr -s ' ' | sed 's/ $//')"
is 'row of a backup' 'graphiti 0 2 * * * false Running 1.2 GiB 2026-01-02T02:00:00Z' \
    "$(k get n4b graphiti | tail -1 | tr -s ' ' | cut -d' ' -f1-13 | sed 's/ [0-9]*s$//')"
is 'wide columns of backups' 'DATABASES DESTINATION ACTIVE VERIFIED FAILURES' \
    "$(k get n4b graphiti -o wide | head -1 | tr -s ' ' | sed 's/.*AGE //; s/ $//')"
is 'columns of runs' 'NAME BACKUP TRIGGER STATUS PROGRESS SIZE DURATION AGE' \
    "$(k get n4br graphiti-1 | head -1 | tr -s ' ' | sed 's/ $//')"
is 'columns of restores' 'NAME SOURCE TARGET STATUS PROGRESS DURATION AGE' \
    "$(k get n4r r1 | head -1 | tr -s ' ' | sed 's/ $//')"
if k get neo4j-backup >/dev/null; then good; else bad 'the category is there' ''; fi
if k explain n4b.spec.retention.days 2>&1 | grep 'Keep backups' >/dev/null; then good; else bad 'kubectl explain works' ''; fi

[ "$failed" -gt 0 ] || "$KUBECTL" delete namespace "$namespace" --wait=false >/dev/null
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

#!/usr/bin/env bash
# The chart's life: upgrade in the middle of things, uninstall (definitions, policies and backups stay), install again
# (it goes on where it was). Runs alone, after all others.
. "$(dirname "$0")/../lib.sh"
story_namespace chart
chart=$HERE/../../deploy/helm/neo4j-backup

policy kept '{"retention": {"days": 0}}'
run_now kept before
wait_until 60 "a backup" backed_up kept 1

helm upgrade neo4j-backup "$chart" -n "$SYSTEM_NS" --reuse-values --set replicas=2 --set controller.logLevel=debug --wait --timeout 120s >/dev/null
expect "replicas" "$(kubectl -n "$SYSTEM_NS" get deployment neo4j-backup -o 'jsonpath={.status.readyReplicas}')" 2
run_now kept upgraded
wait_until 60 "a backup after the upgrade" backed_up kept 2
# the leader goes, the other takes over
holder=$(kubectl -n "$SYSTEM_NS" get lease neo4j-backup -o 'jsonpath={.spec.holderIdentity}')
kubectl -n "$SYSTEM_NS" delete pod "${holder%%_*}" --grace-period=0 --force >/dev/null 2>&1 || fail "the lease names no pod: $holder"
run_now kept failover
wait_until 60 "a backup by the other replica" backed_up kept 3
run_count_is kept 3 || fail "a run too many: $(runs kept)"

helm uninstall neo4j-backup -n "$SYSTEM_NS" --wait >/dev/null
kubectl get crd neo4jbackups.neo4jbackup.dev neo4jbackupruns.neo4jbackup.dev neo4jrestores.neo4jbackup.dev >/dev/null ||
    fail "a definition is gone"
expect "the policy is there" "$(kubectl -n "$NS" get neo4jbackup kept -o name)" neo4jbackup.neo4jbackup.dev/kept
expect "backups in the bucket" "$(manifests)" 3
expect "nothing else of the release is left" "$(kubectl get clusterrole,clusterrolebinding,validatingadmissionpolicy -o name | grep neo4j-backup || true)" ""

helm install neo4j-backup "$chart" -n "$SYSTEM_NS" -f "$E2E_VALUES" --wait --timeout 120s >/dev/null
run_now kept reinstalled
wait_until 60 "it goes on after a new install" backed_up kept 3
story_done

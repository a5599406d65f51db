#!/usr/bin/env bash
# The chart and the definitions: no drift between crd/ and the chart's copies, helm lint, every
# combination of values renders, bad values are refused, nothing grants Secrets or wildcards.
set -euo pipefail
cd "$(dirname "$0")/.."
chart=deploy/helm/neo4j-backup
helm=$(tests/parts/get.sh path helm)
[ -x "$helm" ] || { tests/parts/get.sh helm; }
passed=0 failed=0
check() {
    local name=$1
    shift
    if "$@" >/tmp/chart-test.$$ 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        tail -n 20 /tmp/chart-test.$$
    fi
    rm -f /tmp/chart-test.$$
}
refuses() { ! "$@"; }
render() { "$helm" template n "$chart" --namespace ns "$@"; }
# What the rendered chart must never hold.
least_privilege() {
    local out
    out=$(render --set replicas=2)
    ! grep -nE '^ *resources: .*(secrets|\*)' <<<"$out" && ! grep -nE 'verbs: .*\*' <<<"$out"
}

check crd-drift diff -r crd "$chart/files/crds"
check version grep -qx "appVersion: $(cat VERSION)" "$chart/Chart.yaml"
check lint "$helm" lint --strict "$chart"
check defaults render
check two-replicas render --set replicas=2
check namespace render --set watchNamespace=a
check own-account render --set serviceAccount.create=false --set serviceAccount.name=x
check digest render --set image.digest=sha256:0000000000000000000000000000000000000000000000000000000000000000
policies() { [ "$(render "${@:2}" | grep -c '^kind: ValidatingAdmissionPolicyBinding$')" = "$1" ]; } # NUMBER OPTION...
check policies policies 2
check policies-off policies 0 --set admissionPolicy.enabled=false
check policy-off render --set admissionPolicy.enabled=false --set networkPolicy.enabled=true
check refuses-unknown refuses render --set imag.tag=x
check refuses-bad-namespace refuses render --set watchNamespace=A_b
check refuses-bad-name refuses render --set fullnameOverride=A_b
check refuses-own-label refuses render --set-string podLabels.app\\.kubernetes\\.io/name=x
check other-label render --set-string podLabels.team=x
notifying() {
    render --set notifications.existingSecret=n --set notifications.cluster=prod \
        --set-json 'notifications.channels=[{"name": "ops", "slack": {"urlFile": "slack-url"}}]'
}
mounts_secrets() {
    local out
    out=$(notifying)
    grep -q 'secretName: n, optional: true' <<<"$out" && grep -q -- '--config=/etc/neo4j-backup/config.yaml' <<<"$out" &&
        grep -q 'urlFile: slack-url' <<<"$out"
}
check notifications mounts_secrets
check refuses-url-in-values refuses render \
    --set-json 'notifications.channels=[{"name": "ops", "slack": {"url": "https://hooks.example.org/x"}}]'
check refuses-two-kinds refuses render \
    --set-json 'notifications.channels=[{"name": "ops", "slack": {"urlFile": "a"}, "webhook": {"urlFile": "b"}}]'
check least-privilege least_privilege
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

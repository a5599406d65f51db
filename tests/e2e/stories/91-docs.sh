#!/usr/bin/env bash
# The commands of README and docs/operations.md, as they stand there, in a shell of their reader: only the names that a
# reader fills in (REGISTRY, TAG, NAME, RUN, BUCKET, ACCOUNT) and the addresses are put in. Runs alone: it installs the chart.
. "$(dirname "$0")/../lib.sh"
root=$(cd "$HERE/../.." && pwd)
story_namespace docs

# The reader's place: a clone, a kubeconfig whose namespace is that of the Neo4j, an .env, an aws and a cypher-shell.
place=${E2E_DIR:?}/place
mkdir -p "$place/bin"
ln -sfn "$root/deploy" "$place/deploy"
cp -r "$root/docs" "$place/docs"
cp "$KUBECONFIG" "$place/kubeconfig"
cat >"$place/.env" <<END
R2_ACCOUNT_ID=0123456789abcdef0123456789abcdef
R2_ACCESS_KEY_ID=$S3_ACCESS_KEY
R2_SECRET_ACCESS_KEY=$S3_SECRET_KEY
END
cat >"$place/bin/aws" <<END
#!/bin/sh
# aws s3 cp s3://BUCKET/KEY . --endpoint-url URL
[ "\$1 \$2 \$4 \$5" = "s3 cp . --endpoint-url" ] || { echo "aws: what is '\$*'?" >&2; exit 2; }
path=\${3#s3://}
exec "$E2E_PY" "$HERE/s3.py" get "\${path%%/*}" "\${path#*/}" "\${path##*/}"
END
cat >"$place/bin/cypher-shell" <<END
#!/bin/sh
# cypher-shell -a URI -u neo4j
[ "\$1 \$3 \$4" = "-a -u neo4j" ] || { echo "cypher-shell: what is '\$*'?" >&2; exit 2; }
exec env NEO4J_PASSWORD="$E2E_NEO4J_PASSWORD" "$HERE/servers.sh" shell "\$2"
END
ln -sf "$(realpath "$E2E_WORKER")" "$place/bin/neo4j-backup"
chmod +x "$place/bin/aws" "$place/bin/cypher-shell"
export PATH=$place/bin:$PATH KUBECONFIG=$place/kubeconfig
kubectl config set-context --current --namespace="$NS" >/dev/null
sed -i "s#REGISTRY/neo4j-backup:TAG#$E2E_IMAGE#; s#bolt://neo4j:7687#$E2E_NEO4J_URI#; s#graphiti-neo4j-backup#$BUCKET#
    s#^\( *\)- {name: R2_CREDENTIALS_DIR,.*#&\n\1- {name: R2_ENDPOINT, value: \"$S3_ENDPOINT\"}\n\1- {name: R2_FORCE_PATH_STYLE, value: \"true\"}#" \
    "$place/docs/examples/check-job.yaml"

# block FILE HEADING [N]: the Nth block of commands (four spaces before each line) under the heading
block() {
    awk -v heading="## $2" -v want="${3:-1}" '
        /^```/ { fence = !fence }
        /^#+ / && !fence { inside = ($0 == heading); going = 0; next }
        !inside || fence { going = 0; next }
        /^    / { if (!going) { going = 1; n++ } if (n == want) { print substr($0, 5); found = 1 } next }
        /^$/ { next }
        { going = 0 }
        END { exit !found }' "$root/$1" || fail "no block ${3:-1} of commands under '$2' in $1"
}
NAME=docs RUN=none KEY=none TARGET=none
# read_and_run FILE HEADING [N]: runs it as a reader would; each command must succeed
read_and_run() {
    local text
    text=$(block "$@" | sed -e "s#REGISTRY/neo4j-backup#${E2E_IMAGE%:*}#g" \
        -e "s#image\.tag=[A-Z]*#image.tag=${E2E_IMAGE##*:}#" \
        -e "s#\bNAME\b#$NAME#g" -e "s#/RUN\b#/$RUN#" \
        -e "s#s3://BUCKET/#s3://$BUCKET/#" -e "s#https://ACCOUNT.r2.cloudflarestorage.com#$S3_ENDPOINT#" \
        -e "s#neo4j-backup/neo4j_2025-10-08_02-00-00.cypher.gz#$KEY#" \
        -e "s#neo4j_2025-10-08_02-00-00.cypher.gz#${KEY##*/}#" -e "s#bolt://localhost:7687#$TARGET#" \
        -e "s#NEO4J_PASSWORD=…#NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD#")
    [ -n "$text" ] || fail "no commands under '$2' in $1"
    echo "$text"
    (cd "$place" && bash -euo pipefail -c "$text") || fail "the commands under '$2' in $1 (block ${3:-1}) do not work"
    note "seen: $1, $2 (${3:-1})"
}

helm uninstall neo4j-backup -n "$SYSTEM_NS" --wait >/dev/null 2>&1 || true
kubectl -n "$NS" delete secret neo4j-auth >/dev/null
read_and_run README.md "Use it" 1
kubectl -n "$SYSTEM_NS" rollout status deployment/neo4j-backup --timeout=120s >/dev/null
read_and_run README.md "Use it" 2
wait_until 20 "README's policy is scheduled" condition_is neo4jbackup graphiti ScheduleValid "True Valid"
kubectl delete neo4jbackup graphiti >/dev/null
kubectl apply --dry-run=server -f "$root/docs/examples/any-s3.yaml" >/dev/null || fail "docs/examples/any-s3.yaml is not taken"
kubectl apply --dry-run=server -f "$root/docs/examples/restore.yaml" >/dev/null || fail "docs/examples/restore.yaml is not taken"
sed -n '/^```yaml/,/^```/p' "$root/README.md" | sed '/^```/d' | kubectl apply --dry-run=server -f - >/dev/null ||
    fail "README's manifest is not taken"

policy docs '{"retention": {"days": 0}}'
read_and_run docs/operations.md "Run one now"
wait_until 90 "a backup" backed_up docs 1
RUN=$(newest_run docs)
read_and_run docs/operations.md "Is everything well?" 1
read_and_run docs/operations.md "Is everything well?" 2
read_and_run docs/operations.md "Is everything well?" 3

KEY=$(field neo4jbackuprun "$RUN" .status.artifacts[0].key)
TARGET=bolt://$E2E_HOST:17697
servers neo4j-wipe docs-target
servers neo4j-up 5 docs-target 17697 >/dev/null
trap 'servers neo4j-down docs-target' EXIT
read_and_run docs/operations.md "Restore" 1 >"$E2E_DIR/restore.log" || { tail -n 5 "$E2E_DIR/restore.log"; exit 1; }
compare "$E2E_NEO4J_URI" "$TARGET" || fail "the graph restored as docs/operations.md says differs"

# every metric of a live scrape is in docs/metrics.md, and Prometheus' own linter has nothing to say
kubectl get --raw "/api/v1/namespaces/$SYSTEM_NS/services/neo4j-backup:8080/proxy/metrics" >"$E2E_DIR/metrics"
"$root/tools/gen-metrics-docs" --scrape "$root/docs/metrics.md" <"$E2E_DIR/metrics"
"$root/tests/parts/get.sh" promlint
"$("$root/tests/parts/get.sh" path promlint)" <"$E2E_DIR/metrics" || fail "the metrics are not as Prometheus wants them"

read_and_run docs/operations.md "Upgrade"
read_and_run docs/operations.md "Uninstall"
expect "the policy is there" "$(kubectl get neo4jbackup docs -o name)" neo4jbackup.neo4jbackup.dev/docs
expect "backups in the bucket" "$(manifests)" 1
helm install neo4j-backup "$root/deploy/helm/neo4j-backup" -n "$SYSTEM_NS" -f "$E2E_VALUES" --wait --timeout 120s >/dev/null
story_done

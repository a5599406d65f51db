#!/usr/bin/env bash
# Wrong password, wrong bucket, wrong key, missing Secret, missing key: each ends soon with one clear message, is not
# tried again and again, and leaves nothing in the bucket.
. "$(dirname "$0")/../lib.sh"
story_namespace wrong-secrets

kubectl -n "$NS" create secret generic bad-auth --from-literal=NEO4J_PASSWORD=not-the-password >/dev/null
kubectl -n "$NS" create secret generic bad-key --from-literal=R2_ACCESS_KEY_ID="$S3_ACCESS_KEY" \
    --from-literal=R2_SECRET_ACCESS_KEY=not-the-secret-key >/dev/null
kubectl -n "$NS" create secret generic no-password --from-literal=SOMETHING=else >/dev/null

policy password '{"connection": {"authSecretRef": {"name": "bad-auth"}}}'
policy bucket '{"storage": {"s3": {"bucket": "no-such-bucket-here"}}}'
policy key '{"storage": {"s3": {"credentialsSecretRef": {"name": "bad-key"}}}}'
policy missing-key '{"connection": {"authSecretRef": {"name": "no-password"}}}'
policy unreachable '{"connection": {"uri": "bolt://'"$E2E_HOST"':1"}, "job": {"backoffLimit": 0}}'
for p in password bucket key missing-key unreachable; do run_now $p now; done

wait_until 60 "the missing key is said while it is waited for" \
    condition_is neo4jbackup missing-key Ready "False WaitingForSecret"
expect_match "message" "$(condition_message neo4jbackup missing-key Ready)" "secret 'no-password' has no key"

# check POLICY REASON MESSAGE-PATTERN
check() {
    wait_until 150 "$1 failed" condition_is neo4jbackup "$1" LastBackupSucceeded "False $2"
    local message run
    message=$(condition_message neo4jbackup "$1" LastBackupSucceeded)
    echo "  $1: $message"
    expect_match "message of $1" "$message" "$3"
    run=$(newest_run "$1")
    expect "run of $1" "$(condition neo4jbackuprun "$run" Succeeded)" "False $2"
    run_count_is "$1" 1 || fail "$1 was run again"
}
check password Neo4jAuthFailed 'password'
check bucket BucketNotFound 'bucket not found.*no-such-bucket-here'
check key AccessDenied 'Access denied'
check missing-key SecretKeyNotFound 'no-password'
check unreachable Neo4jUnavailable 'Neo4j connection failed'
expect "tries with a wrong password" \
    "$(kubectl -n "$NS" get pods -l neo4jbackup.dev/backup-name=password -o name | wc -l)" 1

# a Secret that is not there at all
policy no-secret '{"connection": {"authSecretRef": {"name": "nowhere"}}}'
run_now no-secret now
wait_until 170 "the missing Secret is named" bash -c \
    "kubectl -n $NS get neo4jbackup no-secret -o yaml | grep -q 'nowhere.*not found\|SecretNotFound'"
expect "backups in the bucket" "$(s3 ls "$BUCKET" "" | wc -l)" 0
# mended, the same policy works
kubectl -n "$NS" create secret generic nowhere --from-literal=NEO4J_PASSWORD="$E2E_NEO4J_PASSWORD" >/dev/null
run_now no-secret again
wait_until 120 "it works once the Secret is there" backed_up no-secret 2
wait_until 20 "and the policy has recovered" bash -c "kubectl -n $NS get events | grep -q BackupRecovered"

# A password and a key that were changed: the Secrets are replaced as docs/operations.md says, and count from the next run on.
replace() { # SECRET NAME=VALUE...
    local secret=$1
    shift
    kubectl -n "$NS" create secret generic "$secret" "${@/#/--from-literal=}" --dry-run=client -o yaml | kubectl apply -f - 2>/dev/null
}
replace bad-auth "NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD"
replace bad-key "R2_ACCESS_KEY_ID=$S3_ACCESS_KEY" "R2_SECRET_ACCESS_KEY=$S3_SECRET_KEY"
for p in password key; do run_now $p rotated; done
for p in password key; do wait_until 120 "the next run of '$p' takes the Secret as it is now" backed_up $p 2; done
story_done

#!/usr/bin/env bash
# Encrypted backups of a real Neo4j in a real bucket: who can read them and who cannot, by neo4j-backup restore and by
# age and cypher-shell alone; a change of keys; retention. The servers are its own.
#
#   encryption.sh
#
# ROUNDTRIP_SEEDS, ROUNDTRIP_NODES, ROUNDTRIP_BIN: as in roundtrip-lib.sh
# Ends with "N passed, N failed".
# shellcheck source=tests/e2e/roundtrip-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/roundtrip-lib.sh" 5
py=$("$here/../parts/get.sh" path py)
age=$("$here/../parts/get.sh" path age)
export S3_ACCESS_KEY=${S3_ACCESS_KEY:-age-access-key} S3_SECRET_KEY=${S3_SECRET_KEY:-age-secret-key-0123456789}
export S3_ENDPOINT=http://127.0.0.1:9474
port=17674
uri=bolt://127.0.0.1:$port
export NEO4J_URI=$uri NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD R2_ENDPOINT=$S3_ENDPOINT R2_FORCE_PATH_STYLE=true R2_BUCKET_NAME=age
export R2_ACCESS_KEY_ID=$S3_ACCESS_KEY R2_SECRET_ACCESS_KEY=$S3_SECRET_KEY LOG_FORMAT=json BACKUP_VERIFY_LEVEL=Readback
export RESTORE_SAFETY_BACKUP=None
trap 'servers s3-down age >/dev/null 2>&1 || true; clean_up' EXIT

run() { "$bin/neo4j-backup" "$@" 2>"$work/log"; }
s3() { "$py" "$here/s3.py" "$@"; }
digest() { "$tools/graph-digest" "$uri" neo4j "$E2E_NEO4J_PASSWORD" | tail -n 1; }
is_back() { [ "$(digest)" = "$(tail -n 1 "$work/want")" ]; }
wipe_and_restore() { run restore --overwrite Wipe --confirm neo4j "$@"; }
# is_locked COMMAND...: it ends with NoIdentity, and the graph is what it was
is_locked() {
    local code=0 before
    before=$(digest)
    run "$@" || code=$?
    [ "$code" = 2 ] && grep -q '"reason":"NoIdentity"' "$work/log" && [ "$(digest)" = "$before" ]
}
backs_up() { # TIME RECIPIENTS
    BACKUP_AGE_RECIPIENTS=$2 run backup --scheduled-time "$1"
}
restores() { # OPTION...: and the graph is the one that was backed up
    wipe_and_restore "$@" --verify && is_back
}
by_hand() {
    servers neo4j-wipe "$(server_name 5)" # cypher-shell takes an empty database only, without the dump's own schema
    servers neo4j-up 5 "$(server_name 5)" "$port" >/dev/null || return 1
    s3 get age "$old.cypher.gz.age" "$work/file"
    "$age/age" -d -i "$work/a.txt" "$work/file" | gunzip | servers shell "$uri" >/dev/null || return 1
    is_back
}
# Signatures: a manifest that was changed in the bucket, as whoever has its keys could, is not believed.
signs() { # TIME KEY
    run backup --scheduled-time "$1" --signing-key-file "$work/$2.pem"
}
# is_untrusted COMMAND...: it ends with UntrustedManifest, and the graph is what it was
is_untrusted() {
    local code=0 before
    before=$(digest)
    run "$@" || code=$?
    [ "$code" = 50 ] && grep -q '"reason":"UntrustedManifest"' "$work/log" && [ "$(digest)" = "$before" ]
}
openssl_agrees() {
    s3 get age "$1.manifest.json" "$work/m.json"
    sed 's/,"signature":"[^"]*"}$/}/' "$work/m.json" >"$work/signed"
    sed 's/.*"signature":"\([^"]*\)"}$/\1/' "$work/m.json" | openssl base64 -d -A >"$work/signature"
    openssl pkeyutl -verify -pubin -inkey "$work/sign.pub" -rawin -in "$work/signed" -sigfile "$work/signature" >/dev/null
}
forge() { # another manifest under the same key, all else as it was
    sed 's/"nodes":\([0-9]\)/"nodes":9\1/' "$work/m.json" >"$work/forged"
    mend_checksum "$work/forged"
    ! cmp -s "$work/m.json" "$work/forged" && s3 rm age "$1.manifest.json" && s3 put age "$1.manifest.json" "$work/forged"
}
lists_signed() { run list --json --verify-key-file "$work/sign.pub" >"$work/list" && grep -q "\"signed\":\"$1\"" "$work/list"; }
# What is wiped is encrypted as what is restored is, and comes back by the same key.
safety_is_encrypted() {
    RESTORE_SAFETY_BACKUP=Bucket restores "$old.manifest.json" --age-identity-file "$work/a.txt" || return 1
    grep '"event":"safetyBackup"' "$work/log" | jq -r .manifestKey >"$work/safety.key"
    s3 get age "$(cat "$work/safety.key")" "$work/safety.json"
    [ "$(jq -r '.recipients[]' "$work/safety.json")" = "$a" ] || return 1
    is_locked restore "$(cat "$work/safety.key")" --overwrite Wipe --confirm neo4j --age-identity-file "$work/b.txt" &&
        restores "$(cat "$work/safety.key")" --age-identity-file "$work/a.txt" && let_go age &&
        run prune --owner sidecar:safety --all >/dev/null
}
says_encrypted() {
    run list --json >"$work/list"
    [ "$(grep -o '"encrypted":true' "$work/list" | wc -l)" = "$1" ] && ! grep -q '"encrypted":false' "$work/list"
}

"$age/age-keygen" -o "$work/a.txt" 2>/dev/null
"$age/age-keygen" -o "$work/b.txt" 2>/dev/null
"$age/age-keygen" -o "$work/new.txt" 2>/dev/null
cat "$work/a.txt" "$work/new.txt" >"$work/both.txt"
a=$("$age/age-keygen" -y "$work/a.txt") b=$("$age/age-keygen" -y "$work/b.txt") new=$("$age/age-keygen" -y "$work/new.txt")
old=neo4j-backup/neo4j_2025-10-08_02-00-00 newer=neo4j-backup/neo4j_2025-10-09_02-00-00
echo "seeds $seeds"
make_dump "${seeds%% *}" 5
servers s3-up minio age 9474 >/dev/null
s3 make age
s3 sweep age ""
servers neo4j-wipe "$(server_name 5)"
servers neo4j-up 5 "$(server_name 5)" "$port" >/dev/null

check "a graph" restores --input "$work/dump"
check "a backup for two keys is made and read back without any" backs_up 2025-10-08T02:00:00Z "$a,$b"
check "it is listed as encrypted" says_encrypted 1
check "verify needs an identity" is_locked verify
check "verify takes one" run verify --age-identity-file "$work/b.txt"
check "restore needs an identity" is_locked restore --overwrite Wipe --confirm neo4j
check "restore refuses another's" is_locked restore --overwrite Wipe --confirm neo4j --age-identity-file "$work/new.txt"
check "restore by one key" restores --age-identity-file "$work/a.txt"
check "restore by the other key" restores --age-identity-file "$work/b.txt"
check "restore by age and cypher-shell alone" by_hand
check "a backup for a new key" backs_up 2025-10-09T02:00:00Z "$new"
check "the old key does not open it" is_locked restore --overwrite Wipe --confirm neo4j --age-identity-file "$work/a.txt"
check "the new key does" restores --age-identity-file "$work/new.txt"
check "the new key does not open the old one" \
    is_locked restore "$old.manifest.json" --overwrite Wipe --confirm neo4j --age-identity-file "$work/new.txt"
check "both keys open the old one" restores "$old.manifest.json" --age-identity-file "$work/both.txt"
check "a safety backup is encrypted to the same key" safety_is_encrypted
check "both keys open the new one" restores "$newer.cypher.gz.age" --age-identity-file "$work/both.txt"
s3 get age "$newer.cypher.gz.age" "$work/x.cypher.gz.age"
check "a file is opened too" restores --input "$work/x.cypher.gz.age" --age-identity-file "$work/new.txt"
check "so is standard input, read once" \
    restores --input - --no-precheck --age-identity-file "$work/new.txt" <"$work/x.cypher.gz.age"
for key in sign other; do
    openssl genpkey -algorithm ed25519 -out "$work/$key.pem" 2>/dev/null
    openssl pkey -in "$work/$key.pem" -pubout -out "$work/$key.pub"
done
signed=neo4j-backup/neo4j_2025-10-10_02-00-00
check "what is not signed is refused" is_untrusted verify --age-identity-file "$work/both.txt" --verify-key-file "$work/sign.pub"
check "a signed backup" signs 2025-10-10T02:00:00Z sign
check "openssl agrees with the signature" openssl_agrees "$signed"
check "it is restored" restores "$signed.manifest.json" --verify-key-file "$work/sign.pub"
check "it is listed as good" lists_signed good
check "it is refused by who trusts another key" is_untrusted restore "$signed.manifest.json" --overwrite Wipe --confirm neo4j \
    --verify-key-file "$work/other.pub"
check "a manifest changed in the bucket" forge "$signed"
check "... is refused by restore" is_untrusted restore "$signed.manifest.json" --overwrite Wipe --confirm neo4j --verify-key-file "$work/sign.pub"
check "... by verify" is_untrusted verify "$signed.manifest.json" --verify-key-file "$work/sign.pub"
check "... by fetch" is_untrusted fetch "$signed.manifest.json" --verify-key-file "$work/sign.pub" --output "$work/fetched"
check "... and listed as bad" lists_signed BAD
s3 sweep age "$signed"
let_go age
check "retention removes encrypted backups" run prune --keep-last 1
check "one is left" says_encrypted 1
finish

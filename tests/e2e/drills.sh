# The drills of docs/operations.md, as they stand in docs/examples/drills. Sourced by incremental.sh at its end, which has two
# Neo4j and a bucket: $source_uri, $target_uri, $port, $bin, $work, check. A newer Neo4j, and an S3 server that has users, are
# started for the drills that need them.
# shellcheck shell=bash disable=SC2154
mkdir -p "$work/bin"
ln -sf "$(realpath "$bin/neo4j-backup")" "$work/bin/neo4j-backup"
age=$("$here/../parts/get.sh" path age)
ln -sf "$age/age" "$age/age-keygen" "$work/bin"
cat >"$work/bin/cypher-shell" <<END
#!/bin/sh
# cypher-shell -a URI -u neo4j -d DATABASE
[ "\$1 \$3 \$4" = "-a -u neo4j" ] || { echo "cypher-shell: what is '\$*'?" >&2; exit 2; }
exec "$here/servers.sh" shell "\$2" -d "\$6"
END
chmod +x "$work/bin/cypher-shell"

# drill NAME ARGUMENT...: as its reader runs it. DRILLS_TRANSCRIPTS: a directory for what each says, as docs/operations.md shows it
drill() {
    local name=$1 both=${DRILLS_TRANSCRIPTS:+$DRILLS_TRANSCRIPTS/$1.txt} status=0
    shift
    if [ -z "$both" ]; then
        PATH=$work/bin:$PATH "$here/../../docs/examples/drills/$name.sh" "$@" >"$work/out" 2>"$work/log"
        return
    fi
    PATH=$work/bin:$PATH LOG_FORMAT=text "$here/../../docs/examples/drills/$name.sh" "$@" >>"$both" 2>&1 || status=$?
    tee "$work/log" <"$both" >"$work/out"
    return "$status"
}
# Both with the environment of a backup of the source (NEO4J_URI) and of a restore into the target.
in_target() { NEO4J_URI=$target_uri COMPARE_NEO4J_URI=$source_uri COMPARE_NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD drill "$@"; }
has_said() { grep -qF -- "$1" "$work/out" || { cat "$work/out"; return 1; }; }

only_the_bucket() { empty "$target_uri" >/dev/null && in_target only-the-bucket && has_said equal && same_again; }
# Users and roles among the backups are left out, and come back by the command that is said.
with_users() {
    servers shell "$source_uri" -d system <<<"CREATE USER drilled IF NOT EXISTS SET PASSWORD 'no-matter-1';" &&
        NEO4J_URI=$source_uri "$bin/neo4j-backup" backup --database system 2>"$work/log" && only_the_bucket &&
        has_said 'users and roles, if you want them: neo4j-backup fetch' &&
        "$bin/neo4j-backup" fetch "$(sed -n 's/.*fetch \([^ ]*\) --plain.*/\1/p' "$work/out")" --plain 2>"$work/log" |
        servers shell "$target_uri" -d system >/dev/null &&
        servers shell "$target_uri" -d system <<<'SHOW USERS YIELD user;' | grep -q drilled
}
same_again() { [ "$(digest "$source_uri")" = "$(digest "$target_uri")" ]; }
copied_bucket() {
    bucket recopy "$R2_BUCKET_NAME" && "$bin/neo4j-backup" list 2>"$work/log" | grep -q ' Unproven ' &&
        "$bin/neo4j-backup" verify 2>"$work/log" && only_the_bucket
}
before_that_moment() {
    local moment
    NEO4J_URI=$source_uri "$bin/neo4j-backup" backup 2>"$work/log" || return 1
    moment=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    cypher "$source_uri" <<<'CREATE (:Wanted {of: "yesterday"});' || return 1
    empty "$target_uri" >/dev/null && in_target before-that-moment "$moment" && has_said 'more in B: node' && has_said "(:\`Wanted\` {\`of\`: 'yesterday'})"
}
# 5.26 into 2026. Every value is the same; the settings of a vector index are told otherwise by 2026, and nothing else is.
newer_neo4j() {
    local status=0 target_uri=bolt://127.0.0.1:$((port + 4))
    servers neo4j-wipe incr-newer
    servers neo4j-up 2026 incr-newer $((port + 4)) >/dev/null || return 1
    BACKUP_OWNER=move in_target newer-neo4j || status=$?
    [ "$status" = 52 ] && [ "$(grep -c ' more in [AB]: ' "$work/out")" = 2 ] &&
        [ "$(grep -c " more in [AB]: CREATE VECTOR INDEX \`person_taste\`" "$work/out")" = 2 ] && same_again &&
        servers shell "$target_uri" <<<'CALL dbms.components() YIELD versions RETURN versions[0];' | grep -q '"20[0-9][0-9][.]'
}
rotate_signing_key() {
    openssl genpkey -algorithm ed25519 -out "$work/old.pem" 2>/dev/null && openssl pkey -in "$work/old.pem" -pubout -out "$work/old.pub" &&
        NEO4J_URI=$source_uri "$bin/neo4j-backup" backup --signing-key-file "$work/old.pem" 2>"$work/log" &&
        NEO4J_URI=$source_uri BACKUP_TYPE=Full drill rotate-signing-key "$work/old.pub" "$work/new.pem" &&
        [ "$(grep -c ' good ' "$work/out")" = 2 ]
}
# The backups of before are opened by the old key, the new one by the new, as its reader sees; and what is told of re-keying.
rotate_age_key() {
    local before
    export BACKUP_OWNER=drill/age BACKUP_TYPE=Full NEO4J_URI=$source_uri
    "$age/age-keygen" -o "$work/old.txt" 2>/dev/null && "$bin/neo4j-backup" backup --age-recipients "$("$age/age-keygen" -y "$work/old.txt")" 2>"$work/log" &&
        before=$("$bin/neo4j-backup" list --json 2>"$work/log" | jq -r '.backups[] | select(.ours and .encrypted).key') &&
        drill rotate-age-key "$work/old.txt" "$work/new.txt" && has_said "keep $work/old.txt until" || return 1
    bucket get "$R2_BUCKET_NAME" "$before" "$work/before.age"
    "$age/age" -d -i "$work/old.txt" "$work/before.age" | "$age/age" -r "$("$age/age-keygen" -y "$work/new.txt")" -o "$work/again.age"
    empty "$target_uri" >/dev/null
    NEO4J_URI=$target_uri "$bin/neo4j-backup" restore --input "$work/again.age" --age-identity-file "$work/new.txt" 2>"$work/log" && same_again
}
gateway_port=$((port + 3))
vgw() { ADMIN_ENDPOINT_URL=http://127.0.0.1:$gateway_port ADMIN_REGION=auto ADMIN_ACCESS_KEY=root ADMIN_SECRET_KEY=root-secret-0123456789 "$gateway" admin "$@" >>"$work/log"; }
with_key() { # KEY SECRET ARGUMENT...
    local key=$1 secret=$2
    shift 2
    R2_ENDPOINT=http://127.0.0.1:$gateway_port R2_BUCKET_NAME=rotated R2_ACCESS_KEY_ID=$key R2_SECRET_ACCESS_KEY=$secret \
        BACKUP_OWNER=drill/keys BACKUP_TYPE=Full NEO4J_URI=$source_uri "$@"
}
# Both keys are good for a while; the old one is turned off; the next run is none the wiser.
rotate_bucket_keys() {
    export VGW_IAM_DIR=$work/iam VGW_IAM_CACHE_DISABLE=true
    mkdir -p "$VGW_IAM_DIR"
    servers s3-wipe drill
    S3_ACCESS_KEY=root S3_SECRET_KEY=root-secret-0123456789 servers s3-up versitygw drill "$gateway_port" >/dev/null &&
        vgw create-user --access old --secret old-secret-0123456789 --role admin &&
        vgw create-bucket --bucket rotated --owner old &&
        with_key old old-secret-0123456789 "$bin/neo4j-backup" backup 2>"$work/log" &&
        vgw create-user --access new --secret new-secret-0123456789 --role admin &&
        with_key new new-secret-0123456789 drill rotate-bucket-keys && has_said "put the keys 'new'" &&
        vgw delete-user --access old &&
        with_key old old-secret-0123456789 drill rotate-bucket-keys turned-off && has_said "the keys 'old' are refused" &&
        ! with_key new new-secret-0123456789 drill rotate-bucket-keys turned-off &&
        with_key new new-secret-0123456789 "$bin/neo4j-backup" backup 2>"$work/log"
}
# There and back again, since all else has the password that was there.
rotate_neo4j_password() {
    local other="it's a \\ new one"
    export BACKUP_OWNER=drill/password BACKUP_TYPE=Full NEO4J_URI=$source_uri
    NEW_NEO4J_PASSWORD=$other drill rotate-neo4j-password && has_said "put the new password" &&
        NEO4J_PASSWORD=$other NEW_NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD drill rotate-neo4j-password
}
check "drill: the cluster is gone, only the bucket is left" only_the_bucket
check "drill: ... a copy of the bucket, whose ETags are others" copied_bucket
check "drill: the database before that moment" before_that_moment
check "drill: to a newer Neo4j" newer_neo4j
servers neo4j-wipe incr-newer >/dev/null 2>&1 || true
check "drill: a new signing key" rotate_signing_key
# In shells of their own: each has another owner.
in_a_shell() { ("$@"); }
check "drill: a new age key" in_a_shell rotate_age_key
gateway=$("$here/../parts/get.sh" path versitygw)
check "drill: new keys of the bucket" in_a_shell rotate_bucket_keys
servers s3-wipe drill >/dev/null 2>&1 || true
check "drill: a new password of Neo4j" in_a_shell rotate_neo4j_password
# Last: its backup is not signed, and the drill before would ask it to be.
check "drill: only the bucket is left, with users and roles in it" with_users

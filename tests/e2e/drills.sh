# The drills of docs/operations.md, as they stand in docs/examples/drills. Sourced by incremental.sh at its end, which has two
# Neo4j and a bucket: $source_uri, $target_uri, $bin, $work, check.
# shellcheck shell=bash disable=SC2154
mkdir -p "$work/bin"
ln -sf "$(realpath "$bin/neo4j-backup")" "$work/bin/neo4j-backup"

# drill NAME ARGUMENT...: as its reader runs it
drill() {
    local name=$1
    shift
    (PATH=$work/bin:$PATH && "$here/../../docs/examples/drills/$name.sh" "$@") >"$work/out" 2>"$work/log"
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
newer_neo4j() { empty "$target_uri" >/dev/null && BACKUP_OWNER=move in_target newer-neo4j && has_said equal && same_again; }
rotate_signing_key() {
    openssl genpkey -algorithm ed25519 -out "$work/old.pem" 2>/dev/null && openssl pkey -in "$work/old.pem" -pubout -out "$work/old.pub" &&
        NEO4J_URI=$source_uri "$bin/neo4j-backup" backup --signing-key-file "$work/old.pem" 2>"$work/log" &&
        NEO4J_URI=$source_uri BACKUP_TYPE=Full drill rotate-signing-key "$work/old.pub" "$work/new.pem" &&
        [ "$(grep -c ' good ' "$work/out")" = 2 ]
}
check "drill: the cluster is gone, only the bucket is left" only_the_bucket
check "drill: ... a copy of the bucket, whose ETags are others" copied_bucket
check "drill: the database before that moment" before_that_moment
check "drill: to a newer Neo4j" newer_neo4j
check "drill: a new signing key" rotate_signing_key
# Last: its backup is not signed, and the drill before would ask it to be.
check "drill: only the bucket is left, with users and roles in it" with_users

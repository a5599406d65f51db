#!/usr/bin/env bash
# Dumps of random graphs, with every type (byte arrays, too) and name that is trouble, through neo4j-backup restore into real
# servers, and back over Bolt: the digests must be equal. And what a restore refuses, with nothing written.
# Needs no cluster and no bucket.
#
#   restore-roundtrip.sh [VERSION...]     5 4 2026 unless said; roundtrip-lib.sh has the environment
#
# Ends with "N passed, N failed".
# backticks in single quotes are names in Cypher
# shellcheck disable=SC2016
# shellcheck source=tests/e2e/roundtrip-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/roundtrip-lib.sh"
# shellcheck source=tests/e2e/splitter.sh
. "$here/splitter.sh"

# restore OPTION...: into $uri; the log is in $work/log
restore() {
    NEO4J_URI=$uri NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD LOG_FORMAT=json RESTORE_SAFETY_BACKUP=None \
        "$bin/neo4j-backup" restore "$@" 2>"$work/log"
}
wipe_and_restore() { restore --overwrite Wipe --confirm neo4j "$@"; }
digest() { "$tools/graph-digest" "$uri" neo4j "$E2E_NEO4J_PASSWORD" | tail -n 1; }
# is_refused CODE REASON OPTION...: it ends so, and the target is what it was
is_refused() {
    local want=$1 reason=$2 code=0 before
    shift 2
    before=$(digest)
    restore "$@" || code=$?
    [ "$code" = "$want" ] || { echo "exit code $code, not $want"; return 1; }
    grep -q "\"reason\":\"$reason\"" "$work/log" || { echo "the reason is not $reason"; return 1; }
    [ "$(digest)" = "$before" ] || { echo "something was written"; return 1; }
}

# same SEED VERSION: the graph of that seed, restored and read back
same() {
    make_dump "$1" "$2" bytes
    wipe_and_restore --input "$work/dump" --verify || return 1
    [ "$(digest)" = "$(tail -n 1 "$work/want")" ] || return 1
    # once more, compressed and from standard input, over more connections
    gzip -c "$work/dump" | wipe_and_restore --input - --parallelism 4 || return 1
    [ "$(digest)" = "$(tail -n 1 "$work/want")" ]
}
cut_is_refused() {
    local size at
    size=$(stat -c %s "$work/dump")
    for at in 40 $((size / 7)) $((size / 2)) $((size - 2)); do
        head -c "$at" "$work/dump" >"$work/cut"
        is_refused 50 VerificationFailed --input "$work/cut" --overwrite Wipe --confirm neo4j || return 1
    done
}
# The numbers of nodes, which no digest knows; then the digest.
changed_is_refused() {
    local change digest='s#^\(// digest of nodes: \)'
    for change in "s/UNWIND split('\([1-9]\)/UNWIND split('9\1/" "${digest}0#\1f#;t;${digest}.#\10#"; do
        sed "$change" "$work/dump" >"$work/changed"
        ! cmp -s "$work/dump" "$work/changed" || return 1
        is_refused 50 VerificationFailed --input "$work/changed" --overwrite Wipe --confirm neo4j || return 1
    done
}
# packed ROWS CLOSING: one statement of packed rows. In both, ~ is the helper in backticks, @ the node's number; in ROWS
# , is between cells and / between rows.
packed() {
    local h='`_nb_1a2b3c4d`' rows=$1 closing=$2
    rows=${rows//,/$'\x1f'}
    rows=${rows//\//$'\x1e\n'}
    closing=${closing//@/'~:toInteger(c[0])'}
    printf '%s' "UNWIND split('$rows" "','\\u001e\\n') AS r WITH split(r,'\\u001f') AS c ${closing//\~/$h};"
    echo
}
# compare_says CODE WANT...: the database and a backup of what it was, by `compare`; what it says has each WANT
compare_says() {
    local want=$1 code=0 text
    shift
    NEO4J_URI=$uri NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD LOG_FORMAT=json \
        "$bin/neo4j-backup" compare database "file:$work/own.cypher.gz" >"$work/compared" 2>"$work/log" || code=$?
    [ "$code" = "$want" ] || { echo "exit code $code, not $want"; return 1; }
    for text in "$@"; do
        grep -qF -- "$text" "$work/compared" || { echo "not said: $text"; cat "$work/compared"; return 1; }
    done
}
# Each kind of change alone; a label nobody has keeps the count of nodes known.
compare_finds() {
    wipe_and_restore --input "$work/dump" || return 1
    NEO4J_URI=$uri NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD LOG_FORMAT=json \
        "$bin/neo4j-backup" backup --output "$work/own.cypher.gz" 2>"$work/log" || return 1
    compare_says 0 equal || return 1
    # the same content under other ids
    wipe_and_restore --input "$work/own.cypher.gz" || return 1
    compare_says 0 equal || return 1
    servers shell "$uri" <<<'CREATE (:Stranger {of: "the dump"})-[:ODD {n: 7}]->(:Stranger {of: "it"});' >/dev/null || return 1
    compare_says 52 different '(:`Stranger`): 2 in A, 0 in B' '[:`ODD`]: 1 in A, 0 in B' "(:\`Stranger\` {\`of\`: 'the dump'})" \
        '[:`ODD` {`n`: 7}]' || return 1
    servers shell "$uri" <<<'MATCH (s:Stranger) DETACH DELETE s;' >/dev/null || return 1
    compare_says 0 equal || return 1
    servers shell "$uri" <<<'CREATE INDEX odd FOR (s:Stranger) ON (s.of);' >/dev/null || return 1
    compare_says 52 'more in A: CREATE INDEX `odd` FOR (n:`Stranger`) ON (n.`of`)'
}
# A dump that changes, deletes and makes anew what it has made: node 2 goes with its relationship and comes back as another.
fixups_are_done() {
    local node='CREATE (n:~:`A` {@,`x`:CASE WHEN c[1]<>'"''"' THEN c[1] END})'
    local rel='OPTIONAL MATCH (a:~ {~:toInteger(c[0])}) OPTIONAL MATCH (b:~ {~:toInteger(c[1])}) CREATE (a)-[x:`R` {}]->(b)'
    {
        printf '%s\n' '// neo4j-backup dump, format 1' '// helper: _nb_1a2b3c4d'
        packed 1,a/2,b/3,c "$node"
        packed 1,2/1,3 "$rel"
        packed 2 'MATCH (n:~ {@}) DETACH DELETE n'
        packed 3,C 'MATCH (n:~ {@}) SET n={@,`x`:CASE WHEN c[1]<>'"''"' THEN c[1] END} REMOVE n:`A` SET n:`B`'
        packed 2,again "$node"
        packed 2,3 "$rel"
        printf '// %s\n' 'tail of the dump' 'nodes: 3' 'relationships: 3' 'properties: 4' 'constraints: 0' 'indexes: 0' \
            'deleted nodes: 1' 'end of neo4j-backup dump'
    } >"$work/fixups"
    wipe_and_restore --input "$work/fixups" --verify || return 1
    grep -q 'changes elements after it has made them' "$work/log" || return 1
    servers shell "$uri" >"$work/out" <<<'MATCH (n) OPTIONAL MATCH (n)-[:R]->(m)
        RETURN labels(n)[0] + "." + n.x + coalesce(">" + m.x, "") AS s ORDER BY s;'
    [ "$(tail -n +2 "$work/out" | tr -d '"' | paste -sd ' ')" = 'A.a>C A.again>C B.C' ]
}
# A foreign script: as cypher-shell would run it.
foreign_runs() {
    printf '%s\n' ':begin' 'CREATE (:A {x: "a;b"})-[:R]->(:B); // one' ':commit' \
        '/* two */ MATCH (a:A) SET a.y = 1;' ':begin' 'CREATE (:Lost);' ':rollback' >"$work/foreign"
    is_refused 2 NotADump --input "$work/foreign" --overwrite Wipe --confirm neo4j || return 1
    wipe_and_restore --input "$work/foreign" --allow-statements || return 1
    [ "$("$tools/graph-digest" "$uri" neo4j "$E2E_NEO4J_PASSWORD" | head -n 1)" = "nodes 2 rels 1" ] || return 1
    printf '%s\n' ':param x => 1' 'CREATE (:A);' >"$work/foreign"
    is_refused 2 UnsupportedStatement --input "$work/foreign" --allow-statements --overwrite Merge
}
# Merged into a graph: twice the dump (its constraints are there already).
merge_adds() {
    wipe_and_restore --input "$work/dump" || return 1
    restore --input "$work/dump" --overwrite Merge || return 1
    [ "$("$tools/graph-digest" "$uri" neo4j "$E2E_NEO4J_PASSWORD" | head -n 1)" = "nodes $((2 * nodes)) rels $((2 * nodes))" ]
}

# apoc_backup: of the server into $work/apoc.cypher.gz; the log is in $work/log
apoc_backup() {
    NEO4J_URI=$uri NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD LOG_FORMAT=json \
        "$bin/neo4j-backup" backup --engine Apoc --output "$work/apoc.cypher.gz" 2>"$work/log"
}
apoc_engine() { grep -o '"engine":"[a-z]*"' "$work/apoc.manifest.json"; }
# apoc_falls_back WHY: what APOC cannot do is a warning, and a backup
apoc_falls_back() {
    apoc_backup || return 1
    [ "$(apoc_engine)" = '"engine":"cypher"' ] || return 1
    grep -q "\"level\":\"warn\",\"msg\":\"[^\"]*$1" "$work/log"
}
# A graph of which APOC loses nothing but the name of an index: back as it was, by neo4j-backup and by cypher-shell. One more
# statement in the script, with a manifest that agrees, is refused.
apoc_roundtrip() {
    local before sum manifest=$work/apoc.manifest.json
    printf '%s\n' 'CREATE CONSTRAINT k FOR (n:K) REQUIRE n.k IS UNIQUE;' 'CREATE INDEX named FOR (n:A) ON (n.x);' \
        'UNWIND range(1,300) AS i CREATE (a:A:`B c` {x:i, s:"a\"b\\\\\\n;"})-[:R {d:date("2024-05-06"), l:[1.5,-0.0]}]->(:K {k:i});' \
        'MATCH (k:K) CREATE (k)-[:`T y`]->(k);' \
        'CREATE ({p:point({x:1,y:2}), t:datetime("2024-10-27T02:30:00+01:00[Europe/Stockholm]"), e:[], f:0.0/0.0});' >"$work/foreign"
    wipe_and_restore --input "$work/foreign" --allow-statements || return 1
    before=$(digest)
    apoc_backup || return 1
    [ "$(apoc_engine)" = '"engine":"apoc"' ] || return 1
    grep -q '"losses":\["1 indexes: they come back under other names"\]' "$manifest" || return 1
    wipe_and_restore --input "$work/apoc.cypher.gz" --verify || return 1
    ! grep -q 'not compared' "$work/log" || return 1
    [ "$(digest)" = "$before" ] || return 1
    printf '%s\n' 'CREATE (:Empty);' >"$work/foreign"
    wipe_and_restore --input "$work/foreign" --allow-statements || return 1
    servers shell "$uri" <<<'MATCH (n) DELETE n;' >/dev/null
    gunzip -c "$work/apoc.cypher.gz" | servers shell "$uri" >"$work/out" 2>&1 || return 1
    [ "$(digest)" = "$before" ] || return 1
    gunzip -c "$work/apoc.cypher.gz" | sed '$a MATCH (n) DETACH DELETE n;' >"$work/apoc.cypher"
    sum=$(sha256sum "$work/apoc.cypher" | cut -d' ' -f1)
    jq -c --arg sum "$sum" --argjson size "$(stat -c %s "$work/apoc.cypher")" '.objects[0] |= . + {key: "apoc.cypher", size: $size,
        sha256: $sum, plainBytes: $size, plainSha256: $sum} | . + {storedBytes: $size, plainBytes: $size, plainSha256: $sum,
        compression: "none"}' "$manifest" >"$work/changed" || return 1
    mv "$work/changed" "$manifest"
    mend_checksum "$manifest"
    rm "$work/apoc.cypher.gz"
    is_refused 2 UnsupportedStatement --input "$work/apoc.cypher" --overwrite Wipe --confirm neo4j
}

checks() { # VERSION PORT
    uri=bolt://127.0.0.1:$2
    for seed in $seeds; do
        check "Neo4j $1, seed $seed: the same graph comes back" same "$seed" "$1"
    done
    check "Neo4j $1: a target that is not empty is refused" is_refused 2 TargetNotEmpty --input "$work/dump"
    check "Neo4j $1: a wipe that is not confirmed is refused" \
        is_refused 2 ConfirmMismatch --input "$work/dump" --overwrite Wipe --confirm other
    check "Neo4j $1: a cut dump is refused before the first write" cut_is_refused
    check "Neo4j $1: a changed dump is refused before the first write" changed_is_refused
    check "Neo4j $1: a merge adds" merge_adds
    check "Neo4j $1: compare finds what differs, and nothing else" compare_finds
    check "Neo4j $1: fix-ups are done" fixups_are_done
    check "Neo4j $1: a foreign script runs as cypher-shell runs it" foreign_runs
    if [ "$1" = 5 ]; then
        splitter_checks "$1"
        check "Neo4j $1: what APOC writes comes back" apoc_roundtrip
        wipe_and_restore --input "$work/dump"
        check "Neo4j $1: what APOC cannot bring back is Cypher's" apoc_falls_back 'APOC was of no use'
    else
        check "Neo4j $1: APOC that is not there is a warning" apoc_falls_back 'APOC not available'
    fi
}
ROUNDTRIP_APOC=1
on_each_version 7830 checks

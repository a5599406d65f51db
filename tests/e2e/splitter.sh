#!/usr/bin/env bash
# Somebody else's scripts through the real cypher-shell and through `neo4j-backup restore --allow-statements`: the graphs must be
# the same. One script has all that is trouble for whoever cuts a script into statements, the other is the dump of the stack that the
# project replaces (tests/bench/sidecar.py). Needs no cluster and no bucket.
#
#   splitter.sh     Neo4j 5; roundtrip-lib.sh has the environment
#
# Ends with "N passed, N failed". restore-roundtrip.sh sources it, with servers that it has anyway ($uri).
# shellcheck shell=bash disable=SC2016,SC2154 # backticks in single quotes are names in Cypher
splitter_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    # shellcheck source=tests/e2e/roundtrip-lib.sh
    . "$splitter_here/roundtrip-lib.sh" 5
    splitter_alone=1
fi

splitter_digest() { "$tools/graph-digest" "$uri" neo4j "$E2E_NEO4J_PASSWORD" | tail -n 1; }
# by_shell FILE: into an emptied database
by_shell() { { echo 'MATCH (n) DETACH DELETE n;' && cat "$1"; } | servers shell "$uri" >"$work/log" 2>&1; }

# Each statement that is cut elsewhere than cypher-shell cuts it is an error, or leaves something else in the graph. What is behind
# `nasty N` is seen only where the statement is whole.
nasty() {
    cat <<'END'
/* A script; with '"` in its comments */ // and another;
CREATE (:`nasty 1` {s: 'a;b', d: "c;'d", t: 'it\'s; "so"', u: "say \"no;\"", b: 'ends in \\', e: "\\"}); CREATE (:`nasty 2`)
;
;; ;
// CREATE (:Comment);
/* CREATE (:Comment); */ CREATE (:`nasty 3` {url: 'http://x/*;y', x: "// ;"}); // ; CREATE (:Comment);
CREATE (:`nasty;4` {`key;"'`: 4, `a``;b`: '`;'})-[:`R;'`]->(:`nasty "5`);
CREATE (:`nasty 6` /* ; ' */ {x: 1 // ; "
}); /*/ CREATE (:Comment); */ CREATE (:`nasty 7` {x: 8 / 2 * /* ; */ 3});
:begin
CREATE (:`nasty 8`);
:COMMIT
:begin
CREATE (:Lost);
:rollback
CREATE (:`nasty 9` {lines: 'one;
// two;
/* three; */
:commit
'});
MATCH (n:`nasty 9`)
SET n.x = 'y'
/* c; */ // d;
, n.z = '\u0041;';
UNWIND ['a;', "b;", '`', '\'', "\""] AS s
CREATE (:`nasty 10` {s: s, `with \u005C in it; and more`: '\\'});
CREATE (:`nasty 11` {s: 'é ü 雪 😀; '});
END
    printf 'CREATE (:`nasty 12`)\r\n;\r\nCREATE (:`nasty 13`) // no line end; and no semicolon'
}

# A graph with what a dump of that kind can carry.
sidecar_graph() {
    cat <<'END'
CREATE (a:Person {name: 'Ann; "x"', note: "it's\n`;`\\", n: 1, f: 1.5, b: true, l: ['a;', 'b\'']}),
 (b:Person:`Odd; label` {name: 'http://x//y', at: date('2024-05-06'), t: localdatetime('2024-05-06T07:08:09.5')}),
 (a)-[:KNOWS {since: 2020, `odd; key`: '/* ; */'}]->(b), (b)-[:`odd; type`]->(a), (a)-[:KNOWS]->(a);
END
}
# The same without its bucket: sidecar.py's upload is replaced by a copy into FILE.
sidecar_dump() { # FILE
    local py
    py=$("$splitter_here/../parts/get.sh" path py) || return 1
    NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD "$py" - "$splitter_here/../bench" "$uri" "$1" <<'END'
import shutil, sys
sys.path.insert(0, sys.argv[1])
import sidecar

class Copy:
    def upload_file(self, path, _bucket, key):
        shutil.copyfile(path, key)

sidecar.client = Copy
sys.argv = ["sidecar.py", sys.argv[2], "none", sys.argv[3], "6"]
sidecar.main()
END
}

# both_ways FILE: by cypher-shell and by `restore`; the same, and not nothing
both_ways() {
    local want counts
    by_shell "$1" || return 1
    want=$(splitter_digest)
    counts=$("$tools/graph-digest" "$uri" neo4j "$E2E_NEO4J_PASSWORD" | head -n 1)
    echo "     $counts"
    NEO4J_URI=$uri NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD LOG_FORMAT=json \
        "$bin/neo4j-backup" restore --input "$1" --allow-statements --overwrite Wipe --confirm neo4j --safety-backup None 2>"$work/log" || return 1
    [ "$(splitter_digest)" = "$want" ] && [ "$counts" != 'nodes 0 rels 0' ]
}
nasty_script_is_the_same() { nasty >"$work/nasty.cypher" && both_ways "$work/nasty.cypher"; }
sidecar_dump_is_the_same() {
    sidecar_graph >"$work/graph.cypher" && by_shell "$work/graph.cypher" && sidecar_dump "$work/sidecar.cypher.gz" >/dev/null &&
        gunzip -c "$work/sidecar.cypher.gz" >"$work/sidecar.cypher" && both_ways "$work/sidecar.cypher"
}
splitter_checks() { # VERSION
    check "Neo4j $1: a nasty script is cut as cypher-shell cuts it" nasty_script_is_the_same
    check "Neo4j $1: the old sidecar's dump comes back as by cypher-shell" sidecar_dump_is_the_same
}
splitter_on() { # VERSION PORT
    uri=bolt://127.0.0.1:$2
    splitter_checks "$1"
}
[ -z "${splitter_alone:-}" ] || on_each_version 7840 splitter_on

#!/usr/bin/env bash
# The dump restored by the real cypher-shell: from 4.4, 5.26 and 2026, each into its own version, and from older to newer;
# compared value by value by an independent judge.
. "$(dirname "$0")/../lib.sh"
export NS=

# graph URI: what the versions have in common, every property type
graph() { "$E2E_PY" "$HERE/graphs/social_graph.py" "$1" --people 300 --rels 900 >/dev/null; }
export_to() { # URI FILE
    NEO4J_URI=$1 NEO4J_USER=neo4j NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD LOG_LEVEL=warn \
        "$E2E_WORKER" backup --output "$2"
    [ -s "$2" ] || fail "no dump in $2"
}
restore() { # FILE URI
    NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD "$E2E_PY" "$HERE/live_writer.py" "$2" empty
    gunzip -c "$1" | NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD servers shell "$2" >"$E2E_DIR/shell.log" 2>&1 ||
        fail "cypher-shell: $(tail -n 5 "$E2E_DIR/shell.log")"
}
port=17700
up() { # VERSION NAME -> sets URI
    port=$((port + 1))
    servers neo4j-up "$1" "$2" $port >/dev/null
    URI=bolt://$E2E_HOST:$port
    started+=("$2")
}
started=()
cleanup() { for n in "${started[@]}"; do servers neo4j-down "$n" || true; done; }
trap cleanup EXIT

# Of each version a source and a target; the target takes the older version's dump too.
older='' older_source=''
for version in 4 5 2026; do
    up $version "versions-source-$version"
    source=$URI
    graph "$source"
    export_to "$source" "$E2E_DIR/$version.cypher.gz"
    up $version "versions-target-$version"
    for from in $older $version; do
        restore "$E2E_DIR/$from.cypher.gz" "$URI"
        if [ "$from" = "$version" ]; then original=$source; else original=$older_source; fi
        compare "$original" "$URI" || fail "the graph of $from restored into $version differs"
        note "Neo4j $from into $version: equal"
    done
    servers neo4j-down "versions-target-$version"
    [ -z "$older" ] || servers neo4j-down "versions-source-$older"
    older=$version older_source=$source
done
note "done"

#!/usr/bin/env bash
# The benchmark: `make bench`. Builds two graphs in a real Neo4j 5.26 with APOC, and measures, side by side in one run, a bare
# drain, this program, APOC's export and the Python sidecar's stack, each with the upload to a local MinIO.
#
#   BENCH_GRAPHS="plain kg"  BENCH_NODES=100000 BENCH_KG_NODES=10000   sizes (relationships: three times as many)
#   BENCH_ROUNDS=5 BENCH_SLOW_ROUNDS=2 BENCH_INCR_ROUNDS=3             rounds; of the slow peers; of the incremental backups (0: none)
#   BENCH_RESTORE=50000 BENCH_RESTORE_SMALL=2000 BENCH_RESTORE_ROUNDS=3  restores: nodes, of the small graph, rounds; 0: none
#
# Prints tables; judges nothing. Seconds depend on the machine, ratios hold.
set -euo pipefail
here=$(cd "$(dirname "$0")/../e2e" && pwd)
cd "$here/../.."
out=$PWD/build/bench
mkdir -p "$out"
. "$here/setup.sh"
# Servers of its own: what other scripts take down are theirs.
export E2E_HOST=127.0.0.1 NEO4J_JVM=long E2E_SERVERS=${E2E_SERVERS:-$out/servers}

tests/parts/get.sh apt-build apt-parts minio neo4j-5 cypher-shell apoc py
make --no-print-directory -s all test-tools
E2E_PY=$(parts_path py)
export NEO4J_PASSWORD=${NEO4J_PASSWORD:-correct-horse-7} S3_ACCESS_KEY=bench-access S3_SECRET_KEY=bench-secret-0123456789
export E2E_NEO4J_PASSWORD=$NEO4J_PASSWORD S3_BUCKET=bench S3_ENDPOINT=http://127.0.0.1:9479
trap 'servers down-all' EXIT
servers s3-up minio bench 9479
"$E2E_PY" "$here/s3.py" make "$S3_BUCKET"

nodes=${BENCH_NODES:-100000} kg=${BENCH_KG_NODES:-10000}
for graph in ${BENCH_GRAPHS:-plain kg}; do
    NEO4J_HEAP=${NEO4J_HEAP:-2g} NEO4J_APOC=1 servers neo4j-up 5 "bench-$graph" 17679
    case $graph in
    plain) "$E2E_PY" "$here/graphs/social_graph.py" bolt://127.0.0.1:17679 --people "$nodes" --rels $((nodes * 3)) --no-odd-ones ;;
    kg) "$E2E_PY" "$here/graphs/graphiti_graph.py" bolt://127.0.0.1:17679 --entities $((kg * 9 / 10)) --episodes $((kg / 10)) --edges $((kg * 2)) ;;
    esac
    "$E2E_PY" tests/bench/bench.py --uri bolt://127.0.0.1:17679 --graph "$graph" --worker build/release/neo4j-backup \
        --drain build/release/tests/tools/bolt-drain --rounds "${BENCH_ROUNDS:-5}" --slow-rounds "${BENCH_SLOW_ROUNDS:-2}" \
        --server-pid "$(servers pid "neo4j-bench-$graph")" --save "$out/$graph.json" ${BENCH_OPTS:-}
    servers neo4j-down "bench-$graph"
    "$E2E_PY" -B tests/bench/offline.py --servers "$here/servers.sh" --name "bench-$graph" --of "$out/$graph.json" \
        --rounds "${BENCH_SLOW_ROUNDS:-2}"
    if [ "${BENCH_INCR_ROUNDS:-3}" -gt 0 ]; then
        NEO4J_HEAP=${NEO4J_HEAP:-2g} NEO4J_APOC=1 servers neo4j-up 5 "bench-$graph" 17679
        "$E2E_PY" -B tests/bench/incremental.py --uri bolt://127.0.0.1:17679 --graph "$graph" \
            --worker build/release/neo4j-backup --rounds "${BENCH_INCR_ROUNDS:-3}"
        servers neo4j-down "bench-$graph"
    fi
    "$E2E_PY" "$here/s3.py" sweep "$S3_BUCKET" ""
done

restore_nodes=${BENCH_RESTORE:-50000}
[ "$restore_nodes" -gt 0 ] || exit 0
social() { "$E2E_PY" "$here/graphs/social_graph.py" "bolt://127.0.0.1:$1" --people "$2" --rels $(($2 * 3)) --no-odd-ones; }
NEO4J_APOC=1 servers neo4j-up 5 bench-source 17680
NEO4J_APOC=1 servers neo4j-up 5 bench-small 17681
NEO4J_HEAP=${NEO4J_HEAP:-2g} servers neo4j-up 5 bench-target 17682
social 17680 "$restore_nodes"
social 17681 "${BENCH_RESTORE_SMALL:-2000}"
"$E2E_PY" tests/bench/restore.py --source bench-source --small bench-small --target bench-target \
    --servers "$here/servers.sh" --worker build/release/neo4j-backup --rounds "${BENCH_RESTORE_ROUNDS:-3}"

#!/usr/bin/env bash
# cypher_shell.py on 4.4, 5.26 and 2026, which take turns by the number of the case.
#
#   cypher-shell.sh FROM COUNT
#
# Ends with the line that run.sh wants of a campaign.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
from=$1 count=$2 port=${CAMPAIGN_PORT:-7850}
tools=$(cd "${CAMPAIGN_BIN:-$here/../../build/release}/tests/tools" && pwd)
servers=$here/../e2e/servers.sh
py=$("$here/../parts/get.sh" path py)
export E2E_NEO4J_PASSWORD=${E2E_NEO4J_PASSWORD:-correct-horse-7} E2E_HOST=127.0.0.1
export NEO4J_PASSWORD=$E2E_NEO4J_PASSWORD
name=
trap '[ -z "$name" ] || "$servers" neo4j-wipe "$name" >/dev/null 2>&1' EXIT
# shellcheck source=tests/parts/versions.sh
. "$here/../parts/versions.sh"
versions=(4 5 2026) told=("$NEO4J_4_VERSION" "$NEO4J_5_VERSION" "$NEO4J_2026_VERSION")
passed=0 failed=0 nodes=0 rels=0 bytes=0 remarks=
for index in 0 1 2; do
    numbers=()
    for ((n = from; n < from + count; n++)); do [ $((n % 3)) -ne $index ] || numbers+=("$n"); done
    [ ${#numbers[@]} -gt 0 ] || continue
    version=${versions[index]} name=campaign-$version
    "$servers" neo4j-up "$version" "$name" "$port" >/dev/null
    out=$("$py" "$here/cypher_shell.py" "bolt://127.0.0.1:$port" "$version" "$servers" "$tools" "${numbers[@]}") || true
    grep '^different' <<<"$out" || true
    # a program that broke off has passed nothing
    read -r p f n r b < <(tail -n 1 <<<"$out" | grep -E '^[0-9]+( [0-9]+){4}$' || echo "0 ${#numbers[@]} 0 0 0")
    passed=$((passed + p)) failed=$((failed + f)) nodes=$((nodes + n)) rels=$((rels + r)) bytes=$((bytes + b))
    remarks+="Neo4j ${told[index]}: $p, "
    "$servers" neo4j-wipe "$name" >/dev/null
    name=
done
printf 'cypher-shell\t%s\t%s\t%s\t%s%s nodes, %s relationships, %s bytes of dumps\n' \
    "$count" "$passed" "$failed" "$remarks" "$nodes" "$rels" "$bytes"

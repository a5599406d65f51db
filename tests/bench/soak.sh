#!/usr/bin/env bash
# The controller for an hour: policies that change all the time, watches that are cut, tokens that are replaced. `make soak`;
# see soak.py, which says by which rules it judges.
#
#   SOAK_SECONDS=3600 SOAK_POLICIES=200 SOAK_RATE=5    SOAK_RATE: changes a second
#   SOAK_SAN=asan     a sanitizer's build, which looks for leaks at the end (memory is then not judged by its size)
#   SOAK_PORT=16470   of the API server, the two after it etcd's, and the next the controller's metrics
#
# Prints a table with a row a minute, a line a verdict, and last how many passed and failed; fails when one did.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/parts/get.sh apt-build apt-parts k8s helm
make --no-print-directory -s controller SAN="${SOAK_SAN:-}"
port=${SOAK_PORT:-16470}
out=$PWD/build/bench/soak-$port
mkdir -p "$(dirname "$out")"
trap 'tests/e2e/apiserver.sh down "$out"' EXIT
tests/e2e/apiserver.sh up "$out" "$port"
export ASAN_OPTIONS=detect_leaks=1:exitcode=23 UBSAN_OPTIONS=print_stacktrace=1
/usr/bin/python3 -B tests/bench/soak.py "$out" --controller "build/release${SOAK_SAN:+-$SOAK_SAN}/neo4j-backup-controller" \
    --seconds "${SOAK_SECONDS:-3600}" --policies "${SOAK_POLICIES:-200}" --rate "${SOAK_RATE:-5}" --metrics-port $((port + 3))

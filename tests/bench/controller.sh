#!/usr/bin/env bash
# The controller's memory, speed and failover before a real API server, beside Kubernetes' own CronJob controller:
# `make bench-controller`. See controller.py.
#
#   BENCH_SIZES=0,1000,10000 BENCH_DUE=100,1000 BENCH_ENDS=(as BENCH_DUE) BENCH_ROUNDS=3    (an empty one, and rounds of 0: that is left out)
#   BENCH_PORT: the first of three ports, E2E_API_DIR: where its API server is
#
# Takes some 45 minutes. Prints tables; judges what is counted and nothing that is timed. Seconds depend on the machine, ratios hold.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/parts/get.sh apt-build apt-parts k8s helm
make --no-print-directory -s controller
out=${E2E_API_DIR:-$PWD/build/bench/api}
mkdir -p "$(dirname "$out")"
trap 'tests/e2e/apiserver.sh down "$out"' EXIT
tests/e2e/apiserver.sh up "$out" "${BENCH_PORT:-16450}"
/usr/bin/python3 -B tests/bench/controller.py "$out" --controller build/release/neo4j-backup-controller \
    --manager "$(tests/parts/get.sh path k8s)/kube-controller-manager" \
    --sizes "${BENCH_SIZES-0,1000,10000}" --due "${BENCH_DUE-100,1000}" --ends "${BENCH_ENDS-${BENCH_DUE-100,1000}}" \
    --rounds "${BENCH_ROUNDS:-3}"

#!/usr/bin/env bash
# The end-to-end stories on the real parts.
#
#   run.sh              all of tests/e2e/stories/*.sh
#   run.sh 02 killed    those whose name contains one of the words
#
# Cluster: the one of E2E_KUBECONFIG if set (its nodes must have E2E_IMAGE and reach E2E_HOST on this machine), else a local
# single-node cluster of tests/e2e/cluster, started here and removed at the end (E2E_KEEP=1 leaves everything up;
# a second run then uses it again). Stories run E2E_PARALLEL at a time, those from 90 on alone.
# Ends with "N passed, N failed"; each story's output is in build/e2e/STORY.log.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
out=$PWD/build/e2e
mkdir -p "$out"
. "$here/setup.sh"

words=("$@")
wanted() {
    [ ${#words[@]} -gt 0 ] || return 0
    local w
    for w in "${words[@]}"; do [[ $1 == *$w* ]] && return 0; done
    return 1
}

trap e2e_down EXIT
# What a run has left that was killed is not for this one's stories to find.
[ -n "${E2E_KEEP:-}" ] || servers down-all
e2e_up

passed=0 failed=0 failures=()
declare -A running=()
# finish_one: waits for one story to end and counts it
finish_one() {
    local pid rc=0 name
    wait -n -p pid "${!running[@]}" || rc=$?
    name=${running[$pid]}
    unset "running[$pid]"
    if [ "$rc" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok   $name ($(tail -n 1 "$out/$name.time" 2>/dev/null) s)"
    else
        failed=$((failed + 1)) failures+=("$name")
        echo "FAIL $name (exit $rc)"
        grep -a '^FAIL' "$out/$name.log" | tail -n 3 || true
    fi
}
start() {
    local name=$1
    mkdir -p "$out/$name"
    rm -rf "${out:?}/$name"/*
    (
        t0=$SECONDS rc=0
        E2E_DIR=$out/$name timeout 1500 bash "$here/stories/$name.sh" >"$out/$name.log" 2>&1 </dev/null || rc=$?
        echo $((SECONDS - t0)) >"$out/$name.time"
        exit "$rc"
    ) &
    running[$!]=$name
}

alone=()
# the longest first, so that none of them is left over at the end
for path in "$here"/stories/{16,06,24,15,21,03}-*.sh "$here"/stories/*.sh; do
    name=$(basename "$path" .sh)
    wanted "$name" || continue
    [[ " ${seen:-} " != *" $name "* ]] || continue
    seen="${seen:-} $name"
    case $name in 9*) alone+=("$name"); continue ;; esac
    [ "${#running[@]}" -lt "${E2E_PARALLEL:-4}" ] || finish_one
    start "$name"
done
while [ "${#running[@]}" -gt 0 ]; do finish_one; done
for name in "${alone[@]}"; do
    start "$name"
    finish_one
done
for name in "${failures[@]}"; do
    echo "--- the end of $name:"
    tail -n 15 "$out/$name.log"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

#!/usr/bin/env bash
# The definitions before a real API server: examples taken, faults refused with their sentence, defaults set. Then, before one
# of its own, what the controller may do there, and a slice of its campaigns through faults and changes of specs, up to the Job.
. "$(dirname "$0")/../lib.sh"
export NS=
bash "$HERE/crd.sh"

api=$E2E_DIR/api
trap '"$HERE/apiserver.sh" down "$api"' EXIT
"$HERE/apiserver.sh" up "$api" "${E2E_API_PORT:-16440}"
bash "$HERE/rights.sh" "$api"
/usr/bin/python3 -B "$HERE/kube_faults.py" "$api" 0 15
/usr/bin/python3 -B "$HERE/kube_specs.py" "$api" 0 60
/usr/bin/python3 -B "$HERE/kube_jobs.py" "$api" 61 24
note "done"

#!/usr/bin/env bash
# kill -9 of the worker at random moments; the bucket is whole, and a second try leaves nothing behind: kill-worker.sh.
. "$(dirname "$0")/../lib.sh"
export NS=
"$HERE/kill-worker.sh" 8 "${E2E_SEED:-$(date +%s)}"
note "done"

#!/usr/bin/env bash
# Who judges the judges: the R2-shaped proxy refuses what R2 refuses, in front of a second strict server too, and the comparison
# of graphs finds every planted difference.
. "$(dirname "$0")/../lib.sh"
export NS=
trap 'servers proxy-down judged; servers s3-down judged' EXIT
servers s3-up versitygw judged 9481 >/dev/null
servers proxy-up judged 9482 judged >/dev/null
"$E2E_PY" "$HERE/r2proxy_test.py" "http://$E2E_HOST:9482"
"$E2E_PY" "$HERE/graph_compare_test.py"
note "done"

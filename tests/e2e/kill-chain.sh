#!/usr/bin/env bash
# kill_chain.py on two real Neo4j and versitygw (whose files' times it turns back) behind the R2-shaped proxy, all of its own.
#
#   kill-chain.sh [CASES] [FIRST]       4 cases from number 0 unless said
# shellcheck source=tests/e2e/kill-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/kill-lib.sh"
kill_servers kill-chain versitygw 9475 17675
kill_target
kill_campaign kill_chain.py "${1:-4}" "${2:-0}" --data "$(servers s3-data kill-chain)"

#!/usr/bin/env bash
# Notifications without a cluster: Slack, webhook and e-mail as the controller sends them, to real receivers on loopback (an
# SMTP server with STARTTLS, TLS and authentication; an HTTPS server), judged by Python's mail parser and hmac.
. "$(dirname "$0")/../lib.sh"
export NS=
root=$(cd "$HERE/../.." && pwd)
make -s -C "$root" build/release/tests/tools/notify-once
"$E2E_PY" "$HERE/notifications_test.py" "$root/build/release/tests/tools/notify-once" "${E2E_DIR:?}"
note "done"

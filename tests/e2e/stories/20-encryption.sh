#!/usr/bin/env bash
# Encryption: our age against age and rage (age-interop.sh), and encrypted backups of a real graph (encryption.sh).
. "$(dirname "$0")/../lib.sh"
export NS=
"$HERE/age-interop.sh"
"$HERE/encryption.sh"
note "done"

#!/usr/bin/env bash
# The compose files of the sidecar: they parse, the sidecar is shut in as it should be, what they set is
# known to the program and what .env.example offers is used. The sidecar that they start is run by
# tests/e2e/stories/15-sidecar.sh. Ends with "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."
dir=deploy/compose
program=build/release/neo4j-backup
tool=build/release/tests/tools/yaml-to-json
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make -s "$program" "$tool"
passed=0 failed=0

check() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $what"
    else
        failed=$((failed + 1))
        echo "FAIL $what"
        tail -n 10 "$work/out"
    fi
}
# is FILTER: true of the sidecar's service
is() { jq -e "$1" "$work/service.json"; }
known() { # every name that a file sets is one of the program's options, or that name with _FILE
    local name
    for name in $(jq -r '.services["neo4j-backup"].environment | keys[]' "$1"); do
        grep -qE "^\| \`${name%_FILE}\`" docs/cli.md || { echo "$name is no option"; return 1; }
    done
}
offered() { # every name of .env.example is used
    local name
    for name in $(sed -nE 's/^#?([A-Z][A-Z0-9_]*)=.*/\1/p' $dir/.env.example); do
        grep -qF "\${$name" $dir/docker-compose.yml || { echo "$name is not used"; return 1; }
    done
}
refuses_the_example() { # as it is, without the required values
    local -a env
    mapfile -t env < <(jq -r '.environment | to_entries[] | "\(.key)=\(.value)"' "$work/service.json")
    ! env -i "${env[@]}" BACKUP_STATE_DIR="$work/state" "$program" schedule >"$work/refused" 2>&1
    grep -q 'R2_BUCKET_NAME is not set; hint:' "$work/refused"
}

# Tags are for compose alone.
sed 's/!reset null/null/' $dir/docker-compose.secrets.yml >"$work/secrets.yml"
check "docker-compose.yml parses" "$tool" $dir/docker-compose.yml
"$tool" $dir/docker-compose.yml >"$work/compose.json"
check "docker-compose.secrets.yml parses" "$tool" "$work/secrets.yml"
"$tool" "$work/secrets.yml" >"$work/secrets.json"
check ".env.example is taken" tests/compose-service.py "$work/compose.json" neo4j-backup $dir/.env.example
tests/compose-service.py "$work/compose.json" neo4j-backup $dir/.env.example >"$work/service.json"
check "the root is read-only" is '.read_only == true'
check "no capabilities, no new privileges" is '.cap_drop == ["ALL"] and .security_opt == ["no-new-privileges:true"]'
check "no root, no port" is '(.user | startswith("65532")) and (has("ports") | not) and (has("privileged") | not)'
check "limits are set" is '.deploy.resources.limits | .memory == "200M" and .cpus == "1.0"'
check "health is asked" is '.healthcheck.test == ["CMD", "/usr/bin/neo4j-backup", "health"]'
check "a stop leaves time to end and to abort" is \
    '(.stop_grace_period | rtrimstr("s") | tonumber) >= (.environment.BACKUP_STOP_GRACE_SECONDS | tonumber) + 25'
check "the state is on a volume" is \
    '.environment.BACKUP_STATE_DIR as $d | .volumes | any(endswith(":" + $d))'
check "the database's network is internal" jq -e '.networks.database.internal == true' "$work/compose.json"
check "the sidecar is in no network of others" is '.networks == ["database", "storage"]'
check "what docker-compose.yml sets is known" known "$work/compose.json"
check "what docker-compose.secrets.yml sets is known" known "$work/secrets.json"
check "what .env.example offers is used" offered
check "the example without its required values is refused" refuses_the_example
check "the schedule's default is the program's" is '.environment.BACKUP_SCHEDULE == "0 2 * * *"'
if docker compose version >/dev/null 2>&1; then
    cp $dir/.env.example "$work/.env"
    check "docker compose takes it" docker compose --env-file "$work/.env" -f $dir/docker-compose.yml config -q
    check "docker compose takes it with secrets" docker compose --env-file "$work/.env" \
        -f $dir/docker-compose.yml -f $dir/docker-compose.secrets.yml config -q
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

#!/usr/bin/env bash
# The docker-compose sidecar, without a cluster: the command line and the environment that deploy/compose gives it, as
# process 1 of the image's root file system (read-only, no root, no new privileges), against Neo4j and the bucket.
. "$(dirname "$0")/../lib.sh"
root=$(cd "$HERE/../.." && pwd)
BUCKET=e2e-sidecar
place=${E2E_DIR:?}/place
mkdir -p "$place/state"
chmod 1777 "$place/state"
s3 make "$BUCKET"
s3 sweep "$BUCKET" ""

# --- docker compose up, exec, stop ------------------------------------------------------------

# The image's root, where mounts go as a container engine makes them.
"$root/tools/image-rootfs" "$(dirname "$(realpath "$E2E_WORKER")")" "$place/root"
mkdir -p "$place/root/proc" "$place/root/dev"
make -s -C "$root" build/release/tests/tools/yaml-to-json
"$root/build/release/tests/tools/yaml-to-json" "$root/deploy/compose/docker-compose.yml" >"$place/compose.json"

# dot_env PASSWORD: .env.example, filled in
dot_env() {
    sed -e "s#^NEO4J_PASSWORD=.*#NEO4J_PASSWORD=$1#" -e "s#^R2_ACCESS_KEY_ID=.*#R2_ACCESS_KEY_ID=$S3_ACCESS_KEY#" \
        -e "s#^R2_SECRET_ACCESS_KEY=.*#R2_SECRET_ACCESS_KEY=$S3_SECRET_KEY#" -e "s#^R2_BUCKET_NAME=.*#R2_BUCKET_NAME=$BUCKET#" \
        -e "s#^\#R2_ENDPOINT=.*#R2_ENDPOINT=$S3_ENDPOINT#" -e "s#^\#R2_FORCE_PATH_STYLE=.*#R2_FORCE_PATH_STYLE=true#" \
        -e "s#^BACKUP_SCHEDULE=.*#BACKUP_SCHEDULE=* * * * *#" "$root/deploy/compose/.env.example"
    echo "NEO4J_URI=$E2E_NEO4J_URI"
}
service() { # reads .env: the environment, with that of the image, and the command
    "$root/tests/compose-service.py" "$place/compose.json" neo4j-backup "$place/.env" >"$place/service.json"
    mapfile -t environment < <(jq -r '.environment | to_entries[] | "\(.key)=\(.value)"' "$place/service.json")
    environment+=(PATH=/usr/bin MALLOC_ARENA_MAX=2 SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt)
    mapfile -t command < <(jq -r '.command[]' "$place/service.json")
}
up() { # PASSWORD
    dot_env "$1" >"$place/.env"
    service
    # shellcheck disable=SC2016  # the inner shell's
    env -i "${environment[@]}" /usr/bin/unshare --mount --pid --fork --kill-child /bin/sh -c '
        place=$1
        shift
        PATH=/usr/sbin:/usr/bin:/sbin:/bin
        mount --bind "$place/root" "$place/root"
        mount --bind "$place/state" "$place/root/var/lib/neo4j-backup"
        mount -t proc proc "$place/root/proc"
        mount -o remount,bind,ro "$place/root"
        PATH=/usr/bin
        exec /usr/bin/setpriv --no-new-privs /usr/sbin/chroot --userspec=65532:65532 --groups= "$place/root" \
            /usr/bin/neo4j-backup "$@"' sh "$place" "${command[@]}" >>"$place/log" 2>&1 &
    container=$!
    wait_until 10 "the sidecar runs" main_process
    pid=$(main_process)
}
# program_below PID: the process that it, or what it started, became
program_below() {
    local p=$1
    while [ "$(cat "/proc/$p/comm")" != neo4j-backup ]; do
        p=$(cat "/proc/$p/task/$p/children") && p=${p%% *} && [ -n "$p" ] || return 1
    done
    echo "$p"
}
main_process() { program_below "$container"; }
in_sidecar() { # ARGUMENT...: as docker compose exec neo4j-backup neo4j-backup ARGUMENT...
    env -i "${environment[@]}" /usr/bin/nsenter --target "$pid" --mount --pid --root --setuid 65532 --setgid 65532 \
        /usr/bin/neo4j-backup "$@"
}
down() { # [SIGNAL]: sets rc
    kill -"${1:-TERM}" "$pid"
    rc=0
    wait "$container" || rc=$?
    container=
}
trap '[ -z "${container:-}" ] || kill -KILL "$pid" 2>/dev/null || true' EXIT

health_is() { # CODE PATTERN
    local rc=0
    in_sidecar health >"$place/health" 2>&1 || rc=$?
    [ "$rc" -eq "$1" ] && grep -qE -- "$2" "$place/health"
}
events() { jq -rR "fromjson? | select(.msg == \"$1\") | $2" "$place/log"; }
ended() { [ "$(events "backup ended" .result | grep -c "${2:-.}")" -ge "$1" ]; }
# The clock's seconds within the minute are at most this, so that there is time before the next slot.
early_in_minute() { [ "$((10#$(date +%S)))" -le "$1" ] && [ "$((10#$(date +%S)))" -ge 5 ]; }
on_cpu_ns() { cut -d' ' -f1 "/proc/$pid/schedstat"; }

# --- on time, well, small ---------------------------------------------------------------------

up "$E2E_NEO4J_PASSWORD"
wait_until 10 "health before the first slot" health_is 0 "^no backup was due yet, next at "
rss_kb=$(awk '/^VmRSS/ {print $2}' "/proc/$pid/status")
t0=$(date +%s%N) cpu0=$(on_cpu_ns)
wait_until 150 "two slots are served" ended 2 Succeeded
t1=$(date +%s%N) cpu1=$(on_cpu_ns)
while read -r slot late; do
    expect_match "a slot" "$slot" ':00Z$'
    [ "$late" -le 5 ] || fail "the slot of $slot began $late s late"
    [[ $(s3 ls "$BUCKET" "") == *"neo4j_${slot:0:10}_${slot:11:2}-${slot:14:2}-00.cypher.gz"* ]] || fail "no backup of $slot"
done < <(events "backup starts" '"\(.slot) \(.lateSeconds)"')
expect "triggers" "$(events "backup starts" .trigger | sort -u)" Schedule
expect "slots that ran twice" "$(events "backup starts" .slot | sort | uniq -d)" ""
health_is 0 "^last backup succeeded at " || fail "health says: $(cat "$place/health")"
note "idle: RSS $rss_kb kB, CPU $(((cpu1 - cpu0) * 100000 / (t1 - t0))) thousandths of a percent with two starts among it"
[ "$rss_kb" -le 12288 ] || fail "the idle sidecar has $rss_kb kB, more than 12 MiB"
[ $(((cpu1 - cpu0) * 1000 / (t1 - t0))) -lt 1 ] || fail "the scheduler took 0.1 % of a CPU or more"
expect "user, privileges" "$(awk '/^(Uid|NoNewPrivs|CapEff)/ {print $2}' "/proc/$pid/status" | tr '\n' ' ')" \
    "65532 0000000000000000 1 "

# --- by hand ----------------------------------------------------------------------------------

wait_until 60 "some time before the next slot" early_in_minute 30
TIMEFORMAT='%R %U %S'
{ time in_sidecar backup 2>"$place/manual" || fail "a backup by hand, when idle: $(tail -n 1 "$place/manual")"; } 2>"$place/time"
read -r real user system <"$place/time"
note "a backup by hand at the compose file's 10 % of a CPU: $real s, of it $user + $system on a CPU"
awk -v r="$real" -v c="$user $system" 'BEGIN { split(c, p, " "); exit !(r < 1 || (p[1] + p[2]) / r <= 0.2) }' ||
    fail "BACKUP_MAX_CPU_PERCENT is not kept: $(cat "$place/time")"
in_sidecar backup --max-bytes-per-second 1024 --level 1 2>"$place/slow" &
slow=$!
slow_runs() { grep -q '"stage":"Exporting' "$place/slow"; }
wait_until 30 "a slow backup by hand runs" slow_runs
rc=0
in_sidecar backup 2>"$place/second" || rc=$?
expect "the second one's exit code" "$rc" 32
expect_match "its sentence" "$(cat "$place/second")" "another backup runs already \(process [0-9]+, since .*hint:"
waits() { grep -q "a slot waits: a backup by hand is running" "$place/log"; }
wait_until 90 "the next slot waits for it" waits
before=$(events "backup ended" .result | wc -l)
kill -TERM "$(program_below $slow)"
rc=0
wait $slow || rc=$?
[ "$rc" -eq 75 ] || [ "$rc" -eq 143 ] || fail "the slow backup ended with $rc"
wait_until 60 "the slot that waited is served" ended $((before + 1)) Succeeded
nothing_left_behind

# --- what goes wrong --------------------------------------------------------------------------

down
expect "a stop's exit code" "$rc" 0
up wrong-password-1
wait_until 150 "a wrong password makes health fail" health_is 1 \
    "^last backup failed: Neo4j connection failed: .*NEO4J_PASSWORD.*\(Neo4jAuthFailed, ended "
note "health: $(cat "$place/health")"
down KILL
killed=$(date +%s)
rc=0
BACKUP_STATE_DIR=$place/state "$E2E_WORKER" health >"$place/health" || rc=$?
expect "health of one that was killed" "$rc $(cut -d: -f1 "$place/health")" "1 scheduler is gone"
minute_is_over() { [ $(($(date +%s) / 60)) -gt $((killed / 60)) ]; }
wait_until 70 "a slot is missed" minute_is_over
before=$(events "backup starts" .slot | wc -l)
up "$E2E_NEO4J_PASSWORD"
caught_up() { [ "$(events "backup starts" .slot | wc -l)" -gt "$before" ]; }
wait_until 10 "the missed slot runs at the start" caught_up
expect "it" "$(events "backup starts" '.slot[10:]' | sed -n $((before + 1))p)" "T$(date -u -d "@$(($(date +%s) / 60 * 60))" +%H:%M:%SZ)"
wait_until 90 "health is well again" health_is 0 "^last backup succeeded at "
down
expect "the last stop's exit code" "$rc" 0

# --- a stop in the midst of a run -------------------------------------------------------------

env -i "${environment[@]}" BACKUP_STATE_DIR="$place/state-2" "$E2E_WORKER" schedule --schedule "0 0 1 1 *" \
    --run-immediate-backup --stop-grace-seconds 0 --max-bytes-per-second 1024 2>"$place/log-2" &
second=$!
exporting() { grep -q '"stage":"Exporting' "$place/log-2"; }
wait_until 30 "its first backup runs" exporting
kill -TERM $second
wait $second || fail "the stop's exit code is $?"
expect "how the backup ended" "$(jq -rR 'fromjson? | select(.msg == "backup ended") | .result' "$place/log-2")" Interrupted
nothing_left_behind

for secret in "$E2E_NEO4J_PASSWORD" "$S3_SECRET_KEY" wrong-password-1; do
    ! grep -qF -- "$secret" "$place"/{log,log-2,health,manual,slow,second} "$place"/state*/*.json ||
        fail "a secret is shown somewhere"
done
note "done"

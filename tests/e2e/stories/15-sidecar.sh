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

# What a user changes in .env from one story to the next.
schedule="* * * * *" zone=Etc/UTC immediate=false
# dot_env PASSWORD: .env.example, filled in
dot_env() {
    sed -e "s#^NEO4J_PASSWORD=.*#NEO4J_PASSWORD=$1#" -e "s#^R2_ACCESS_KEY_ID=.*#R2_ACCESS_KEY_ID=$S3_ACCESS_KEY#" \
        -e "s#^R2_SECRET_ACCESS_KEY=.*#R2_SECRET_ACCESS_KEY=$S3_SECRET_KEY#" -e "s#^R2_BUCKET_NAME=.*#R2_BUCKET_NAME=$BUCKET#" \
        -e "s#^\#R2_ENDPOINT=.*#R2_ENDPOINT=$S3_ENDPOINT#" -e "s#^\#R2_FORCE_PATH_STYLE=.*#R2_FORCE_PATH_STYLE=true#" \
        -e "s#^BACKUP_SCHEDULE=.*#BACKUP_SCHEDULE=$schedule#" -e "s#^BACKUP_TIMEZONE=.*#BACKUP_TIMEZONE=$zone#" \
        -e "s#^RUN_IMMEDIATE_BACKUP=.*#RUN_IMMEDIATE_BACKUP=$immediate#" "$root/deploy/compose/.env.example"
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
    [ -z "${begins:-}" ] || set_clock "$begins"
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
    env -i "${environment[@]}" /usr/bin/nsenter --target "$pid" --mount --pid --root --wd --setuid 65532 --setgid 65532 \
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

# --- other schedules, by a clock that is set --------------------------------------------------

# What runs in the image from here on has a wall clock that is ahead (clock_shift.c); command line and environment stay compose's.
gcc -shared -fPIC -O2 -D_GNU_SOURCE -o "$place/root/usr/lib/clock_shift.so" "$HERE/clock_shift.c"
echo /usr/lib/clock_shift.so >"$place/root/etc/ld.so.preload"
head -c 8 /dev/zero >"$place/root/clock-shift"
set_clock() { # SECONDS since 1970
    python3 -c 'import struct, sys, time
open(sys.argv[1], "r+b").write(struct.pack("=q", int(sys.argv[2]) - int(time.time())))' "$place/root/clock-shift" "$1"
}
at() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }
recent() { tail -n +"$seen" "$place/log" | jq -rR "fromjson? | select(.msg == \"$1\") | $2"; }
recently_ended() { [ "$(recent "backup ended" .result | grep -c Succeeded)" -ge "$1" ]; }
# keeps SCHEDULE ZONE IMMEDIATE SLOT: a sidecar that is started five seconds before that time, which is the next one, and serves it
keeps() {
    local slot
    schedule=$1 zone=$2 immediate=$3
    slot=$(at "$4")
    seen=$(($(wc -l <"$place/log") + 1))
    begins=$(($4 - 5)) up "$E2E_NEO4J_PASSWORD"
    wait_until 60 "'$1' in $2 is served, at $slot" recently_ended $(($([ "$3" = true ] && echo 1 || echo 0) + 1))
    expect "its next time" "$(recent "the schedule is kept" .next)" "$slot"
    expect "what ran" "$(recent "backup starts" .trigger | tr '\n' ' ')" "$([ "$3" = false ] || echo "Immediate ")Schedule "
    expect "when" "$(recent "backup starts" 'select(.trigger == "Schedule") | .slot')" "$slot"
    # the immediate one may take longer than is left
    [ "$3" = true ] || [ "$(recent "backup starts" .lateSeconds)" -le 5 ] || fail "$(recent "backup starts" .lateSeconds) s late"
    [[ $(s3 ls "$BUCKET" "") == *"neo4j_${slot:0:10}_${slot:11:2}-${slot:14:2}-00.cypher.gz"* ]] || fail "no backup of $slot"
}
week=$((7 * 86400)) sunday=$(date -u -d "next sunday" +%s) next_year=$(($(date -u +%Y) + 1))

keeps "0 0 * * 7" Etc/UTC false "$sunday"
kill -STOP "$pid"
set_clock $((sunday + week + 300))
health_is 1 "^cron did not run: the slot of $(at $((sunday + week))) is 3[0-9][0-9] s late" || fail "health of a paused one says: $(cat "$place/health")"
kill -CONT "$pid"
wait_until 60 "once it goes on it makes up for that" recently_ended 2
expect "how" "$(recent "backup starts" '"\(.trigger) \(.slot)"' | tail -n 1)" "CatchUp $(at $((sunday + week)))"
health_is 0 "^last backup succeeded at $(at $((sunday + week)) | cut -c1-14).*, next at $(at $((sunday + 2 * week)))" || fail "health says: $(cat "$place/health")"
down
begins=$((sunday + 2 * week + 25 * 3600)) up "$E2E_NEO4J_PASSWORD"
wait_until 10 "a slot that was missed by more than a day is told" health_is 1 \
    "^cron did not run: the slot of $(at $((sunday + 2 * week))) was missed by more than its deadline"
expect "backups of that slot" "$(recent "backup starts" .slot | wc -l)" 2
down
keeps "0 2 * * *" Europe/Stockholm true "$(date -u -d "$next_year-07-01" +%s)"
down
keeps @monthly America/New_York false "$(date -u -d "$next_year-08-01 04:00" +%s)"
health_is 0 "^last backup succeeded at $next_year-08-01T04:00:.*, next at $next_year-09-01T04:00:00Z" || fail "health says: $(cat "$place/health")"
down
nothing_left_behind

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

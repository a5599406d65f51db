#!/usr/bin/env bash
# Starts and stops the real servers that tests, demo and benchmarks talk to: Neo4j Community,
# S3 servers, an R2-shaped proxy before them; and runs cypher-shell. Their parts are brought by
# tests/parts/get.sh.
#
#   servers.sh neo4j-up VERSION NAME [PORT]       VERSION is 5, 4 or 2026; PORT 7687
#   servers.sh neo4j-down NAME                    keeps the data: neo4j-up goes on with it
#   servers.sh neo4j-wipe NAME                    stops it and drops its data
#   servers.sh neo4j-admin NAME ARGUMENT...       the offline tool, on the data of one that is stopped
#   servers.sh s3-up minio|versitygw NAME [PORT]  PORT 9000
#   servers.sh s3-down NAME                       keeps the data
#   servers.sh s3-wipe NAME                       stops it and drops its data
#   servers.sh s3-data NAME                       where they are
#   servers.sh proxy-up NAME [PORT] [S3_NAME]     before the S3 server S3_NAME ("main"); PORT 9100
#   servers.sh proxy-down NAME
#   servers.sh shell URI [OPTION...]              cypher-shell; statements from standard input
#   servers.sh list                               what runs
#   servers.sh pid SERVER                         process of one, by the name that list prints
#   servers.sh down-all                           stops all and drops all data
#
# A server that runs already is left alone, so every *-up can be repeated.
#
# E2E_HOST              the address that all listen on (127.0.0.1); pods of the test cluster
#                       reach only the one that tests/e2e/cluster/status.sh host prints
# E2E_SERVERS           directory of all state (default: servers/ in the cache)
# E2E_NEO4J_PASSWORD    of user neo4j; at least eight characters
# NEO4J_HEAP, NEO4J_PAGECACHE      512m and 128m
# NEO4J_JVM=long        as in production: for what is measured, and servers and shells that work for long (default: short)
# SHELL_HEAP            of cypher-shell (256m)
# NEO4J_CONF            more lines for neo4j.conf
# NEO4J_APOC=1          with APOC (version 5 only)
# S3_ACCESS_KEY, S3_SECRET_KEY
# R2PROXY_OPTIONS       more options for r2proxy.py
set -euo pipefail
E2E_DIRECTORY=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../parts/lib.sh
. "$E2E_DIRECTORY/../parts/lib.sh"

HOST=${E2E_HOST:-127.0.0.1}
STATE=${E2E_SERVERS:-$CACHE/servers}
PASSWORD=${E2E_NEO4J_PASSWORD:-correct-horse-7}
ACCESS_KEY=${S3_ACCESS_KEY:-e2e-access-key}
SECRET_KEY=${S3_SECRET_KEY:-e2e-secret-key-0123456789}
START_SECONDS=${E2E_START_SECONDS:-180}

part_path() { "$PARTS_DIR/get.sh" path "$1"; }

# spawn NAME LOG COMMAND...: runs a server in a session of its own, so that it outlives this shell
spawn() {
    local name=$1 log=$2
    shift 2
    mkdir -p "$STATE/pids" "$STATE/addresses"
    setsid "$@" >"$log" 2>&1 </dev/null &
    process_note $! "$STATE/pids/$name"
}

accepts_connections() { (exec 3<>"/dev/tcp/$HOST/$1"); }

# await NAME LOG COMMAND...: until COMMAND succeeds; fails at once when the server has ended
await() {
    local name=$1 log=$2 until_ms=$(($(now_ms) + START_SECONDS * 1000))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if process_is_gone "$STATE/pids/$name" || [ "$(now_ms)" -gt "$until_ms" ]; then
            tail -n 30 "$log" >&2
            process_end "$STATE/pids/$name"
            fail "'$name' did not start on $HOST; hint: $log"
        fi
        sleep 0.1
    done
}

already_up() {
    process_is_alive "$STATE/pids/$1" || return 1
    say "$1 runs already"
}

# --- Neo4j --------------------------------------------------------------------------------

# neo4j_java VERSION: Neo4j 2026 needs Java 21 or later. Debian's 17 is what the older ones
# were made for.
neo4j_java() {
    case $1 in
        2026) printf '%s/bin/java\n' "$(part_path jdk)" ;;
        *) find /usr/lib/jvm/java-17-openjdk-*/bin/java | head -n 1 ;;
    esac
}

# neo4j_write_conf VERSION HOME PORT. The two generations have different names for the same.
neo4j_write_conf() {
    local heap=${NEO4J_HEAP:-512m} pagecache=${NEO4J_PAGECACHE:-128m}
    if [ "$1" = 4 ]; then
        cat <<C
dbms.default_listen_address=$HOST
dbms.default_advertised_address=$HOST
dbms.connector.bolt.listen_address=$HOST:$3
dbms.connector.bolt.advertised_address=$HOST:$3
dbms.connector.http.enabled=false
dbms.memory.heap.initial_size=$heap
dbms.memory.heap.max_size=$heap
dbms.memory.pagecache.size=$pagecache
dbms.tx_log.rotation.retention_policy=1 files
C
    else
        cat <<C
server.default_listen_address=$HOST
server.default_advertised_address=$HOST
server.bolt.listen_address=$HOST:$3
server.bolt.advertised_address=$HOST:$3
server.http.enabled=false
server.https.enabled=false
server.memory.heap.initial_size=$heap
server.memory.heap.max_size=$heap
server.memory.pagecache.size=$pagecache
db.tx_log.rotation.retention_policy=1 files
dbms.usage_report.enabled=false
dbms.security.procedures.unrestricted=apoc.*
C
    fi >"$2/conf/neo4j.conf"
    printf '%s\n' "${NEO4J_CONF:-}" >>"$2/conf/neo4j.conf"
}

# A server of a test lives for seconds, most of them its start: the quick compiler only, no check of
# class files, one collector thread. That takes a third of the processor time to 'Started'.
QUICK_JAVA=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1
    -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote)

lifetime_options() {
    case ${NEO4J_JVM:-short} in
        long) echo -XX:+UseG1GC ;;
        *) printf -- '%s\n' "${QUICK_JAVA[@]}" ;;
    esac
}

# What Neo4j's own launcher passes, but for QUICK_JAVA.
neo4j_java_options() {
    local package
    lifetime_options
    for package in java.nio java.io sun.nio.ch java.util.concurrent java.lang; do
        printf -- '--add-opens=java.base/%s=ALL-UNNAMED\n' "$package"
    done
    printf -- '%s\n' --enable-native-access=ALL-UNNAMED \
        -XX:-OmitStackTraceInFastThrow -XX:+DisableExplicitGC \
        -Dio.netty.tryReflectionSetAccessible=true -Djdk.nio.maxCachedBufferSize=1024 \
        "-Xms${NEO4J_HEAP:-512m}" "-Xmx${NEO4J_HEAP:-512m}"
}

neo4j_prepare() {
    local version=$1 home=$2 lib
    lib=$(part_path "neo4j-$version")/lib
    [ -d "$lib" ] || fail "Neo4j $version is not there; hint: $PARTS_DIR/get.sh neo4j-$version"
    mkdir -p "$home"/{data,logs,import,run,licenses,certificates,conf,labs,plugins}
    ln -sfn "$lib" "$home/lib"
    rm -f "$home"/plugins/*.jar
    if [ "${NEO4J_APOC:-0}" = 1 ]; then
        ln -sf "$(part_path apoc)"/lib/*.jar "$home/plugins/"
        printf 'apoc.export.file.enabled=true\napoc.import.file.enabled=true\n' \
            >"$home/conf/apoc.conf"
    fi
    echo "$version" >"$home/version"
}

# neo4j_set_password VERSION HOME JAVA: only a store that was never started takes it
neo4j_set_password() {
    local command=(dbms set-initial-password)
    [ "$1" != 4 ] || command=(set-initial-password)
    NEO4J_HOME=$2 NEO4J_CONF=$2/conf "$3" "${QUICK_JAVA[@]}" -cp "$2/lib/*" -Dbasedir="$2" \
        org.neo4j.cli.AdminTool "${command[@]}" "$PASSWORD" >"$2/logs/set-password.log" 2>&1 ||
        fail "cannot set the password; hint: $2/logs/set-password.log"
    touch "$2/password-is-set"
}

neo4j_says_started() { grep -q ' Started\.' "$1" && accepts_connections "$2"; }

neo4j_up() {
    local version=${1:?version} name=${2:?name} port=${3:-7687} started_ms
    local home=$STATE/neo4j/$name java options arguments log main=CommunityEntryPoint
    ! already_up "neo4j-$name" || return 0
    started_ms=$(now_ms)
    neo4j_prepare "$version" "$home"
    neo4j_write_conf "$version" "$home" "$port"
    java=$(neo4j_java "$version")
    [ -x "$java" ] || fail "no Java for Neo4j $version; hint: $PARTS_DIR/get.sh apt-parts jdk"
    [ -e "$home/password-is-set" ] || neo4j_set_password "$version" "$home" "$java"
    mapfile -t options < <(neo4j_java_options)
    arguments=("--home-dir=$home" "--config-dir=$home/conf")
    [ "$version" = 4 ] || arguments+=(--console-mode)
    [ "$version" != 2026 ] || main=Neo4jCommunity
    log=$home/logs/console.log
    spawn "neo4j-$name" "$log" "$java" -cp "$home/plugins/*:$home/conf:$home/lib/*" \
        "${options[@]}" "org.neo4j.server.$main" "${arguments[@]}"
    await "neo4j-$name" "$log" neo4j_says_started "$log" "$port"
    echo "bolt://$HOST:$port" >"$STATE/addresses/neo4j-$name"
    say "Neo4j $version '$name' on bolt://$HOST:$port after $(seconds_since "$started_ms") s"
}

neo4j_down() { process_end "$STATE/pids/neo4j-${1:?name}" 60; }

neo4j_wipe() {
    neo4j_down "$1"
    rm -rf "$STATE/neo4j/${1:?name}"
}

neo4j_admin() {
    local home=$STATE/neo4j/${1:?name} java options
    shift
    java=$(neo4j_java "$(cat "$home/version")")
    mapfile -t options < <(lifetime_options)
    NEO4J_HOME=$home NEO4J_CONF=$home/conf exec "$java" "${options[@]}" -cp "$home/lib/*" \
        -Dbasedir="$home" org.neo4j.cli.AdminTool "$@"
}

shell() {
    local uri=${1:?URI} java options
    shift
    java=$(neo4j_java 5)
    mapfile -t options < <(lifetime_options)
    # The password goes in by the environment: a command line is seen by everybody.
    export NEO4J_USERNAME=${NEO4J_USERNAME:-neo4j} NEO4J_PASSWORD=${NEO4J_PASSWORD:-$PASSWORD}
    exec "$java" "-Xmx${SHELL_HEAP:-256m}" "${options[@]}" \
        -cp "$(part_path cypher-shell)/lib/*" org.neo4j.shell.Main --address "$uri" "$@"
}

# --- S3 -----------------------------------------------------------------------------------

s3_up() {
    local kind=${1:?minio or versitygw} name=${2:?name} port=${3:-9000}
    local data=$STATE/s3/$name/data log=$STATE/s3/$name/log program started_ms
    ! already_up "s3-$name" || return 0
    started_ms=$(now_ms)
    program=$(part_path "$kind")
    [ -x "$program" ] || fail "'$kind' is not there; hint: $PARTS_DIR/get.sh $kind"
    mkdir -p "$data"
    case $kind in
        minio)
            MINIO_ROOT_USER=$ACCESS_KEY MINIO_ROOT_PASSWORD=$SECRET_KEY MINIO_BROWSER=off \
                MINIO_UPDATE=off MINIO_CALLHOME_ENABLE=off spawn "s3-$name" "$log" \
                "$program" server --address "$HOST:$port" "$data"
            ;;
        versitygw)
            ROOT_ACCESS_KEY=$ACCESS_KEY ROOT_SECRET_KEY=$SECRET_KEY spawn "s3-$name" "$log" \
                "$program" --port "$HOST:$port" --region auto posix "$data"
            ;;
        *) fail "'$kind' is no S3 server; hint: minio or versitygw" ;;
    esac
    await "s3-$name" "$log" accepts_connections "$port"
    echo "http://$HOST:$port" >"$STATE/addresses/s3-$name"
    say "$kind '$name' on http://$HOST:$port after $(seconds_since "$started_ms") s"
}

s3_down() { process_end "$STATE/pids/s3-${1:?name}"; }

s3_wipe() {
    s3_down "$1"
    rm -rf "$STATE/s3/${1:?name}"
}

s3_data() { echo "$STATE/s3/${1:?name}/data"; }

proxy_up() {
    local name=${1:?name} port=${2:-9100} backend_name=${3:-main} backend log
    ! already_up "proxy-$name" || return 0
    backend=$(cat "$STATE/addresses/s3-$backend_name" 2>/dev/null) ||
        fail "there is no S3 server '$backend_name'; hint: $0 s3-up minio $backend_name"
    log=$STATE/proxy-$name.log
    # shellcheck disable=SC2086  # options are words
    spawn "proxy-$name" "$log" python3 "$E2E_DIRECTORY/r2proxy.py" --listen "$HOST:$port" \
        --backend "${backend#http://}" ${R2PROXY_OPTIONS:-}
    await "proxy-$name" "$log" accepts_connections "$port"
    echo "http://$HOST:$port" >"$STATE/addresses/proxy-$name"
    say "R2-shaped proxy '$name' on http://$HOST:$port before $backend_name"
}

proxy_down() { process_end "$STATE/pids/proxy-${1:?name}"; }

# --- all ----------------------------------------------------------------------------------

list() {
    local file
    for file in "$STATE"/pids/*; do
        process_is_alive "$file" || continue
        printf '%s %s\n' "${file##*/}" "$(cat "$STATE/addresses/${file##*/}" 2>/dev/null)"
    done
}

pid() {
    process_is_alive "$STATE/pids/${1:?server}" || fail "'$1' does not run"
    cut -d ' ' -f 1 "$STATE/pids/$1"
}

down_all() {
    local file
    for file in "$STATE"/pids/*; do
        [ ! -e "$file" ] || process_end "$file" 30
    done
    rm -rf "${STATE:?}"
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
    neo4j-up | neo4j-down | neo4j-wipe | neo4j-admin | s3-up | s3-down | s3-wipe | s3-data | proxy-up | proxy-down | \
        shell | list | pid | down-all) "${verb//-/_}" "$@" ;;
    *) fail "'$verb' is no command; hint: the head of this script lists them" ;;
esac

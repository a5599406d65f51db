# shellcheck shell=bash
# What the scripts that fetch and build real parts have in common: the cache outside the
# source tree, stamps that say what a part was made from, timing, and the ways of fetching.
# Sourced, never run; the sourcing script has set -euo pipefail.

PARTS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034  # for the sourcing script
TESTS_DIR=$(dirname "$PARTS_DIR")
CACHE=${NEO4J_BACKUP_CACHE:-$HOME/.cache/neo4j-backup}
JOBS=${NEO4J_BACKUP_JOBS:-$(nproc)}
# Builds of many minutes must not starve what else the machine is doing.
BUILD_NICE=${NEO4J_BACKUP_NICE:-10}

# shellcheck source-path=SCRIPTDIR source=versions.sh
. "$PARTS_DIR/versions.sh"

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

say() { printf '%s\n' "$*" >&2; }

now_ms() { date +%s%3N; }

# seconds_since START_MS: the time passed, as "12.3"
seconds_since() {
    local passed_ms=$(($(now_ms) - $1))
    printf '%d.%d' $((passed_ms / 1000)) $((passed_ms % 1000 / 100))
}

# part_dir NAME: where a part is found once it is there; the same for every version of it
part_dir() { printf '%s/parts/%s\n' "$CACHE" "$1"; }

# wait_for SECONDS COMMAND...: tries COMMAND every 0.2 s; fails when the time is over
wait_for() {
    local until_ms=$(($(now_ms) + $1 * 1000))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(now_ms)" -lt "$until_ms" ] || return 1
        sleep 0.2
    done
}

# process_start PID: when it was started, in the kernel's ticks; nothing if there is none.
# Kept beside a pid, so that no stranger that got the same number is ever ended.
process_start() { { sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20; } 2>/dev/null || true; }

# process_note PID FILE: writes the pid and its start
process_note() { echo "$1 $(process_start "$1")" >"$2"; }

# process_is_alive FILE: the process that process_note wrote down still runs
process_is_alive() {
    local pid started
    [ -s "$1" ] || return 1
    read -r pid started <"$1"
    [ -n "$started" ] && [ "$(process_start "$pid")" = "$started" ]
}

process_is_gone() { ! process_is_alive "$1"; }

# process_end FILE [SECONDS]: asks it to end, ends it after SECONDS, removes FILE
process_end() {
    local pid
    if process_is_alive "$1"; then
        read -r pid _ <"$1"
        kill -TERM "$pid" 2>/dev/null || true
        wait_for "${2:-10}" process_is_gone "$1" || kill -KILL "$pid" 2>/dev/null || true
        wait_for 10 process_is_gone "$1" || fail "process $pid does not end"
    fi
    rm -f "$1"
}

digest_of() { cat "$@" | sha256sum | cut -c1-24; }

# part_is_current NAME WHAT: true when NAME is there and was made from exactly WHAT
part_is_current() {
    [ "$(cat "$(part_dir "$1")/.made-from" 2>/dev/null)" = "$2" ]
}

# part_make NAME WHAT COMMAND...: unless NAME was already made from WHAT, runs COMMAND with the
# name of an empty directory added, and puts that directory in NAME's place when it succeeded.
# Only one process makes a part at a time; the others wait and then find it made.
part_make() {
    local name=$1 what=$2 lock_fd started_ms scratch
    shift 2
    mkdir -p "$CACHE/locks" "$CACHE/parts" "$CACHE/scratch"
    if part_is_current "$name" "$what"; then
        say "$(printf '%-14s there already' "$name")"
        return 0
    fi
    exec {lock_fd}>"$CACHE/locks/$name"
    flock "$lock_fd"
    if part_is_current "$name" "$what"; then
        say "$(printf '%-14s made by another process' "$name")"
    else
        say "$(printf '%-14s making' "$name")"
        started_ms=$(now_ms)
        scratch=$(mktemp -d "$CACHE/scratch/$name.XXXXXX")
        # `set -e` is off inside a condition, so COMMAND runs in a shell of its own
        (
            set -euo pipefail
            exec {lock_fd}>&-
            trap '[ $? = 0 ] || rm -rf "$scratch"' EXIT
            "$@" "$scratch"
        )
        printf '%s\n' "$what" >"$scratch/.made-from"
        chmod 755 "$scratch"
        rm -rf "$(part_dir "$name")"
        mv "$scratch" "$(part_dir "$name")"
        say "$(printf '%-14s made in %s s, %s' "$name" "$(seconds_since "$started_ms")" \
            "$(du -sh "$(part_dir "$name")" | cut -f1)")"
    fi
    exec {lock_fd}>&-
}

# apt_have PACKAGE...: installs the Debian packages that are missing. Their services are not
# started: the tests start their own processes, in namespaces and directories of their own.
apt_have() {
    local missing=() package policy=/usr/sbin/policy-rc.d started_ms made_policy=''
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
            grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || fail "Debian packages are missing and only root can install them;" \
        "hint: apt-get install ${missing[*]}"
    started_ms=$(now_ms)
    say "installing with apt: ${missing[*]}"
    mkdir -p "$CACHE/locks"
    (
        flock 9
        if [ ! -e "$policy" ]; then
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod 755 "$policy"
            made_policy=yes
        fi
        trap '[ -z "$made_policy" ] || rm -f "$policy"' EXIT
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null
    ) 9>"$CACHE/locks/apt"
    say "installed with apt in $(seconds_since "$started_ms") s"
}

# The Python of the distribution, not one that a developer's PATH may put before it: the
# hashes in python/py.txt are proven for these.
system_python() {
    apt_have ca-certificates python3 python3-venv
    printf '/usr/bin/python3\n'
}

# pip_unpack REQUIREMENTS_FILE DIR: unpacks the wheels of a file with hashes into DIR
pip_unpack() {
    local python scratch_venv
    python=$(system_python)
    scratch_venv=$(mktemp -d "$CACHE/scratch/pip.XXXXXX")
    "$python" -m venv "$scratch_venv"
    "$scratch_venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
        --no-compile --no-deps --only-binary :all: --require-hashes --target "$2" -r "$1"
    rm -rf "$scratch_venv"
}

go_environment() {
    export GOROOT GOPATH="$CACHE/go" GOCACHE="$CACHE/go-build" GOTOOLCHAIN=local GOWORK=off
    export GOFLAGS='-buildvcs=false -mod=readonly -modcacherw -trimpath' CGO_ENABLED=0
    GOROOT=$(part_dir go)/go
    PATH=$GOROOT/bin:$PATH
}

# go_build MODULE_DIR OUTPUT PACKAGE [LINKER_FLAGS]: builds a program from a module whose
# go.sum holds the checksum of everything that goes into it
go_build() {
    local started_ms log
    started_ms=$(now_ms)
    log=$(mktemp "$CACHE/scratch/go-build.XXXXXX")
    # Its standard error is a list of modules downloaded, of interest only when it fails.
    (
        cd "$1"
        nice -n "$BUILD_NICE" go build -p "$JOBS" -o "$2" -ldflags "-s -w ${4:-}" "$3" 2>"$log"
    ) || {
        cat "$log" >&2
        fail "cannot build '$3'"
    }
    rm -f "$log"
    say "  ${2##*/} built in $(seconds_since "$started_ms") s"
}

# maven_copy POM JARS_DIR PROPERTY=VALUE: copies the run-time dependencies of a pom
maven_copy() {
    local pom=$1 jars_dir=$2 property=$3 work_dir goal
    goal=org.apache.maven.plugins:maven-dependency-plugin
    goal+=:$MAVEN_DEPENDENCY_PLUGIN_VERSION:copy-dependencies
    apt_have maven
    # `mvn` writes beside the pom: not in the source tree
    work_dir=$(mktemp -d "$CACHE/scratch/maven.XXXXXX")
    cp "$pom" "$work_dir/pom.xml"
    # Its standard output is colour codes, of interest only when it fails.
    mvn --batch-mode --quiet --file "$work_dir/pom.xml" "-D$property" \
        -Dmaven.repo.local="$CACHE/maven" -Dmaven.artifact.threads=16 "$goal" \
        -DincludeScope=runtime -DoutputDirectory="$jars_dir" >"$work_dir/log" 2>&1 || {
        cat "$work_dir/log" >&2
        fail "cannot fetch the jars of '$pom'"
    }
    rm -rf "$work_dir"
}

# jars_verify DIR LIST: DIR holds exactly the files that LIST (sha256sum's format) names
jars_verify() {
    (cd "$1" && sha256sum --quiet --strict --check "$2") ||
        fail "a jar in '$1' is not the one named in '$2'"
    diff <(awk '{print $2}' "$2" | sort) <(cd "$1" && printf '%s\n' * | sort) >&2 ||
        fail "'$1' holds other files than '$2' names"
}

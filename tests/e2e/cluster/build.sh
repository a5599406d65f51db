#!/usr/bin/env bash
# Makes ready all that up.sh starts: Debian packages, Kubernetes, cluster DNS and the small
# images that pods need. What is there already is left alone.
#
#   build.sh          for a real node
#   build.sh fake     for NODE=fake: Kubernetes and kwok, no container runtime
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

pause_image() {
    local root
    root=$(mktemp -d "$CACHE/scratch/pause.XXXXXX")
    gcc -static -Os -s -o "$root/pause" "$CLUSTER_DIR/image/pause.c"
    "$CLUSTER_DIR/mkimage.sh" "$root" localhost/pause:1 "$1/pause.tar" -- /pause
    rm -rf "$root"
}

# A shell and curl. (The static busybox cannot look up names: its C library would need parts
# that no image has.)
busybox_image() {
    local root applet
    root=$(mktemp -d "$CACHE/scratch/busybox.XXXXXX")
    chmod 755 "$root"
    "$CLUSTER_DIR/mkroot.sh" "$root" /usr/bin/curl
    cp /bin/busybox "$root/bin/busybox"
    for applet in $("$root/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    "$CLUSTER_DIR/mkimage.sh" "$root" localhost/busybox:1 "$1/busybox.tar" -- /bin/sh
    rm -rf "$root"
}

coredns_image() {
    local root
    root=$(mktemp -d "$CACHE/scratch/coredns.XXXXXX")
    cp "$(part_dir coredns)/coredns" "$root/"
    "$CLUSTER_DIR/mkimage.sh" "$root" localhost/coredns:1 "$1/coredns.tar" -- /coredns
    rm -rf "$root"
}

all_images() {
    pause_image "$1"
    busybox_image "$1"
    coredns_image "$1"
}

get=$PARTS_DIR/get.sh
case ${1:-real} in
    fake) "$get" apt-parts k8s kwok ;;
    real)
        "$get" apt-parts k8s coredns
        made_from=$(digest_of "${BASH_SOURCE[0]}" \
            "$CLUSTER_DIR"/{mkimage.sh,mkroot.sh,image/pause.c} "$(part_dir coredns)/.made-from" \
            /bin/busybox /usr/bin/curl)
        part_make k8s-images "$made_from" all_images
        ;;
    *) fail "'$1' is no kind of node; hint: real or fake" ;;
esac

#!/usr/bin/env bash
# Packs a directory into a one-layer OCI image archive that `ctr images import` takes; no
# container engine is needed.
#
#   mkimage.sh ROOT NAME:TAG OUT.tar [-u USER] [-e NAME=VALUE]... -- ENTRYPOINT [ARGUMENT...]
#
# NAME needs a registry-like first part (localhost/...): without it the container runtime
# would look for the image under another name.
set -euo pipefail

# json_list WORD...: a JSON array of strings
json_list() {
    local list='' word
    for word in "$@"; do
        list+=",\"$(printf '%s' "$word" | sed 's/["\\]/\\&/g')\""
    done
    printf '[%s]' "${list#,}"
}

# add_blob FILE: moves a file to where OCI wants it, and prints its digest
add_blob() {
    local digest
    digest=$(sha256sum "$1" | cut -d' ' -f1)
    mv "$1" "$work/blobs/sha256/$digest"
    printf '%s' "$digest"
}

architecture() {
    case $(uname -m) in
        x86_64) printf amd64 ;;
        aarch64) printf arm64 ;;
        *) uname -m ;;
    esac
}

root=$1 reference=$2 out=$3
shift 3
user='' environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
while [ "${1:-}" != -- ]; do
    case ${1:-} in
        -u) user=$2 ;;
        -e) environment+=("$2") ;;
        *)
            printf '%s: bad option %s\n' "${0##*/}" "'${1:-}'" >&2
            exit 2
            ;;
    esac
    shift 2
done
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/blobs/sha256"
media=application/vnd.oci.image

tar -C "$root" --sort=name --mtime=@0 --numeric-owner --owner=0 --group=0 -cf "$work/layer" .
layer_size=$(stat -c %s "$work/layer")
layer=$(add_blob "$work/layer")

printf '{"architecture":"%s","os":"linux","config":{"User":"%s","Env":%s,"Entrypoint":%s},' \
    "$(architecture)" "$user" "$(json_list "${environment[@]}")" "$(json_list "$@")" >"$work/config"
printf '"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$layer" >>"$work/config"
config_size=$(stat -c %s "$work/config")
config=$(add_blob "$work/config")

# descriptor MEDIA_TYPE DIGEST SIZE
descriptor() { printf '"mediaType":"%s","digest":"sha256:%s","size":%s' "$media.$1" "$2" "$3"; }

printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{%s},"layers":[{%s}]}' \
    "$media" "$(descriptor config.v1+json "$config" "$config_size")" \
    "$(descriptor layer.v1.tar "$layer" "$layer_size")" >"$work/manifest"
manifest_size=$(stat -c %s "$work/manifest")
manifest=$(add_blob "$work/manifest")

printf '{"schemaVersion":2,"manifests":[{%s,"annotations":{%s,%s}}]}' \
    "$(descriptor manifest.v1+json "$manifest" "$manifest_size")" \
    "\"io.containerd.image.name\":\"$reference\"" \
    "\"org.opencontainers.image.ref.name\":\"${reference##*:}\"" >"$work/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$work/oci-layout"

mkdir -p "$(dirname "$out")"
tar -C "$work" -cf "$out.tmp" oci-layout index.json blobs
mv "$out.tmp" "$out"

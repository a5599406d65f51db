#!/usr/bin/env bash
# Fills a directory with programs of this machine and all they need to run as a container: the
# shared libraries, CA certificates, time zones, a user list. With mkimage.sh it makes the image
# of a freshly built program within a second.
#
#   mkroot.sh ROOT PROGRAM...     the programs are put into ROOT/usr/local/bin
set -euo pipefail

root=$1
shift
mkdir -p "$root"/{bin,etc/ssl/certs,lib,tmp,proc,sys,dev,var/run,usr/local/bin,usr/share}
chmod 1777 "$root/tmp"
{
    echo 'root:x:0:0::/root:/sbin/nologin'
    echo 'nonroot:x:65532:65532::/:/sbin/nologin'
} >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
[ ! -d /usr/share/zoneinfo ] || cp -a /usr/share/zoneinfo "$root/usr/share/"

# The loader and each library go to the path that the loader of this machine found them under.
for program in "$@"; do
    install -m 755 "$program" "$root/usr/local/bin/"
    { ldd "$program" 2>/dev/null || true; } | grep -oE '/[^ ]+' | sort -u |
        while read -r library; do
            mkdir -p "$root$(dirname "$library")"
            cp -L "$library" "$root$library"
        done
done

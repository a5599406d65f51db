#!/usr/bin/env bash
# A Neo4j in an image, for pods of a cluster that cannot pull one: the real server and a Java of this machine, without
# authentication, on the pod's loopback only. It listens to none of the official image's variables.
#
#   neo4j-image.sh NAME:TAG OUT.tar
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=$1 out=$2
lib=$("$here/../parts/get.sh" path neo4j-5)/lib
java=$(find /usr/lib/jvm/java-17-openjdk-*/bin/java | head -n 1)
[ -x "$java" ] && [ -d "$lib" ] || {
    echo "neo4j-image: no Java or no Neo4j; hint: tests/parts/get.sh apt-parts neo4j-5" >&2
    exit 1
}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root"/{jre,lib64,tmp,data,logs,etc} "$root"/neo4j/{conf,import,run,licenses,certificates,labs,plugins}
home=$(dirname "$(dirname "$java")")
# Debian's has links into /etc, and some to what other packages would bring
tar -C "$home" -ch --ignore-failed-read --warning=no-failed-read --exclude=src.zip bin lib conf | tar -C "$root/jre" -x
mkdir "$root/neo4j/lib"
cp -L "$lib"/*.jar "$root/neo4j/lib/"
# shared objects that the Java needs, where the loader looks for them
find "$root/jre" \( -name '*.so' -o -name java \) -exec ldd {} + 2>/dev/null |
    awk '/=> \// { print $3 } /^\t\/lib.*ld-linux/ { print $1 }' | sort -u | grep -v "^$root" |
    while read -r file; do
        mkdir -p "$root$(dirname "$file")"
        cp -L "$file" "$root$file"
    done
cat >"$root/neo4j/conf/neo4j.conf" <<'C'
dbms.security.auth_enabled=false
server.default_listen_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:7687
server.http.enabled=false
server.https.enabled=false
server.directories.data=/data
server.directories.logs=/logs
server.memory.heap.initial_size=256m
server.memory.heap.max_size=256m
server.memory.pagecache.size=64m
dbms.usage_report.enabled=false
C
echo 'neo4j:x:7474:7474::/tmp:' >"$root/etc/passwd"
chmod 1777 "$root/tmp"
chmod 0777 "$root"/{data,logs} "$root"/neo4j/{run,import,plugins}
chmod 0755 "$root"
"$here/cluster/mkimage.sh" "$root" "$name" "$out" -u 7474 -- /jre/bin/java -XX:+UseSerialGC -Xss512k \
    --add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/java.io=ALL-UNNAMED \
    --add-opens=java.base/sun.nio.ch=ALL-UNNAMED --add-opens=java.base/java.util.concurrent=ALL-UNNAMED \
    --add-opens=java.base/java.lang=ALL-UNNAMED --enable-native-access=ALL-UNNAMED \
    -cp '/neo4j/conf:/neo4j/lib/*' org.neo4j.server.CommunityEntryPoint --home-dir=/neo4j --config-dir=/neo4j/conf --console-mode

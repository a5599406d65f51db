#!/usr/bin/env bash
# Our age v1 against age itself and rage, both ways: what one writes the other reads, and what has been changed
# nobody reads. Needs no server.
#
#   age-interop.sh
#
# ROUNDTRIP_BIN: as in roundtrip-lib.sh
# Ends with "N passed, N failed".
# shellcheck source=tests/e2e/roundtrip-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/roundtrip-lib.sh" none
pipe=$(realpath "$tools")/age-pipe
age=$("$here/../parts/get.sh" path age)
PYTHONPATH=$("$here/../parts/get.sh" path rage)
export PYTHONPATH
trap 'rm -rf "$work"' EXIT
cd "$work"

# rage encrypt RECIPIENT... | decrypt IDENTITY_FILE | lock PASSPHRASE_FILE | unlock PASSPHRASE_FILE
rage() {
    /usr/bin/python3 -c '
import sys
import pyrage
from pyrage import passphrase, x25519
verb, keys, data = sys.argv[1], sys.argv[2:], sys.stdin.buffer.read()
if verb == "encrypt":
    data = pyrage.encrypt(data, [x25519.Recipient.from_str(k) for k in keys])
elif verb == "decrypt":
    lines = [l.strip() for l in open(keys[0]) if l.startswith("AGE-SECRET-KEY-1")]
    data = pyrage.decrypt(data, [x25519.Identity.from_str(l) for l in lines])
elif verb == "lock":
    data = passphrase.encrypt(data, open(keys[0]).read().strip())
else:
    data = passphrase.decrypt(data, open(keys[0]).read().strip())
sys.stdout.buffer.write(data)' "$@"
}

same() { cmp plain back; }
ours_to_age() { "$pipe" encrypt "$a" "$b" <plain >file && "$age/age" -d -i "$1" <file >back && same; }
ours_to_rage() { "$pipe" encrypt "$a" "$b" <plain >file && rage decrypt "$1" <file >back && same; }
age_to_ours() { "$age/age" -r "$a" -r "$b" <plain >file && "$pipe" decrypt "$1" <file >back && same; }
rage_to_ours() { rage encrypt "$a" "$b" <plain >file && "$pipe" decrypt "$1" <file >back && same; }
ours_to_rage_by_passphrase() { "$pipe" encrypt -p phrase <plain >file && rage unlock phrase <file >back && same; }
rage_to_ours_by_passphrase() { rage lock phrase <plain >file && "$pipe" decrypt -p phrase <file >back && same; }
# nobody_reads: of file, whatever came out was of the plain text, and all of them say no
nobody_reads() {
    ! "$pipe" decrypt a.txt <file >back && cmp -n "$(stat -c %s back)" plain back &&
        ! "$age/age" -d -i a.txt <file >back && ! rage decrypt a.txt <file >back
} 2>log
changed() {
    "$pipe" encrypt "$a" <plain >file
    # so many that they are not what was there
    printf '\377%.0s' 1 2 3 4 5 6 7 8 | dd of=file bs=1 seek="$1" conv=notrunc status=none
    nobody_reads
}
cut_at() {
    "$pipe" encrypt "$a" <plain >file
    truncate -s "$1" file
    nobody_reads
}
for_another() {
    "$pipe" encrypt "$b" <plain >file
    nobody_reads
}

"$age/age-keygen" -o a.txt 2>/dev/null
"$age/age-keygen" -o b.txt 2>/dev/null
a=$("$age/age-keygen" -y a.txt) b=$("$age/age-keygen" -y b.txt)
echo 'correct horse battery' >phrase

for size in 0 1 65535 65536 65537 131072 3000000; do
    head -c "$size" /dev/urandom >plain
    for identity in a.txt b.txt; do
        check "ours to age, $size bytes, $identity" ours_to_age "$identity"
        check "age to ours, $size bytes, $identity" age_to_ours "$identity"
    done
    check "ours to rage, $size bytes" ours_to_rage b.txt
    check "rage to ours, $size bytes" rage_to_ours a.txt
done
check "by passphrase to rage" ours_to_rage_by_passphrase
check "by passphrase from rage" rage_to_ours_by_passphrase
head -c 200000 /dev/urandom >plain
check "a changed header is not read" changed 60
check "a changed chunk is not read" changed 100000
check "a cut file is not read" cut_at 131000
check "a file without its last chunk is not read" cut_at -3408 # 200000 - 3 * 65536, and a tag
check "a file for another is not read" for_another
finish

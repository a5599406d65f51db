#!/usr/bin/env python3
"""kill -9 of the worker at a random moment, again and again: what is in the bucket is whole, and a second try makes it so.

    kill_worker.py --uri URI --worker PROGRAM --bucket BUCKET [--rounds N] [--seed N] [--restore-uri URI --digest PROGRAM]

Each round starts a backup, kills it after a random time, and looks at the bucket:
  - a manifest is there only with a dump of its size and SHA-256; nothing is there that the first try may not leave;
then tries the same run again, as a Job's next pod would, and looks again:
  - it ends with 0; the run has one manifest, one dump, that agree; verify reads the dump back;
  - no claim, no half-done upload and no other object of the run is left.
Some rounds kill the second try too, and go on with a third. One in three stores one compressed object, the others parts of an upload. With
--restore-uri every tenth backup is restored there, and the content compared with the source's.

Environment: NEO4J_PASSWORD, S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY. Prints how far the killed tries had come: what they
had left in the bucket. Ends with "N passed, N failed".
"""
import argparse
import collections
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import neo4j

import s3

PREFIX = "kill"


class Bucket:
    def __init__(self, name):
        self.name = name
        self.s3 = s3.client()

    def keys(self):
        return [o["Key"] for o in s3.keys(self.s3, self.name, PREFIX + "/")]

    def uploads(self, keys):
        """Half-done uploads; asked key by key as well, for services that list by the whole key only."""
        found = set()
        for prefix in [PREFIX + "/", *keys]:
            for u in self.s3.list_multipart_uploads(Bucket=self.name, Prefix=prefix).get("Uploads", []):
                found.add((u["Key"], u["UploadId"]))
        return found

    def read(self, key):
        return self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()


def whole(bucket, manifest_key):
    """The manifest, if what it names is there and is what it says; else an AssertionError."""
    manifest = json.loads(bucket.read(manifest_key))
    for part in manifest["objects"]:
        data = bucket.read(part["key"])
        assert len(data) == part["size"], f"{part['key']} has {len(data)} bytes, the manifest says {part['size']}"
        digest = hashlib.sha256(data).hexdigest()
        assert digest == part["sha256"], f"{part['key']} is not what its manifest says"
    return manifest


class Round:
    def __init__(self, args, bucket, seed):
        self.args, self.bucket, self.seed = args, bucket, seed
        self.stamp = time.strftime("%Y-%m-%d_%H-%M-%S", time.gmtime(1700000000 + seed))
        self.env = dict(
            os.environ, NEO4J_URI=args.uri, NEO4J_USER="neo4j", R2_ENDPOINT=os.environ["S3_ENDPOINT"],
            R2_ACCESS_KEY_ID=os.environ["S3_ACCESS_KEY"], R2_SECRET_ACCESS_KEY=os.environ["S3_SECRET_KEY"],
            R2_BUCKET_NAME=args.bucket, R2_FORCE_PATH_STYLE="true", R2_PART_SIZE_BYTES=str(5 << 20),
            BACKUP_PREFIX=PREFIX, BACKUP_OWNER="kill/test", BACKUP_OWNER_UID="uid", BACKUP_RUN_ID=f"run-{seed}",
            BACKUP_SCHEDULED_TIME=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1700000000 + seed)),
            BACKUP_COMPRESSION="none" if seed % 3 else "gzip", BACKUP_KEEP_LAST="2", LOG_LEVEL="info", LOG_FORMAT="json",
            TERMINATION_MESSAGE_FILE="/dev/null",
        )

    def start(self):
        return subprocess.Popen([self.args.worker, "backup"], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def killed(self, after):
        """True if it was killed, False if it had ended well before."""
        process = self.start()
        try:
            _, err = process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return True
        assert process.returncode == 0, f"ended with {process.returncode}: {err.decode(errors='replace')[-400:]}"
        return False

    def mine(self):
        return [k for k in self.bucket.keys() if self.stamp in k]

    def manifests(self):
        return [k for k in self.mine() if k.endswith(".manifest.json")]

    def left(self):
        """How far it had come when it was killed."""
        mine = self.mine()
        base = next((k[: -len(".claim.json")] for k in mine if k.endswith(".claim.json")), None)
        if any(k.endswith(".manifest.json") for k in mine):
            return "manifest and claim" if base else "manifest"
        if any(k.endswith((".cypher", ".cypher.gz")) for k in mine):
            return "dump"
        if base and self.bucket.uploads([base + ".cypher", base + ".cypher.gz"]):
            return "upload"
        assert len(mine) <= 1, f"nobody knows {mine}"
        return "claim" if base else "nothing"

    def restored(self, key):
        env = dict(self.env, NEO4J_URI=self.args.restore_uri)
        restore = subprocess.run(
            [self.args.worker, "restore", key, "--overwrite", "Wipe", "--confirm", "neo4j", "--safety-backup", "None",
             "--verify"], env=env,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
        )
        assert restore.returncode == 0, f"restore ended with {restore.returncode}: {restore.stderr.decode(errors='replace')[-400:]}"
        digests = [
            subprocess.run([self.args.digest, uri, "neo4j", os.environ["NEO4J_PASSWORD"]], capture_output=True, check=True).stdout
            for uri in (self.args.uri, self.args.restore_uri)
        ]
        assert digests[0] == digests[1], "another graph was restored"

    def run(self, longest, count):
        rng = random.Random(self.seed)
        for _ in range(2 if rng.random() < 0.2 else 1):
            moment = rng.uniform(0, longest)
            count["kills: " + self.left() if self.killed(moment) else "ended before"] += 1
            for key in self.manifests():
                whole(self.bucket, key)
        process = self.start()
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"the next try ended with {process.returncode}: {err.decode(errors='replace')[-600:]}"
        manifests = self.manifests()
        assert len(manifests) == 1, f"{len(manifests)} manifests: {manifests}"
        manifest = whole(self.bucket, manifests[0])
        wanted = {manifests[0], *(o["key"] for o in manifest["objects"])}
        assert set(self.mine()) == wanted, f"left over: {set(self.mine()) - wanted}"
        uploads = self.bucket.uploads(wanted)
        assert not uploads, f"half-done uploads: {uploads}"
        verify = subprocess.run(
            [self.args.worker, "verify"], env=dict(self.env, BACKUP_VERIFY_LEVEL="Readback", BACKUP_KEYS=manifests[0]),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
        )
        assert verify.returncode == 0, f"verify ended with {verify.returncode}: {verify.stderr.decode(errors='replace')[-400:]}"
        if self.args.restore_uri and self.seed % 10 == 0:
            self.restored(manifests[0])
            count["restored"] += 1


def fill(uri):
    """More than one part of a multipart upload, and one object when it is compressed: six megabytes of script."""
    with neo4j.GraphDatabase.driver(uri, auth=("neo4j", os.environ["NEO4J_PASSWORD"])) as driver, driver.session() as session:
        session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 10000 ROWS").consume()
        session.run(
            "UNWIND range(1, 2000) AS i CREATE (a:Pad {i: i, text: reduce(s = '', k IN range(1, 85) | s + randomUUID())})"
            "-[:OF {i: i}]->(a)"
        ).consume()


def length_of(args, bucket, seed):
    start = time.monotonic()
    assert Round(args, bucket, seed).killed(120) is False
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--uri", required=True)
    parser.add_argument("--worker", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--restore-uri")
    parser.add_argument("--digest", help="tests/tools/graph-digest")
    args = parser.parse_args()
    bucket = Bucket(args.bucket)
    fill(args.uri)
    length_of(args, bucket, -3)  # the first one makes the server plan its queries
    lengths = {gzip: length_of(args, bucket, seed) for gzip, seed in ((False, -1), (True, -6))}
    print(f"a backup takes {lengths[False]:.2f} s in parts, {lengths[True]:.2f} s compressed")
    count = collections.Counter()
    passed, failed = 0, 0
    for seed in range(args.seed, args.seed + args.rounds):
        try:
            Round(args, bucket, seed).run(lengths[seed % 3 == 0] * 1.1, count)
            passed += 1
        except AssertionError as e:
            print(f"failed: seed {seed}: " + str(e).replace("\n", " "), flush=True)
            failed += 1
    remarks = ", ".join(f"{what} {n}" for what, n in sorted(count.items()))
    print(f"kill-worker\t{args.rounds}\t{passed}\t{failed}\t{remarks}")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())

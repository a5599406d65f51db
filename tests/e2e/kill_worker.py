#!/usr/bin/env python3
"""kill -9 of the worker at a random moment, again and again: what is in the bucket is whole, and a second try makes it so.

    kill_worker.py --uri URI --worker PROGRAM --bucket BUCKET [--rounds N] [--seed N] [--ledger FILE]

Each round starts a backup, kills it after a random time, and looks at the bucket:
  - a manifest is there only with a dump of its size and SHA-256;
then tries the same run again, as a Job's next pod would, and looks again:
  - it ends with 0; the run has one manifest, one dump, that agree; verify reads the dump back;
  - no claim, no half-done upload and no other object of the run is left.
Some rounds kill the second try too, and go on with a third.

Environment: NEO4J_PASSWORD, S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY. A round whose seed the ledger has as passed is not run
again. Ends with "N passed, N failed".
"""
import argparse
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
            BACKUP_COMPRESSION="none", BACKUP_KEEP_LAST="2", LOG_LEVEL="info", LOG_FORMAT="json",
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

    def run(self, longest):
        rng = random.Random(self.seed)
        moments = []
        for _ in range(2 if rng.random() < 0.2 else 1):
            moment = rng.uniform(0, longest)
            moments.append(f"{moment:.3f}" if self.killed(moment) else "ended")
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
        return " ".join(moments)


def fill(uri):
    """More than one part of a multipart upload: some ten megabytes of script."""
    with neo4j.GraphDatabase.driver(uri, auth=("neo4j", os.environ["NEO4J_PASSWORD"])) as driver, driver.session() as session:
        session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 10000 ROWS").consume()
        session.run(
            "UNWIND range(1, 20000) AS i CREATE (a:Pad {i: i, text: reduce(s = '', k IN range(1, 12) | s + randomUUID())})"
            "-[:OF {i: i}]->(a)"
        ).consume()


def passed_before(ledger):
    if not ledger or not os.path.exists(ledger):
        return set()
    with open(ledger, encoding="utf-8") as f:
        return {int(line.split("\t")[0]) for line in f if "\tpassed" in line}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--uri", required=True)
    parser.add_argument("--worker", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ledger")
    args = parser.parse_args()
    bucket = Bucket(args.bucket)
    fill(args.uri)
    Round(args, bucket, 0).run(0.001)
    assert Round(args, bucket, 0).killed(120) is False
    start = time.monotonic()
    Round(args, bucket, -1).killed(120)
    longest = (time.monotonic() - start) * 1.1
    print(f"a backup takes {longest / 1.1:.2f} s")
    done, passed, failed = passed_before(args.ledger), 0, 0
    for seed in range(args.seed, args.seed + args.rounds):
        if seed in done:
            continue
        try:
            what = "passed\t" + Round(args, bucket, seed).run(longest)
            passed += 1
        except AssertionError as e:
            what = "failed\t" + str(e).replace("\n", " ")
            failed += 1
        if args.ledger:
            with open(args.ledger, "a", encoding="utf-8") as f:
                f.write(f"{seed}\t{what}\n")
        if what.startswith("failed") or not args.ledger:
            print(f"seed {seed}: {what}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())

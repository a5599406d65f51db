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
import os
import random
import sys
import time

import neo4j

from killing import Bucket, Worker, arguments, campaign, kill_in_time, time_of, whole

PREFIX = "kill"


class Round:
    def __init__(self, args, bucket, seed):
        self.args, self.bucket, self.seed = args, bucket, seed
        self.stamp = time.strftime("%Y-%m-%d_%H-%M-%S", time_of(seed))
        self.worker = Worker(
            args, PREFIX, R2_PART_SIZE_BYTES=str(5 << 20), BACKUP_OWNER="kill/test", BACKUP_OWNER_UID="uid", BACKUP_RUN_ID=f"run-{seed}",
            BACKUP_SCHEDULED_TIME=time.strftime("%Y-%m-%dT%H:%M:%SZ", time_of(seed)),
            BACKUP_COMPRESSION="none" if seed % 3 else "gzip", BACKUP_KEEP_LAST="2",
        )

    def killed(self, after):
        """True if it was killed, False if it had ended well before."""
        process = self.worker.start("backup")
        return kill_in_time([(process, lambda: time.monotonic() > process.begun + after)])[0]

    def mine(self):
        return [k for k in self.bucket.keys(PREFIX) if self.stamp in k]

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
        if base and self.bucket.uploads(PREFIX, [base + ".cypher", base + ".cypher.gz"]):
            return "upload"
        assert len(mine) <= 1, f"nobody knows {mine}"
        return "claim" if base else "nothing"

    def run(self, longest, count):
        rng = random.Random(self.seed)
        for _ in range(2 if rng.random() < 0.2 else 1):
            moment = rng.uniform(0, longest)
            count["kills: " + self.left() if self.killed(moment) else "ended before"] += 1
            for key in self.manifests():
                whole(self.bucket.read, key)
        self.worker.run("backup")
        manifests = self.manifests()
        assert len(manifests) == 1, f"{len(manifests)} manifests: {manifests}"
        manifest = whole(self.bucket.read, manifests[0])
        wanted = {manifests[0], *(o["key"] for o in manifest["objects"])}
        assert set(self.mine()) == wanted, f"left over: {set(self.mine()) - wanted}"
        uploads = self.bucket.uploads(PREFIX, wanted)
        assert not uploads, f"half-done uploads: {uploads}"
        self.worker.verify(manifests)
        if self.args.restore_uri and self.seed % 10 == 0:
            self.worker.restore(manifests[0], self.worker.digest(self.args.uri))
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
    args = arguments().parse_args()
    bucket = Bucket(args.bucket)
    fill(args.uri)
    length_of(args, bucket, -3)  # the first one makes the server plan its queries
    lengths = {gzip: length_of(args, bucket, seed) for gzip, seed in ((False, -1), (True, -6))}
    print(f"a backup takes {lengths[False]:.2f} s in parts, {lengths[True]:.2f} s compressed")
    return not campaign("kill-worker", args, lambda seed, count: Round(args, bucket, seed).run(lengths[seed % 3 == 0] * 1.1, count))


if __name__ == "__main__":
    sys.exit(main())

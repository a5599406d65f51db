"""What the campaigns that kill the worker share (kill_worker.py, kill_chain.py): the bucket looked at with the standard client,
the worker as a process that is killed when it is time, and what must be true of a backup whose manifest stands.

Environment: NEO4J_PASSWORD, S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY.
"""
import argparse
import collections
import hashlib
import json
import os
import subprocess
import tempfile
import time

import s3

POLL_SECONDS = 0.002


class Bucket:
    def __init__(self, name):
        self.name = name
        self.s3 = s3.client()

    def keys(self, prefix):
        return [o["Key"] for o in s3.keys(self.s3, self.name, prefix + "/")]

    def uploads(self, prefix, keys):
        """Half-done uploads; asked key by key as well, for services that list by the whole key only."""
        found = set()
        for start in [prefix + "/", *keys]:
            for u in self.s3.list_multipart_uploads(Bucket=self.name, Prefix=start).get("Uploads", []):
                found.add((u["Key"], u["UploadId"]))
        return found

    def read(self, key):
        try:
            return self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            raise AssertionError(f"{key} is gone") from None

    def write(self, key, data):
        self.s3.put_object(Bucket=self.name, Key=key, Body=data)


def whole(read, manifest_key):
    """The manifest, if what it names is there and is what it says; else an AssertionError. read: a Bucket's, or one that remembers."""
    manifest = json.loads(read(manifest_key))
    for part in manifest["objects"]:
        data = read(part["key"])
        assert len(data) == part["size"], f"{part['key']} has {len(data)} bytes, the manifest says {part['size']}"
        digest = hashlib.sha256(data).hexdigest()
        assert digest == part["sha256"], f"{part['key']} is not what its manifest says"
    return manifest


def content(file):
    """From its beginning; the process that writes it shares its position."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


class Process:
    """One process of the worker; its log is kept."""

    def __init__(self, program, *arguments, env):
        self.what = " ".join(arguments)
        self.out, self.log = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.begun = time.monotonic()
        self.process = subprocess.Popen([program, *arguments], env=env, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.log)

    def is_over(self):
        return self.process.poll() is not None

    def text(self):
        """What it has logged so far."""
        return content(self.log).decode(errors="replace")

    def answer(self):
        return content(self.out).decode()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def must_end_well(self, seconds=600):
        """Its length."""
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            code = f"nothing for {seconds} s"
        assert code == 0, f"'{self.what}' ended with {code}: {self.text()[-600:]}"
        return time.monotonic() - self.begun


def kill_in_time(aimed):
    """(process, is_time) pairs that run beside each other: of each, True if it was killed, False if it had ended well before."""
    killed = [None] * len(aimed)
    while None in killed:
        for i, (process, is_time) in enumerate(aimed):
            if killed[i] is not None:
                continue
            if process.is_over():
                process.must_end_well()
                killed[i] = False
            elif is_time():
                process.kill()
                killed[i] = True
        time.sleep(POLL_SECONDS)
    return killed


class Worker:
    """The program with the environment of one campaign."""

    def __init__(self, args, prefix, **env):
        self.args = args
        self.env = dict(
            os.environ, NEO4J_URI=args.uri, NEO4J_USER="neo4j", R2_ENDPOINT=os.environ["S3_ENDPOINT"],
            R2_ACCESS_KEY_ID=os.environ["S3_ACCESS_KEY"], R2_SECRET_ACCESS_KEY=os.environ["S3_SECRET_KEY"],
            R2_BUCKET_NAME=args.bucket, R2_FORCE_PATH_STYLE="true", BACKUP_PREFIX=prefix, LOG_LEVEL="info", LOG_FORMAT="json",
            TERMINATION_MESSAGE_FILE="/dev/null", **env,
        )

    def start(self, *arguments, **env):
        return Process(self.args.worker, *arguments, env=dict(self.env, **env))

    def run(self, *arguments, **env):
        """What it answers; it must end well."""
        process = self.start(*arguments, **env)
        process.must_end_well()
        return process.answer()

    def verify(self, keys, **env):
        """Each is read as a restore would."""
        self.run("verify", BACKUP_VERIFY_LEVEL="Readback", BACKUP_KEYS=",".join(keys), **env)

    def restore(self, key, digest, **env):
        """Into --restore-uri, whatever is there; digest: what must be there then."""
        self.run(
            "restore", key, "--overwrite", "Wipe", "--confirm", "neo4j", "--safety-backup", "None", "--verify",
            NEO4J_URI=self.args.restore_uri, **env,
        )
        assert self.digest(self.args.restore_uri) == digest, f"another graph was restored from {key}"

    def digest(self, uri):
        command = [self.args.digest, uri, "neo4j", os.environ["NEO4J_PASSWORD"]]
        return subprocess.run(command, capture_output=True, check=True).stdout


def time_of(seed):
    """A moment that is the seed's own."""
    return time.gmtime(1700000000 + seed)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--uri", required=True)
    parser.add_argument("--worker", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--restore-uri")
    parser.add_argument("--digest", help="tests/tools/graph-digest")
    return parser


def campaign(name, args, one):
    """one(seed, count) for each seed; prints the campaign's line. False: one failed."""
    count = collections.Counter()
    passed, failed = 0, 0
    for seed in range(args.seed, args.seed + args.rounds):
        try:
            one(seed, count)
            passed += 1
        except AssertionError as e:
            print(f"failed: seed {seed}: " + str(e).replace("\n", " "), flush=True)
            failed += 1
    remarks = ", ".join(f"{what} {n}" for what, n in sorted(count.items()))
    print(f"{name}\t{args.rounds}\t{passed}\t{failed}\t{remarks}")
    print(f"{passed} passed, {failed} failed")
    return failed == 0

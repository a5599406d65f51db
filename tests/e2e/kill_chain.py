#!/usr/bin/env python3
"""kill -9 of the worker at a random moment of an incremental backup, again and again: every backup that stands is whole.

    kill_chain.py --uri URI --worker PROGRAM --bucket BUCKET --data DIRECTORY --restore-uri URI --digest PROGRAM [--rounds N] [--seed N]

A case is the life of two owners' chains under one prefix, made from its number: which of them runs when (one, both at once, one twice
at once), what is changed in the graph in between, how much time passes, which chunks of runs that died long ago lie about, what is
killed when (anywhere; while chunks are stored; behind the manifest; with the sweep so far), whether a next try of the run follows, at once, late,
after others, or never, and of what graph. After each kill and each end:
  - every manifest names only chunks that are there and are what it says; the worker lists each as complete and reads it back;
  - of an owner who did not run nothing came or went; no owner has fewer backups than retention keeps;
  - no chunk younger than the grace time went.
At the end, after a grace time, one prune of each owner, some killed first, leaves the backups that retention wants, the chunks that they name, no
other chunk and no claim. Then each backup is restored, and is the graph of its time.

The time that passes is the age of what is in the bucket, and versitygw takes that from its files under DIRECTORY: they are made older.
The worker's own clock has no say in it.

Environment: NEO4J_PASSWORD, S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY. Prints how far the killed processes had come. Ends with
"N passed, N failed".
"""
import concurrent.futures
import functools
import gzip
import hashlib
import json
import os
import random
import shutil
import sys
import time

import neo4j

from graphs.common import empty
from killing import Bucket, Worker, arguments, campaign, kill_in_time, time_of, whole

OWNERS = ("kill.one", "kill.other")
GRACE_SECONDS = 600
LATER = 700  # seconds: more than the grace time
BLOCK = 64  # nodes; the worker ends a chunk between such blocks of ids
TEXT_REPEATS = 1000


class Shelf:
    """What is in the bucket under one prefix, as files of versitygw."""

    def __init__(self, directory):
        self.directory = directory

    def pass_time(self, seconds):
        for folder, _, names in os.walk(self.directory):
            for name in names:
                path = os.path.join(folder, name)
                moment = os.stat(path).st_mtime_ns - seconds * 10**9
                os.utime(path, ns=(moment, moment))

    def folder(self, owner):
        return os.path.join(self.directory, "chunks", owner, "neo4j")

    def chunks(self, owner):
        try:
            return {name for name in os.listdir(self.folder(owner)) if name.endswith(".cypher.gz")}
        except FileNotFoundError:
            return set()

    def times(self, owner):
        return {name: os.stat(os.path.join(self.folder(owner), name)).st_mtime for name in self.chunks(owner)}

    def old_chunks(self, owner):
        limit = time.time() - GRACE_SECONDS
        return {name for name, moment in self.times(owner).items() if moment < limit}


class Graph:
    """Blocks of nodes with texts of a version each, so that a version that comes back makes a chunk of before; a few relationships."""

    def __init__(self, session, rng):
        self.session, self.rng = session, rng
        self.versions = []
        self.last = 0
        empty(session)
        session.run("CREATE CONSTRAINT pad_i IF NOT EXISTS FOR (n:Pad) REQUIRE n.i IS UNIQUE").consume()
        for _ in range(rng.randint(3, 6)):
            self.add()
        self.tie()

    def rows(self, block):
        version = self.versions[block]
        return [{"i": block * BLOCK + k, "v": version, "text": f"block {block} node {k} version {version}, " * TEXT_REPEATS} for k in range(BLOCK)]

    def add(self):
        self.versions.append(0)
        self.session.run("UNWIND $rows AS r CREATE (n:Pad) SET n = r", rows=self.rows(len(self.versions) - 1)).consume()

    def rewrite(self):
        """To a new version, or back to the one before."""
        self.last = self.last if self.rng.random() < 0.4 else self.rng.randrange(len(self.versions))
        self.versions[self.last] = (self.versions[self.last] + 1) % 2 if self.rng.random() < 0.5 else self.rng.randrange(2, 1000)
        self.session.run("UNWIND $rows AS r MATCH (n:Pad {i: r.i}) SET n = r", rows=self.rows(self.last)).consume()

    def drop(self):
        self.session.run("MATCH (n:Pad) WHERE n.i % 7 = $m DETACH DELETE n", m=self.rng.randrange(7)).consume()

    def tie(self):
        top = len(self.versions) * BLOCK
        pairs = [[self.rng.randrange(top), self.rng.randrange(top)] for _ in range(50)]
        self.session.run(
            "UNWIND $pairs AS p MATCH (a:Pad {i: p[0]}), (b:Pad {i: p[1]}) CREATE (a)-[:TO {of: p, on: date('2024-01-01')}]->(b)", pairs=pairs
        ).consume()

    def untie(self):
        self.session.run("MATCH ()-[r:TO]->() WHERE r.of[0] % 5 = $m DELETE r", m=self.rng.randrange(5)).consume()

    def index(self):
        self.session.run(self.rng.choice(("CREATE INDEX pad_v IF NOT EXISTS FOR (n:Pad) ON (n.v)", "DROP INDEX pad_v IF EXISTS"))).consume()

    def change(self):
        for _ in range(self.rng.choice((0, 1, 1, 2, 3))):
            self.rng.choices((self.rewrite, self.add, self.drop, self.tie, self.untie, self.index), (8, 1, 1, 2, 1, 1))[0]()


class Run:
    """One run of one owner, however many tries it takes."""

    def __init__(self, owner, number, moment):
        self.owner, self.id = owner, f"run-{number}"
        self.env = dict(of(owner), BACKUP_RUN_ID=self.id, BACKUP_SCHEDULED_TIME=time.strftime("%Y-%m-%dT%H:%M:%SZ", time_of(moment)))


def of(owner):
    return {"BACKUP_OWNER": owner, "BACKUP_OWNER_UID": f"uid of {owner}"}


def after(condition, seconds):
    """True so long after the condition was first seen to be true."""
    seen = []

    def is_time():
        if not seen and condition():
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() >= seen[0] + seconds

    return is_time


def has_manifest(process):
    return lambda: '"event":"artifact"' in process.text()


def never():
    return False


class Life:
    def __init__(self, args, bucket, session, lengths, seed, count):
        self.args, self.bucket, self.lengths, self.count = args, bucket, lengths, count
        self.rng = random.Random(seed)
        self.prefix = f"chain-{seed}"
        self.shelf = Shelf(os.path.join(args.data, args.bucket, self.prefix))
        self.keep = self.rng.choice((2, 2, 3))
        self.worker = Worker(
            args, self.prefix, BACKUP_TYPE="Incremental", BACKUP_INCREMENTAL_MAX_CHAIN=str(self.rng.choice((1, 2, 3))),
            BACKUP_KEEP_LAST=str(self.keep),
        )
        self.story = []
        self.runs = 0
        self.points = {}  # what the graph was, by a manifest's key and checksum
        self.objects = {owner: set() for owner in OWNERS}  # at the last look
        self.stood = dict.fromkeys(OWNERS, 0)
        self.graph = Graph(session, self.rng)
        self.look()

    def look(self):
        self.now = self.worker.digest(self.args.uri)

    def change(self):
        self.graph.change()
        self.look()

    def tell(self, what):
        self.story.append(what)

    def pass_time(self, seconds):
        if seconds:
            self.tell(f"{seconds} s pass")
            self.shelf.pass_time(seconds)

    def litter(self, owner, n):
        """Chunks of runs that died before their manifests."""
        if not n:
            return
        self.tell(f"{n} chunks of nobody's for {owner}")

        def leave(text):
            name = hashlib.sha256(text).hexdigest()
            self.bucket.write(f"{self.prefix}/chunks/{owner}/neo4j/{name}.cypher.gz", gzip.compress(text, mtime=0))

        texts = [f"// {self.rng.random()}\n".encode() for _ in range(n)]
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            list(threads.map(leave, texts))

    # --- looking ---

    def standing(self, read):
        return {key: whole(read, key) for key in self.bucket.keys(self.prefix) if key.endswith(".manifest.json")}

    def claims(self):
        keys = [key for key in self.bucket.keys(self.prefix) if key.endswith(".claim.json")]
        return {key: json.loads(self.bucket.read(key)) for key in keys}

    def belongs(self, owner, standing, claims):
        by_text = {key for texts in (standing, claims) for key, text in texts.items() if text["owner"] == owner}
        return by_text | {f"chunks/{name}" for name in self.shelf.chunks(owner)}

    def is_listed(self, owner, standing):
        wanted = {key for key, manifest in standing.items() if manifest["owner"] == owner}
        answer = json.loads(self.worker.run("list", "--json", **of(owner)))
        assert answer["complete"], "the listing is not complete"
        mine = {b["manifestKey"]: b["state"] for b in answer["backups"] if b["ours"] and b.get("manifestKey")}
        assert set(mine) == wanted, f"{owner} has {sorted(wanted)}, listed are {sorted(mine)}"
        assert set(mine.values()) <= {"Complete"}, f"{owner}'s are listed as {mine}"

    def check(self, actors):
        """What must always be true, after something that only these owners did; what stands, and the claims."""
        standing, claims = self.standing(functools.cache(self.bucket.read)), self.claims()
        for owner in OWNERS:
            objects = self.belongs(owner, standing, claims)
            assert owner in actors or objects == self.objects[owner], f"{owner} did not run, but {objects ^ self.objects[owner]} came or went"
            self.objects[owner] = objects
            stand = sum(manifest["owner"] == owner for manifest in standing.values())
            assert stand >= min(self.keep, self.stood[owner]), f"{self.stood[owner]} of {owner} stood, and {stand} are left"
            self.stood[owner] = stand
            self.is_listed(owner, standing)
        for key, manifest in standing.items():
            self.points.setdefault((key, manifest["checksum"]), self.now)
        if standing:
            self.worker.verify(sorted(standing), **of(OWNERS[0]))
        return standing, claims

    def named(self, owner, standing):
        return {o["key"].rpartition("/")[2] for manifest in standing.values() if manifest["owner"] == owner for o in manifest["objects"]}

    def left(self, run, before, standing, claims):
        """How far a killed run had come."""
        now = self.shelf.chunks(run.owner)
        claimed = any(claim["runId"] == run.id for claim in claims.values())
        if not any(manifest["runId"] == run.id for manifest in standing.values()):
            return "chunks" if now - before else "claim" if claimed else "nothing"
        if before - now:
            return "within the sweep" if self.shelf.old_chunks(run.owner) - self.named(run.owner, standing) else "after the sweep"
        return "manifest and claim" if claimed else "manifest"

    # --- running ---

    def new_runs(self, owners):
        """At the same second now and then: their names are in each other's way."""
        moment = None
        runs = []
        for owner in owners:
            self.runs += 1
            if moment is None or self.rng.random() < 0.5 or len(set(owners)) == 1:
                moment = self.runs
            runs.append(Run(owner, self.runs, moment))
        return runs

    def aim(self, process, owner):
        before, litter = self.shelf.chunks(owner), self.shelf.old_chunks(owner)
        kind = self.rng.choices(("any", "storing", "behind", "sweep"), (25, 15, 20, 40))[0]
        share, delay = self.rng.random(), self.rng.random() * 0.02
        if kind == "any":
            return kind, after(lambda: True, share * 1.1 * self.lengths["whole"])
        if kind == "storing":
            return kind, after(lambda: len(self.shelf.chunks(owner) - before) > share * 8, delay)
        if kind == "behind":
            return kind, after(has_manifest(process), share * 1.1 * self.lengths["tail"])
        return kind, after(lambda: len(before - self.shelf.chunks(owner)) > share * (len(litter) + 2) * 0.8, delay)

    def attempt(self, runs, kill):
        """One try of each, beside each other."""
        times = {run.owner: self.shelf.times(run.owner) for run in runs}
        before = {owner: set(chunks) for owner, chunks in times.items()}
        processes = [self.worker.start("backup", **run.env) for run in runs]
        aims = [self.aim(process, run.owner) if kill else ("no", never) for run, process in zip(runs, processes)]
        try:
            killed = kill_in_time([(process, is_time) for process, (_, is_time) in zip(processes, aims)])
        finally:
            for process in processes:
                process.kill()
        standing, claims = self.check({run.owner for run in runs})
        for owner, chunks in times.items():
            young = {name for name, moment in chunks.items() if moment > time.time() - GRACE_SECONDS}
            assert young <= self.shelf.chunks(owner), f"young chunks of {owner} were swept: {young - self.shelf.chunks(owner)}"
        for run, was_killed, (kind, _) in zip(runs, killed, aims):
            far = self.left(run, before[run.owner], standing, claims) if was_killed else "to its end"
            self.tell(f"{run.owner} {run.id}, aim {kind}: {far}")
            if was_killed or kill:
                self.count["kills: " + far if was_killed else "ended before"] += 1
            if not was_killed:
                self.has_ended(run, standing, claims)
                self.count["chunks swept"] += len(before[run.owner] - self.shelf.chunks(run.owner))

    def has_ended(self, run, standing, claims):
        assert not any(claim["runId"] == run.id for claim in claims.values()), f"{run.id} has ended, its claim is there"
        mine = [key for key, manifest in standing.items() if manifest["runId"] == run.id]
        assert len(mine) <= 1, f"{run.id} has {mine}"

    def step(self):
        rng = self.rng
        self.change()
        self.pass_time(rng.choice((0, 300, LATER, LATER, LATER)))
        who = rng.choices(((OWNERS[0],), (OWNERS[1],), OWNERS, (OWNERS[0],) * 2), (50, 10, 25, 15))[0]
        for owner in dict.fromkeys(who):
            self.litter_now(owner)
        runs = self.new_runs(who)
        for _ in range(rng.choice((1, 1, 1, 2))):
            self.attempt(runs, True)
        if rng.random() < 0.3:
            self.change()
        self.pass_time(rng.choice((0, 0, 0, LATER)))
        if rng.random() < 0.15:
            self.attempt(self.new_runs((who[0],)), False)
        if rng.random() < 0.8:
            self.attempt(runs, False)

    def litter_now(self, owner):
        """It must be old to be swept."""
        self.litter(owner, self.rng.choice((0, 5, 10, 70)))
        if self.rng.random() < 0.8:
            self.pass_time(LATER)
        self.objects[owner] |= {f"chunks/{name}" for name in self.shelf.chunks(owner)}

    # --- the end ---

    def prune(self, owner):
        for _ in range(self.rng.choice((0, 1))):
            before = self.shelf.chunks(owner)
            goal = self.rng.random() * len(before - self.named(owner, self.standing(self.bucket.read)))
            process = self.worker.start("prune", **of(owner))
            killed = kill_in_time([(process, after(lambda: len(before - self.shelf.chunks(owner)) > goal, 0))])[0]
            self.tell(f"prune of {owner}" + (" is killed" if killed else ""))
            self.count["prunes killed" if killed else "ended before"] += 1
            self.check({owner})
        self.worker.run("prune", **of(owner))

    def end(self):
        for owner in OWNERS:
            self.litter_now(owner)
        self.pass_time(LATER)
        standing = self.standing(self.bucket.read)
        for owner in OWNERS:
            mine = sorted((m["startTime"], m["scheduledTime"], key) for key, m in standing.items() if m["owner"] == owner)
            wanted = {key for _, _, key in mine[-self.keep :]}
            before = self.shelf.chunks(owner)
            self.prune(owner)
            after_it, claims = self.check({owner})
            got = {key for key, m in after_it.items() if m["owner"] == owner}
            assert got == wanted, f"{owner} has {sorted(got)} after the last prune, not {sorted(wanted)}"
            assert not any(claim["owner"] == owner for claim in claims.values()), f"claims are left: {claims}"
            extra = self.shelf.chunks(owner) ^ self.named(owner, after_it)
            assert not extra, f"named and there are not the same: {extra}"
            self.count["chunks swept"] += len(before - self.shelf.chunks(owner))
        for key, manifest in self.standing(self.bucket.read).items():
            self.worker.restore(key, self.points[key, manifest["checksum"]], **of(manifest["owner"]))
            self.count["restored"] += 1

    def live(self):
        try:
            self.attempt(self.new_runs(OWNERS), False)
            for _ in range(self.rng.choice((3, 4, 5))):
                self.step()
            self.end()
        except AssertionError as e:
            raise AssertionError(f"{e}; after: {'; '.join(self.story)}") from None
        shutil.rmtree(self.shelf.directory)


def measure(life):
    """How long a run takes, and its part behind the manifest; the first one makes the server plan its queries."""
    for _ in range(3):
        life.change()
        life.litter(OWNERS[0], 30)
        life.pass_time(LATER)
        process = life.worker.start("backup", **life.new_runs((OWNERS[0],))[0].env)
        while not process.is_over() and not has_manifest(process)():
            time.sleep(0.002)
        head = time.monotonic() - process.begun
        life.lengths["whole"] = process.must_end_well()
        life.lengths["tail"] = life.lengths["whole"] - head
    shutil.rmtree(life.shelf.directory)


def main():
    parser = arguments()
    parser.add_argument("--data", required=True, help="the directory of versitygw")
    args = parser.parse_args()
    bucket = Bucket(args.bucket)
    lengths = {}
    with neo4j.GraphDatabase.driver(args.uri, auth=("neo4j", os.environ["NEO4J_PASSWORD"])) as driver, driver.session() as session:
        measure(Life(args, bucket, session, lengths, -1, {}))
        print(f"a backup takes {lengths['whole']:.2f} s, {lengths['tail']:.2f} s of that behind its manifest")
        return not campaign("kill-chain", args, lambda seed, count: Life(args, bucket, session, lengths, seed, count).live())


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""How fast a dump comes back, in rows (nodes and relationships) a second, side by side in one run.

restore.py --source NAME --small NAME --target NAME --servers SCRIPT --worker PROGRAM [--rounds N]

The names are those that servers.sh knows the three Neo4j by.

--source has the graph; --small one of the same kind that is small enough for APOC's dump, which plain cypher-shell takes
at some hundred rows a second. Each contestant restores into the emptied target, once uncounted, so that the server's compiler has
seen what is asked of it, and then in turn:

  cypher-shell, APOC's dump        of the small graph, APOC's default form for cypher-shell
  cypher-shell, our dump           of the large one
  Python driver, UNWIND $rows      of the large one, 1,000 rows a batch, then its schema; reading it first is not counted
  neo4j-backup restore             of the large one: both passes, the second with the writes
  neo4j-admin database load        of the large one's offline dump, into a target that is down meanwhile; without its stop and start

Environment: NEO4J_PASSWORD. Nothing is judged here.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

import neo4j

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))
from graphs.common import empty  # noqa: E402

BATCH = 1000


class Bench:
    def __init__(self, args):
        self.args = args
        self.uris = dict(line.split() for line in self.servers("list").splitlines())
        self.source, self.small, self.target = map(self.connect, (args.source, args.small, args.target))
        self.dir = tempfile.TemporaryDirectory()

    def servers(self, *command):
        """What servers.sh says to it."""
        return subprocess.run([self.args.servers, *command], stdout=subprocess.PIPE, check=True, text=True).stdout

    def uri(self, name):
        return self.uris[f"neo4j-{name}"]

    def connect(self, name):
        auth = ("neo4j", os.environ["NEO4J_PASSWORD"])
        return neo4j.GraphDatabase.driver(self.uri(name), auth=auth, notifications_min_severity="OFF")

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def empty(self):
        with self.target.session() as session:
            empty(session)

    def rows(self, driver):
        with driver.session() as session:
            return (
                session.run("MATCH (n) RETURN count(n) AS n").single()["n"]
                + session.run("MATCH ()-[r]->() RETURN count(r) AS n").single()["n"]
            )

    def prepare(self):
        env = dict(os.environ, NEO4J_URI=self.uri(self.args.source), NEO4J_USER="neo4j", LOG_LEVEL="warn")
        subprocess.run([self.args.worker, "backup", "--output", self.path("ours.cypher.gz")], env=env, check=True)
        with open(self.path("ours.cypher"), "wb") as out:
            subprocess.run(["gunzip", "-c", self.path("ours.cypher.gz")], stdout=out, check=True)
        config = {"stream": True, "format": "cypher-shell", "useOptimizations": {"type": "UNWIND_BATCH", "unwindBatchSize": 20}}
        with self.small.session(fetch_size=1) as session, open(self.path("apoc.cypher"), "w", encoding="utf-8") as out:
            query = "CALL apoc.export.cypher.all(null, $c) YIELD cypherStatements RETURN cypherStatements"
            for record in session.run(query, c=config):
                out.write(record[0] or "")
        with self.source.session(fetch_size=10000) as session:
            self.nodes, self.rels = {}, {}
            for r in session.run("MATCH (n) RETURN id(n) AS i, labels(n) AS l, properties(n) AS p"):
                self.nodes.setdefault(tuple(r["l"]), []).append({"i": r["i"], "p": r["p"]})
            for r in session.run("MATCH (a)-[r]->(b) RETURN id(a) AS a, id(b) AS b, type(r) AS t, properties(r) AS p"):
                self.rels.setdefault(r["t"], []).append({"a": r["a"], "b": r["b"], "p": r["p"]})
            own = "INDEXES YIELD createStatement AS s, type, owningConstraint AS c WHERE type <> 'LOOKUP' AND c IS NULL RETURN s"
            shows = (own, "CONSTRAINTS YIELD createStatement AS s")
            self.schema = [r["s"] for show in shows for r in session.run("SHOW " + show)]

    def shell(self, name):
        with open(self.path(name), "rb") as dump:
            done = subprocess.run(
                [self.args.servers, "shell", self.uri(self.args.target)], stdin=dump, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, check=False,
            )
        if done.returncode:
            sys.exit(f"cypher-shell refuses {name}: {done.stderr.decode(errors='replace')[-600:]}")

    def driver(self):
        ids = {}
        with self.target.session() as session:
            for labels, rows in self.nodes.items():
                names = "".join(":`" + name.replace("`", "``") + "`" for name in labels)
                query = f"UNWIND $rows AS row CREATE (n{names}) SET n = row.p RETURN row.i AS i, id(n) AS n"
                for start in range(0, len(rows), BATCH):
                    for r in session.run(query, rows=rows[start : start + BATCH]):
                        ids[r["i"]] = r["n"]
            for kind, rows in self.rels.items():
                name = "`" + kind.replace("`", "``") + "`"
                query = (
                    "UNWIND $rows AS row MATCH (a) WHERE id(a) = row.a MATCH (b) WHERE id(b) = row.b "
                    f"CREATE (a)-[r:{name}]->(b) SET r = row.p"
                )
                for start in range(0, len(rows), BATCH):
                    batch = [{"a": ids[r["a"]], "b": ids[r["b"]], "p": r["p"]} for r in rows[start : start + BATCH]]
                    session.run(query, rows=batch).consume()
            for statement in self.schema:
                session.run(statement).consume()
            session.run("CALL db.awaitIndexes(3600)").consume()

    def native(self):
        env = dict(os.environ, NEO4J_URI=self.uri(self.args.target), NEO4J_USER="neo4j", LOG_LEVEL="warn")
        subprocess.run([self.args.worker, "restore", "--input", self.path("ours.cypher.gz")], env=env, check=True)


    def dump_offline(self):
        """The source is not needed any more."""
        self.source.close()
        self.servers("neo4j-down", self.args.source)
        self.servers("neo4j-admin", self.args.source, "database", "dump", "neo4j", f"--to-path={self.dir.name}")

    def load_offline(self):
        """Seconds of the load alone."""
        self.target.close()
        self.servers("neo4j-down", self.args.target)
        start = time.monotonic()
        self.servers("neo4j-admin", self.args.target, "database", "load", "neo4j", f"--from-path={self.dir.name}", "--overwrite-destination=true")
        wall = time.monotonic() - start
        self.servers("neo4j-up", "5", self.args.target, self.uri(self.args.target).rpartition(":")[2])
        self.target = self.connect(self.args.target)
        return wall

    def check(self, name, rows):
        if self.rows(self.target) != rows:
            sys.exit(f"{name}: {self.rows(self.target)} rows came back of {rows}")

    def measure(self, name, rows, run):
        """Rows a second into an empty database."""
        self.empty()
        start = time.monotonic()
        run()
        wall = time.monotonic() - start
        self.check(name, rows)
        return rows / wall


def main():
    parser = argparse.ArgumentParser()
    for name in ("source", "small", "target", "servers", "worker"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    bench = Bench(args)
    bench.prepare()
    large, small = bench.rows(bench.source), bench.rows(bench.small)
    contestants = [
        ("cypher-shell, APOC's dump", small, lambda: bench.shell("apoc.cypher")),
        ("cypher-shell, our dump", large, lambda: bench.shell("ours.cypher")),
        ("Python driver, UNWIND $rows", large, bench.driver),
        ("neo4j-backup restore", large, bench.native),
    ]
    for name, rows, run in contestants:
        bench.measure(name, rows, run)
    speeds = {name: [] for name, _, _ in contestants}
    for _ in range(args.rounds):
        for name, rows, run in contestants:
            speeds[name].append(bench.measure(name, rows, run))
    bench.dump_offline()
    offline = "neo4j-admin database load (stopped)"
    speeds[offline] = [large / bench.load_offline() for _ in range(args.rounds)]
    bench.check(offline, large)
    base = statistics.median(speeds["cypher-shell, APOC's dump"])
    print("| restore | rows | rows/s: median (minimum–maximum) | × cypher-shell on APOC's |")
    print("|---|---|---|---|")
    for name, s in speeds.items():
        rows = small if name == contestants[0][0] else large
        print(f"| {name} | {rows} | {statistics.median(s):.0f} ({min(s):.0f}–{max(s):.0f}) | {statistics.median(s) / base:.1f} |")
    print()


if __name__ == "__main__":
    main()

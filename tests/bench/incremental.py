#!/usr/bin/env python3
"""What an incremental backup stores anew, and how long it takes, after changes of 1 % of a graph.

incremental.py --uri bolt://HOST:PORT --graph plain|kg --worker PROGRAM [--rounds N]

A chain of backups in one prefix: the whole graph, then in each round one after nothing changed, one after 1 % was appended
(nodes, and as many relationships between them), one after a property of 1 % neighbouring nodes was set, and one after that of each hundredth
node was. Each step also reads the stored backup again in full (`neo4j-backup verify --verify-level Readback`), outside the clock. The graph is changed.
Printed: stored bytes and wall against the whole backup's. Nothing is judged.

Environment: NEO4J_PASSWORD, S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY, S3_BUCKET.
"""
import argparse
import json
import os
import subprocess
import sys
import time

import neo4j

from bench import Failed, spread, worker_command

# label, type of relationship, and what keeps copies apart where a constraint asks for it
KINDS = {
    "plain": ("Person", "KNOWS", "m.id = 1000000000 + $round * 10000000 + i"),
    "kg": ("Entity", "RELATES_TO", "m.uuid = randomUUID()"),
}
APPEND = """
MATCH (n:`%s`) WITH n LIMIT $count WITH collect(n) AS nodes
UNWIND range(0, size(nodes) - 1) AS i WITH nodes[i] AS n, i CREATE (m:`%s`) SET m = properties(n) SET %s
WITH collect(m) AS made MATCH ()-[r:`%s`]->() WITH made, r LIMIT $count WITH made, collect(properties(r)) AS rels
UNWIND range(0, size(rels) - 1) AS i WITH made[i %% size(made)] AS a, made[(i * 7 + 1) %% size(made)] AS b, rels[i] AS p
CREATE (a)-[r:`%s`]->(b) SET r = p
"""
CONTIGUOUS = "MATCH (n) WITH n ORDER BY id(n) SKIP $half LIMIT $count SET n.touched = rand()"
SCATTERED = "MATCH (n) WITH n ORDER BY id(n) WITH collect(n) AS nodes UNWIND range(50, size(nodes) - 1, 100) AS i WITH nodes[i] AS n SET n.touched = rand()"


class Chain:
    def __init__(self, args, session):
        self.args, self.session = args, session
        self.env = dict(os.environ)
        tag = f"{args.graph}-chain-{os.getpid()}"
        self.command = worker_command(args, self.env, 6, tag) + ["--type", "Incremental"]
        self.env.update(LOG_LEVEL="info", LOG_FORMAT="json")

    def back_up(self):
        """(wall in seconds, stored anew, bytes of the whole)"""
        start = time.monotonic()
        done = subprocess.run(self.command, env=self.env, capture_output=True, check=False)
        wall = time.monotonic() - start
        if done.returncode != 0:
            raise Failed(done.stderr.decode(errors="replace")[-800:])
        artifact = next(e for e in map(json.loads, done.stderr.splitlines()) if e.get("event") == "artifact")
        check = [self.args.worker, "verify", "--verify-level", "Readback", artifact["manifestKey"]]
        done = subprocess.run(check, env=self.env, capture_output=True, check=False)
        if done.returncode != 0:
            raise Failed("verify: " + done.stderr.decode(errors="replace")[-800:])
        return wall, artifact["newBytes"], artifact["sizeBytes"]

    def run(self, query, **params):
        self.session.run(query, params).consume()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--uri", required=True)
    parser.add_argument("--graph", required=True, choices=KINDS)
    parser.add_argument("--worker", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    label, rel, apart = KINDS[args.graph]
    with neo4j.GraphDatabase.driver(args.uri, auth=("neo4j", os.environ["NEO4J_PASSWORD"])) as driver, driver.session() as session:
        chain = Chain(args, session)
        count = session.run("MATCH (n) RETURN count(n)").single()[0]
        one = max(count // 100, 1)
        whole_wall, whole_new, whole = chain.back_up()
        steps = {"nothing changed": [], "1 % appended": [], "1 % side by side": [], "1 % here and there": []}
        for i in range(args.rounds):
            steps["nothing changed"].append(chain.back_up())
            chain.run(APPEND % (label, label, apart, rel, rel), count=one, round=i)
            steps["1 % appended"].append(chain.back_up())
            chain.run(CONTIGUOUS, half=count * (i + 1) // (args.rounds + 1), count=one)
            steps["1 % side by side"].append(chain.back_up())
            chain.run(SCATTERED)
            steps["1 % here and there"].append(chain.back_up())
    print(f"graph {args.graph}, incremental: median (minimum–maximum); {count} nodes, the whole {whole / 1e6:.1f} MB in {whole_wall:.2f} s\n")
    print("| | rounds | wall s | wall / whole | stored anew, MB | % of the whole |")
    print("|---|---|---|---|---|---|")
    for name, got in steps.items():
        print(
            f"| {name} | {len(got)} | {spread([g[0] for g in got])} | {spread([g[0] / whole_wall for g in got])} "
            f"| {spread([g[1] / 1e6 for g in got])} | {spread([100 * g[1] / g[2] for g in got], 1)} |"
        )
    print()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as e:
        sys.exit(f"incremental.py: {e}")

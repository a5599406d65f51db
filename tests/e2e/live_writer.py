#!/usr/bin/env python3
"""Writes to a database without a pause, in the ways that are hard on an export that runs meanwhile.

    live_writer.py URI fill [--nodes N]             an empty database gets a graph and a unique key
    live_writer.py URI write [--threads N] [--seed N]   until SIGTERM; then prints how many operations it did a second
    live_writer.py URI snapshot FILE                which nodes and relationships there are, by their own names
    live_writer.py URI check BEFORE AFTER           a restored dump that was taken between the two
    live_writer.py URI empty                        nothing is left, schema neither

Keys are handed from a node that is deleted to one that is created, and swapped between two nodes; relationships come,
go and are moved; nodes are deleted in bunches, so that the server uses their ids again; labels and values change.
Every node has a name of its own (u) that is never used again, and every relationship has one too, and the names of its
ends (s, e): so whoever reads a dump sees whether a relationship hangs on the node that it belongs to, and whether what was
there all the time is there.
Password: NEO4J_PASSWORD.
"""
import argparse
import json
import os
import random
import signal
import sys
import threading
import time

from neo4j import GraphDatabase
from neo4j.exceptions import Neo4jError

from graphs.common import empty

BUNCH = 25
stop = threading.Event()


def fill(session, nodes):
    session.run("CREATE CONSTRAINT live_k IF NOT EXISTS FOR (n:Live) REQUIRE n.k IS UNIQUE").consume()
    session.run("CREATE INDEX live_v IF NOT EXISTS FOR (n:Live) ON (n.v)").consume()
    for start in range(0, nodes, 5000):
        session.run(
            "UNWIND range($a, $b) AS i CREATE (:Live {k: i, u: randomUUID(), v: i % 97, pad: 'some text of node ' + toString(i)})",
            a=start, b=min(start + 5000, nodes) - 1,
        ).consume()
    session.run(
        "UNWIND range(0, $n - 1) AS i MATCH (a:Live {k: i}), (b:Live {k: (i * 7919 + 13) % $n}) CREATE (a)-[:TO {u: randomUUID(), s: a.u, e: b.u}]->(b)",
        n=nodes,
    ).consume()


def hand_over(rng, session, n):
    keys = rng.sample(range(n), BUNCH)
    session.run("UNWIND $ks AS k MATCH (a:Live {k: k}) DETACH DELETE a", ks=keys).consume()
    session.run(
        "UNWIND $ks AS k CREATE (a:Live:Again {k: k, u: randomUUID(), v: $v}) WITH a MATCH (b:Live {k: $to}) "
        "CREATE (a)-[:TO {u: randomUUID(), s: a.u, e: b.u}]->(b)",
        ks=keys, v=rng.randrange(97), to=rng.randrange(n),
    ).consume()
    return 2 * BUNCH


def swap(rng, session, n):
    a, b = rng.sample(range(n), 2)
    session.run(
        "MATCH (a:Live {k: $a}), (b:Live {k: $b}) SET a.k = -$a - 1 WITH a, b SET b.k = $a WITH a SET a.k = $b",
        a=a, b=b,
    ).consume()
    return 2


def add(rng, session, n):
    session.run(
        "UNWIND $ks AS k MATCH (b:Live {k: k}) CREATE (l:Loose {u: randomUUID()}) "
        "CREATE (b)-[:TO {u: randomUUID(), s: b.u, e: l.u}]->(l), (l)-[:TO {u: randomUUID(), s: l.u, e: b.u}]->(b)",
        ks=rng.sample(range(n), BUNCH),
    ).consume()
    return 3 * BUNCH


def thin_out(rng, session, n):
    session.run(
        "UNWIND $ks AS k MATCH (:Live {k: k})-[r:TO]->() WITH r LIMIT $m DELETE r",
        ks=rng.sample(range(n), BUNCH), m=BUNCH,
    ).consume()
    session.run("MATCH (l:Loose) WITH l LIMIT $m DETACH DELETE l", m=4 * BUNCH).consume()
    return 5 * BUNCH


def rewire(rng, session, n):
    session.run(
        "UNWIND $ks AS k MATCH (a:Live {k: k})-[r:TO]->() WITH a, r LIMIT $m MATCH (c:Live {k: $to}) "
        "DELETE r CREATE (a)-[:TO {u: randomUUID(), s: a.u, e: c.u}]->(c)",
        ks=rng.sample(range(n), BUNCH), m=BUNCH, to=rng.randrange(n),
    ).consume()
    return 2 * BUNCH


def change(rng, session, n):
    session.run(
        "UNWIND $ks AS k MATCH (a:Live {k: k}) SET a.v = $v, a.pad = null, a.more = [k, $v] REMOVE a:Again SET a:Changed",
        ks=rng.sample(range(n), BUNCH), v=rng.randrange(97),
    ).consume()
    return BUNCH


KINDS = [hand_over, swap, add, thin_out, rewire, change]


def worker(driver, seed, nodes, counts, index):
    rng = random.Random(f"{seed}-{index}")
    with driver.session() as session:
        while not stop.is_set():
            try:
                counts[index] += rng.choice(KINDS)(rng, session, nodes)
            except Neo4jError as e:
                # two writers at one node: the server undid the one
                if not (e.is_retryable() or "ConstraintValidation" in e.code or "EntityNotFound" in e.code):
                    raise


def write(driver, threads, seed):
    with driver.session() as session:
        nodes = session.run("MATCH (n:Live) RETURN count(n) AS n").single()["n"]
    counts = [0] * threads
    workers = [threading.Thread(target=worker, args=(driver, seed, nodes, counts, i), daemon=True) for i in range(threads)]
    start = time.monotonic()
    for w in workers:
        w.start()
    print("writing", flush=True)
    while not stop.is_set():
        if not all(w.is_alive() for w in workers):
            sys.exit("a writer is gone")
        stop.wait(0.2)
    for w in workers:
        w.join()
    print(f"{sum(counts) / (time.monotonic() - start):.0f} operations/s")


def names(session):
    nodes = {r["u"] for r in session.run("MATCH (n) RETURN n.u AS u")}
    rels = {r["u"] for r in session.run("MATCH ()-[r]->() RETURN r.u AS u")}
    return {"nodes": sorted(nodes), "rels": sorted(rels)}


def check(session, before, after):
    faults = []
    halves = session.run("MATCH (n) WHERE n.u IS NULL RETURN labels(n) AS labels, keys(n) AS keys, COUNT { (n)--() } AS rels LIMIT 5").data()
    halves += session.run("MATCH ()-[r]->() WHERE r.u IS NULL RETURN keys(r) AS keys LIMIT 5").data()
    if halves:
        sys.exit(f"elements that never were: {halves}")
    rows = list(session.run("MATCH (a)-[r]->(b) WHERE r.s <> a.u OR r.e <> b.u OR r.s IS NULL RETURN r.u AS u"))
    if rows:
        faults.append(f"{len(rows)} relationships hang on other nodes than they did")
    doubles = session.run("MATCH (n) WITH n.u AS u, count(*) AS c WHERE c > 1 RETURN count(*) AS n").single()["n"]
    doubles += session.run("MATCH ()-[r]->() WITH r.u AS u, count(*) AS c WHERE c > 1 RETURN count(*) AS n").single()["n"]
    if doubles:
        faults.append(f"{doubles} elements are there more than once")
    have = names(session)
    for kind in ("nodes", "rels"):
        always = set(before[kind]) & set(after[kind])
        lost = always - set(have[kind])
        if lost:
            faults.append(f"{len(lost)} of {len(always)} {kind} that were there all the time are not in the dump")
    if faults:
        sys.exit("; ".join(faults))
    print(f"{len(have['nodes'])} nodes, {len(have['rels'])} relationships")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("what", choices=["fill", "write", "snapshot", "check", "empty"])
    parser.add_argument("files", nargs="*")
    parser.add_argument("--nodes", type=int, default=20000)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with GraphDatabase.driver(args.uri, auth=("neo4j", os.environ["NEO4J_PASSWORD"])) as driver:
        if args.what == "write":
            write(driver, args.threads, args.seed)
            return
        with driver.session() as session:
            if args.what == "fill":
                fill(session, args.nodes)
            elif args.what == "snapshot":
                with open(args.files[0], "w", encoding="utf-8") as out:
                    json.dump(names(session), out)
            elif args.what == "check":
                before, after = (json.load(open(name, encoding="utf-8")) for name in args.files)
                check(session, before, after)
            else:
                empty(session)


if __name__ == "__main__":
    main()

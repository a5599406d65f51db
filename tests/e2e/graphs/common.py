"""What the generators of test graphs share: the connection, batches, words."""

import argparse
import logging
import os
import random
import uuid

import neo4j

WORDS = (
    "alpha beta gamma delta river mountain protocol ledger customer invoice meeting Berlin Zürich"
    " naïve café 東京 данные graph node edge temporal memory agent episode summary user prefers"
    " between during because although shipped order delayed"
).split()


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("uri", metavar="URI")
    parser.add_argument("--seed", type=int, default=42, help="the same seed gives the same graph")
    parser.add_argument("--batch", type=int, default=2000, help="rows in one transaction")
    return parser


def password():
    given = os.environ.get("E2E_NEO4J_PASSWORD") or os.environ.get("NEO4J_PASSWORD")
    return given or "correct-horse-7"


def quoted(name):
    """A name in Cypher. Servers before 2026 undo \\uXXXX before they look for backticks."""
    return "`%s`" % name.replace("\\", "\\u005C").replace("`", "``")


def empty(session):
    """No nodes, no constraints, no indexes but the look-up ones that each database begins with."""
    for kind, plural in (("CONSTRAINT", "CONSTRAINTS"), ("INDEX", "INDEXES")):
        for row in list(session.run(f"SHOW {plural} YIELD name, type WHERE type <> 'LOOKUP'")):
            session.run(f"DROP {kind} {quoted(row['name'])}").consume()
    while session.run("MATCH (n) WITH n LIMIT 20000 DETACH DELETE n RETURN count(*) AS n").single()["n"]:
        pass


class Server:
    """A server to fill, and which generation it is of."""

    def __init__(self, uri):
        logging.getLogger("neo4j").setLevel(logging.ERROR)
        self.driver = neo4j.GraphDatabase.driver(uri, auth=("neo4j", password()))
        rows = self.run("CALL dbms.components() YIELD name, versions RETURN name, versions")
        versions = {row["name"]: row["versions"][0] for row in rows}
        numbers = versions["Neo4j Kernel"].split(".")
        self.version = (int(numbers[0]), int(numbers[1]))

    def run(self, query, **parameters):
        with self.driver.session() as session:
            return [dict(record) for record in session.run(query, **parameters)]

    def in_batches(self, query, rows, size):
        """Runs a query that begins with UNWIND $rows for so many rows at a time."""
        batch = []
        for row in rows:
            batch.append(row)
            if len(batch) == size:
                self.run(query, rows=batch)
                batch = []
        if batch:
            self.run(query, rows=batch)

    def counts(self):
        nodes = self.run("MATCH (n) RETURN count(n) AS count")[0]["count"]
        relationships = self.run("MATCH ()-[r]->() RETURN count(r) AS count")[0]["count"]
        return "%d nodes, %d relationships" % (nodes, relationships)


class Source:
    """Texts and identities that depend on the seed alone."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self, words):
        return " ".join(self.random.choice(WORDS) for _ in range(words))

    def uuid(self):
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

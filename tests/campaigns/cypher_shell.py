#!/usr/bin/env python3
"""Random graphs, one after the other, through one cypher-shell into a real server, and back over Bolt.

    cypher_shell.py URI GENERATION SERVERS_SH TOOLS_DIRECTORY NUMBER...     GENERATION: 4, 5 or 2026

Each dump is a pipe that the shell is told to `:source`; then everything is read: nodes, relationships and their ends by the digests
that the dump was made with, nothing of the helper left, and the schema by name and kind. One shell takes all of them, since its start
takes longer than a dump: when it opens the next pipe it is through with the one before. After a failure there is a new one.
Environment: NEO4J_PASSWORD. Prints a line a failure, and last "PASSED FAILED NODES RELATIONSHIPS BYTES".
"""
import errno
import os
import subprocess
import sys
import tempfile
import time

import neo4j

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from graphs.common import empty  # noqa: E402

SECONDS_A_DUMP = 300
SIZES = (20, 80, 300, 700)  # nodes, and as many relationships

# What tests/tools/dump-random.c puts into every dump.
NAME = "an\\u0060 index"
SCHEMA = {
    "4": {(NAME, "BTREE"), ("full;text", "FULLTEXT"), ("unique", "BTREE"), ("unique4", "BTREE")},
    "5": {
        (NAME, "RANGE"), ("full;text", "FULLTEXT"), ("text", "TEXT"), ("point", "POINT"), ("vector", "VECTOR"),
        ("unique", "RANGE"), ("unique5", "RANGE"),
    },
}  # fmt: skip
CONSTRAINTS = {"4": {"unique", "unique4"}, "5": {"unique", "unique5"}}


class Different(Exception):
    pass


class Shell:
    """A cypher-shell that is to take the dumps of these numbers, in that order."""

    def __init__(self, servers, uri, directory, numbers):
        self.directory = directory
        self.output = tempfile.TemporaryFile()
        for number in numbers:
            os.mkfifo(self.pipe(number))
        self.process = subprocess.Popen(
            [servers, "shell", uri], stdin=subprocess.PIPE, stdout=self.output, stderr=subprocess.STDOUT
        )
        self.process.stdin.write("".join(f":source {self.pipe(n)}\n" for n in numbers).encode())
        self.process.stdin.close()

    def pipe(self, number):
        return os.path.join(self.directory, f"{number}.cypher")

    def end(self, numbers):
        self.process.kill()
        self.process.wait()
        for number in numbers:
            os.unlink(self.pipe(number))

    def said(self):
        self.output.seek(0)
        return self.output.read().decode(errors="replace")[-600:]

    def open(self, number):
        """Waits until the shell reads that dump: it is through with the one before, or it fails."""
        end = time.monotonic() + SECONDS_A_DUMP
        while time.monotonic() < end:
            try:
                return open(os.open(self.pipe(number), os.O_WRONLY | os.O_NONBLOCK), "wb")
            except OSError as e:
                if e.errno != errno.ENXIO:
                    raise
            if self.process.poll() is not None:
                raise Different("cypher-shell ended: " + self.said())
            time.sleep(0.02)
        raise Different("cypher-shell is not through in time")

    def finish(self):
        try:
            code = self.process.wait(SECONDS_A_DUMP)
        except subprocess.TimeoutExpired:
            raise Different("cypher-shell is not through in time") from None
        if code != 0:
            raise Different(f"cypher-shell ended with {code}: " + self.said())


def names(session, query):
    return {tuple(r.values()) for r in session.run(query)}


def check_rest(session, generation):
    kind = "4" if generation == "4" else "5"
    left = session.run(
        "MATCH (n) WHERE any(l IN labels(n) WHERE l STARTS WITH '_nb_') OR any(k IN keys(n) WHERE k STARTS WITH '_nb_') RETURN count(n) AS n"
    ).single()["n"]
    if left:
        raise Different(f"the helper is left on {left} nodes")
    indexes = names(session, "SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP'")
    if indexes != SCHEMA[kind]:
        raise Different(f"the indexes are {sorted(indexes)}")
    constraints = {n for (n,) in names(session, "SHOW CONSTRAINTS YIELD name")}
    if constraints != CONSTRAINTS[kind]:
        raise Different(f"the constraints are {sorted(constraints)}")


class Campaign:
    def __init__(self, uri, generation, servers, tools):
        self.uri, self.generation, self.servers, self.tools = uri, generation, servers, tools
        self.password = os.environ["NEO4J_PASSWORD"]
        self.passed, self.failed, self.totals = 0, 0, [0, 0, 0]

    def make(self, number):
        size = str(SIZES[int(number) // 3 % len(SIZES)])
        form = ["4.4"] if self.generation == "4" else []
        made = subprocess.run([f"{self.tools}/dump-random", number, size, size, *form], capture_output=True, check=True)
        counts, want = made.stderr.decode().splitlines()
        words = counts.split()
        self.totals = [total + int(words[at]) for total, at in zip(self.totals, (1, 3, 7))]
        return made.stdout, want

    def check(self, session, want):
        got = subprocess.run([f"{self.tools}/graph-digest", self.uri, "neo4j", self.password], capture_output=True, check=True)
        if got.stdout.decode().splitlines()[-1] != want:
            raise Different("the digests differ")
        check_rest(session, self.generation)

    def run(self, session, numbers, directory):
        """As many as one shell takes; those that are left after a failure."""
        shell = Shell(self.servers, self.uri, directory, numbers)
        at = 0
        try:
            empty(session)
            pipe = shell.open(numbers[0])
            while at < len(numbers):
                script, want = self.make(numbers[at])
                os.set_blocking(pipe.fileno(), True)
                try:
                    with pipe:
                        pipe.write(script)
                except BrokenPipeError:
                    pass  # what it says is read below
                if at + 1 < len(numbers):
                    pipe = shell.open(numbers[at + 1])
                else:
                    shell.finish()
                self.check(session, want)
                self.passed += 1
                at += 1
                empty(session)
        except Different as e:
            print(f"different: case {numbers[at]}, Neo4j {self.generation}: {e}", flush=True)
            self.failed += 1
            at += 1
        finally:
            shell.end(numbers)
        return numbers[at:]


def main():
    uri, generation, servers, tools, *numbers = sys.argv[1:]
    campaign = Campaign(uri, generation, servers, tools)
    with neo4j.GraphDatabase.driver(uri, auth=("neo4j", campaign.password)) as driver, driver.session() as session:
        while numbers:
            with tempfile.TemporaryDirectory() as directory:
                numbers = campaign.run(session, numbers, directory)
    print(campaign.passed, campaign.failed, *campaign.totals)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Export against the bare drain and the peers, side by side in one run.

bench.py --uri bolt://HOST:PORT --graph NAME --worker PROGRAM --drain PROGRAM --server-pid PID --save FILE
         [--rounds N] [--slow-rounds N]

Each round runs every contestant once, in turn, so that a machine whose speed drifts is unfair to none.
Per contestant: wall and CPU seconds and peak memory of the whole process (the kernel's own accounting of
the finished process), CPU seconds of the Neo4j server meanwhile, and stored bytes. Printed: the median
with minimum and maximum, and the ratio of each contestant's wall to the drain's, pair by pair. Nothing is
judged here: the reader does.

Environment: NEO4J_PASSWORD, S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY, S3_BUCKET.
"""
import argparse
import collections
import json
import os
import statistics
import subprocess
import sys
import time
from urllib.parse import urlparse

HERE = os.path.dirname(os.path.abspath(__file__))
NODES = "MATCH (n) RETURN n"
RELS = "MATCH (a)-[r]->(b) RETURN id(a), id(b), type(r), properties(r)"


Round = collections.namedtuple("Round", "round_no wall cpu peak stored server_cpu")


class Failed(Exception):
    pass


def measure(command, env):
    """Runs a command to its end: (wall, cpu, peak MiB, last line of stdout)."""
    start = time.monotonic()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = b"", b""
    # The outputs are short; reading them one after the other cannot block the child for long.
    out = process.stdout.read()
    err = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Failed(f"{command[0]} ended with {process.returncode}: {err.decode(errors='replace')[-800:]}")
    lines = out.decode(errors="replace").strip().splitlines()
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, lines[-1] if lines else ""


def cpu_of(pid):
    """User and system time of a running process, in seconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def worker_command(args, env, level, tag):
    env.update(
        NEO4J_URI=args.uri,
        NEO4J_USER="neo4j",
        R2_ENDPOINT=os.environ["S3_ENDPOINT"],
        R2_ACCESS_KEY_ID=os.environ["S3_ACCESS_KEY"],
        R2_SECRET_ACCESS_KEY=os.environ["S3_SECRET_KEY"],
        R2_BUCKET_NAME=os.environ["S3_BUCKET"],
        R2_FORCE_PATH_STYLE="true",
        R2_REGION="us-east-1",
        BACKUP_PREFIX=f"bench/{tag}",
        BACKUP_OWNER=f"bench/{tag}",
        BACKUP_COMPRESSION_LEVEL=str(level),
        LOG_LEVEL="warn",
        TERMINATION_MESSAGE_FILE=f"/tmp/bench-{os.getpid()}.json",
    )
    return [args.worker, "backup"]


def contestants(args):
    host = urlparse(args.uri)
    python = sys.executable
    base = dict(os.environ)

    def drain(_):
        return [args.drain, host.hostname, str(host.port), "1000", NODES, RELS], dict(base)

    def ours(level):
        def make(round_no):
            env = dict(base)
            return worker_command(args, env, level, f"{args.graph}-l{level}-{round_no}-{os.getpid()}"), env

        return make

    def apoc(fmt, optimisation):
        def make(_):
            return [python, f"{HERE}/apoc.py", args.uri, os.environ["S3_BUCKET"], "bench/apoc.gz", fmt, optimisation], dict(base)

        return make

    def sidecar(level):
        def make(_):
            return [python, f"{HERE}/sidecar.py", args.uri, os.environ["S3_BUCKET"], "bench/sidecar.gz", str(level)], dict(base)

        return make

    rows = [("bare drain", drain, args.rounds)]
    rows += [(f"neo4j-backup, level {n}", ours(n), args.rounds) for n in args.levels]
    rows += [(f"neo4j-backup, level {n}", ours(n), args.slow_rounds) for n in args.curve]
    if args.apoc:
        rows.append(("APOC cypher-shell UNWIND_BATCH, gzip 6", apoc("cypher-shell", "UNWIND_BATCH"), args.slow_rounds))
        rows.append(("APOC plain UNWIND_BATCH_PARAMS, gzip 6", apoc("cypher-shell", "UNWIND_BATCH_PARAMS"), args.slow_rounds))
        rows.append(("APOC plain, gzip 6", apoc("plain", "NONE"), args.slow_rounds))
    if args.sidecar:
        rows.append(("sidecar (Python driver, gzip 6, boto3)", sidecar(6), args.slow_rounds))
    return rows


def stored_bytes(name, line):
    if name.startswith("neo4j-backup"):
        path = f"/tmp/bench-{os.getpid()}.json"
        with open(path, encoding="utf-8") as f:
            report = json.load(f)
        os.unlink(path)
        return report["sizeBytes"]
    return int(line) if line.isdigit() else 0


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--uri", required=True)
    parser.add_argument("--graph", required=True)
    parser.add_argument("--worker", required=True)
    parser.add_argument("--drain", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-rounds", type=int, default=2)
    parser.add_argument("--server-pid", type=int, required=True)
    parser.add_argument("--save", required=True, help="file for all rounds as JSON, for offline.py")
    parser.add_argument("--levels", type=lambda s: s.split(","), default=["6", "1", "adaptive"])
    curve = [str(n) for n in range(2, 10) if n != 6]
    parser.add_argument("--curve", type=lambda s: s.split(","), default=curve, help="levels of the slow rounds")
    parser.add_argument("--no-apoc", dest="apoc", action="store_false")
    parser.add_argument("--no-sidecar", dest="sidecar", action="store_false")
    args = parser.parse_args()

    rows = contestants(args)
    results = {name: [] for name, _, _ in rows}
    failures = {}
    # One round that is not counted: the server's caches, not ours, decide its time.
    for name, make, _ in rows[:2]:
        command, env = make("warm")
        line = measure(command, env)[3]
        stored_bytes(name, line)
    for round_no in range(args.rounds):
        for name, make, rounds in rows:
            if round_no >= rounds or name in failures:
                continue
            command, env = make(round_no)
            try:
                before = cpu_of(args.server_pid)
                wall, cpu, rss, line = measure(command, env)
                server = cpu_of(args.server_pid) - before
                results[name].append(Round(round_no, wall, cpu, rss, stored_bytes(name, line), server))
            except Failed as e:
                failures[name] = str(e)
    drain_wall = {r.round_no: r.wall for r in results["bare drain"]}
    print(f"graph {args.graph}: median (minimum–maximum)\n")
    print("| | rounds | wall s | wall / drain | CPU s | server's CPU s | peak MiB | stored MB |")
    print("|---|---|---|---|---|---|---|---|")
    for name, _, _ in rows:
        got = results[name]
        if not got:
            print(f"| {name} | 0 | failed: {failures.get(name, '')[:120]} | | | | | |")
            continue
        of_drain = [r.wall / drain_wall[r.round_no] for r in got]
        stored = statistics.median([r.stored for r in got]) / 1e6
        print(
            f"| {name} | {len(got)} | {spread([r.wall for r in got])} | {spread(of_drain)} | {spread([r.cpu for r in got])} "
            f"| {spread([r.server_cpu for r in got])} | {spread([r.peak for r in got], 0)} | {stored:.1f} |"
        )
    print()
    with open(args.save, "w", encoding="utf-8") as f:
        json.dump({name: [r._asdict() for r in got] for name, got in results.items()}, f, indent=1)
    return 1 if any(n.startswith(("bare", "neo4j-backup")) for n in failures) else 0


if __name__ == "__main__":
    sys.exit(main())

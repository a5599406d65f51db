#!/usr/bin/env python3
"""The dump that Neo4j's own tool makes of a database that is stopped, against what bench.py measured of the same graph.

offline.py --servers SCRIPT --name SERVER --rounds N --of FILE      FILE is bench.py's --save

The server must be down. Its start and stop are not counted, and the dump is not uploaded: it stays on the same disk.
Printed: a line for bench.py's table, and what our default level is against it.
"""
import argparse
import json
import os
import statistics
import tempfile

from bench import measure, spread


def main():
    parser = argparse.ArgumentParser()
    for name in ("servers", "name", "of"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    with open(args.of, encoding="utf-8") as f:
        ran = json.load(f)
    with tempfile.TemporaryDirectory() as out:
        command = [args.servers, "neo4j-admin", args.name, "database", "dump", "neo4j", f"--to-path={out}", "--overwrite-destination=true"]
        got = [measure(command, dict(os.environ))[:3] for _ in range(args.rounds)]
        stored = os.path.getsize(os.path.join(out, "neo4j.dump"))
    walls = [g[0] for g in got]
    drain = statistics.median(r["wall"] for r in ran["bare drain"])
    print("| the database stopped | rounds | wall s | wall / drain | CPU s | peak MiB | stored MB |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| neo4j-admin database dump | {len(got)} | {spread(walls)} | {spread([w / drain for w in walls])} "
        f"| {spread([g[1] for g in got])} | {spread([g[2] for g in got], 0)} | {stored / 1e6:.1f} |"
    )
    ours = ran["neo4j-backup, level 6"]
    wall = statistics.median(walls) / statistics.median(r["wall"] for r in ours)
    size = stored / statistics.median(r["stored"] for r in ours)
    print(f"\nIt takes {wall:.2f} times as long as our level 6, and its file is {size:.2f} times as large.\n")


if __name__ == "__main__":
    main()

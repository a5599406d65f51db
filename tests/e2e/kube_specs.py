#!/usr/bin/env python3
"""Changes of a Neo4jBackup's spec, made from the definition's own schema, before a real API server and a real controller.

A case is made from its number alone: one field, and a value: at and beyond its bounds, of another type, empty, long, odd, or
none. The API server refuses it, or the controller takes it: it goes on, and has seen it within 60 s; and when the change
is taken back, the status is what it was. At the end of a row of cases a backup is asked for, and is made.

  kube_specs.py DIR FIRST COUNT       as kube_faults.py, which see
"""

import asyncio
import copy
import json
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from kube_api import Refused, spec  # noqa: E402
from kube_faults import LIMIT, NAME, Case, Controller, World, Wrong, plain, unify  # noqa: E402
from kube_proxy import Fault  # noqa: E402
from kube_values import fields  # noqa: E402

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/neo4jbackups.neo4jbackup.dev"
ODD = ["", " ", "x", "0", "-1", "é世界\U0001f4be", "a" * 300, "a" * 5000, "../../etc", "$(id)", "null", "\u202e", "\\\"'`", "1e999"]
WORDS = {
    "schedule": ["* * * * *", "@daily", "0 0 31 2 *", "@every 1h", "0 0 1 1 ?", "61 * * * *", "0 0 29 2 *", "0 2 * * 7"],
    "timeZone": ["Mars/Olympus", "Europe/Berlin", "UTC", "../zone", "Etc/GMT+12"],
    "uri": ["bolt://h", "neo4j+s://a:1", "bolt://[::1]:7687", "http://x", "bolt://u:p@h", "neo4j://h?a=b"],
    "name": ["a", "A", "a.b", "-", "x" * 254],
    "endpoint": ["https://h", "http://h", "ftp://h", "https://h/path"],
}
NUMBERS = [-(2**63), -1, 0, 1, 2, 7, 100, 2**31, 2**53, 2**63 - 1, 1.5]


def sample(schema, rng, name="", depth=0):
    """Something of that schema, more or less."""
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind = schema.get("type")
    if kind == "object":
        need, have = schema.get("required", []), schema.get("properties", {})
        return {k: sample(v, rng, k, depth + 1) for k, v in have.items() if k in need or rng.random() < 0.3}
    if kind == "array":
        return [sample(schema["items"], rng, name, depth + 1) for _ in range(rng.choice((0, 1, 2, 70)))]
    if kind == "boolean":
        return rng.random() < 0.5
    if kind in ("integer", "number") or schema.get("x-kubernetes-int-or-string"):
        edges = [schema[k] + d for k in ("minimum", "maximum") if k in schema for d in (-1, 0, 1)]
        return rng.choice(edges * 3 + NUMBERS)
    return rng.choice(WORDS.get(name, []) * 3 + ODD + ["x" * schema.get("maxLength", 9), "x" * (schema.get("maxLength", 9) + 1)])


def mutation(schema, number):
    """What is merged over the spec."""
    rng = random.Random(number)
    every = list(fields(schema))
    path, sub = every[number % len(every)]
    value = sample(sub, rng, str(path[-1]))
    if rng.random() < 0.1:
        value = rng.choice((None, "x", 7, True, [], {}, [{}]))
    for step in reversed(path):
        value = [value] if step == 0 else {step: value}
    return path, value


class Row:
    """One controller and one policy for many changes in a row."""

    def __init__(self, world, case, schema):
        self.world, self.case, self.schema = world, case, schema
        self.taken = self.refused = 0

    async def seen(self):
        """The status, once the controller has seen this generation."""
        async def now():
            b = await self.case.api.get(self.case.backup())
            ok = b.get("status", {}).get("observedGeneration") == b["metadata"]["generation"]
            return b if ok and not b["status"].get("active") else None

        b = await self.case.until("the change is seen", now)
        if self.case.controllers[0].process.returncode is not None:
            raise Wrong("the controller has ended")
        status = b["status"]
        kept = [c for c in status["conditions"] if c["type"] in ("ScheduleValid", "NotificationsReady")]
        return unify(json.dumps(plain({"conditions": [{k: v for k, v in c.items() if k != "observedGeneration"} for c in kept],
                                       "destination": status.get("destination")}), sort_keys=True))  # fmt: skip

    async def one(self, number, first, wanted):
        path, change = mutation(self.schema, number)
        what = "%s = %s" % (".".join(map(str, path)), json.dumps(change)[:200])
        try:
            await self.case.api.merge(self.case.backup(), {"spec": change})
        except Refused as e:
            if e.status not in (400, 413, 422):
                raise Wrong("%s: %s" % (what, e)) from e
            self.refused += 1
            return
        self.taken += 1
        try:
            await self.seen()
            body = await self.case.api.get(self.case.backup())
            body["spec"] = copy.deepcopy(first)
            await self.case.api.call("PUT", self.case.backup(), body)
            now = await self.seen()
        except Wrong as e:
            raise Wrong("%s: %s" % (what, e)) from e
        if now != wanted:
            raise Wrong("%s: taken back, the status is %s, not %s" % (what, now, wanted))


async def main(directory, first, count):
    with tempfile.TemporaryDirectory() as work:
        world = World(directory, work)
        watching = asyncio.ensure_future(world.watch())
        crd = await world.admin.call("GET", CRD)
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        case = Case(world, "specs-%d" % first, "tokens", Fault(0, None), random.Random(first))
        row, failed = Row(world, case, schema), 0
        try:
            case.dir.mkdir(parents=True)
            case.shift_clock(0)
            await case.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": case.ns}})
            body = {"apiVersion": "neo4jbackup.dev/v1", "kind": "Neo4jBackup", "metadata": {"name": NAME},
                    "spec": spec(schedule="0 0 29 2 *", retention={"days": 30})}  # fmt: skip
            stored = (await case.api.call("POST", case.path("neo4jbackups"), body))["spec"]
            controller = Controller(case, 0)
            await controller.prepare()
            case.controllers.append(controller)
            await controller.start()
            wanted = await row.seen()
            for number in range(first, first + count):
                try:
                    await row.one(number, stored, wanted)
                except (Wrong, Refused) as e:
                    failed += 1
                    print("failed %d: %s" % (number, e), flush=True)
                    if controller.process.returncode is not None:
                        await controller.start()
                    current = await case.api.get(case.backup())
                    current["spec"] = copy.deepcopy(stored)
                    await case.api.call("PUT", case.backup(), current)
            await case.annotate(case.backup(), "run-requested", "a")

            async def made():
                b = await case.api.get(case.backup())
                return b["status"].get("lastHandledRequest") == "a" and not b["status"].get("active")

            await case.until("a backup after all of them, within %d s" % LIMIT, made)
            await controller.stop()
        except Wrong as e:
            failed += 1
            print("failed, the row from %d: %s" % (first, e), flush=True)
        finally:
            await case.clean()
            watching.cancel()
        print("controller-specs\t%d\t%d\t%d\t%d taken, %d refused" % (count, count - min(failed, count), failed, row.taken, row.refused))
        return failed


if __name__ == "__main__":
    sys.exit(1 if asyncio.run(main(sys.argv[1], *(int(a) for a in sys.argv[2:4]))) else 0)

#!/usr/bin/env python3
"""The controller's figures, before a real API server (tests/e2e/apiserver.sh): `make bench-controller`.

  controller.py DIR --controller PROGRAM --manager KUBE-CONTROLLER-MANAGER [--sizes 0,1000,10000] [--due 100,1000] [--ends 100,1000] [--rounds 3]

  * size: memory, and processor time of an idle minute, with so many Neo4jBackups; time from the start to the last of them reconciled
  * due: so many Neo4jBackups, then as many CronJobs, all due in one minute: from the minute to each Job, as a watch sees it.
    The CronJob controller is Kubernetes' own, at 300 requests a second (5 in a usual cluster), as system:masters, which the API
    server never makes wait; ours has the rights and the share that its chart gives it
  * ends: so many Neo4jBackups, due in two minutes, each run followed to its end (ends.py): from the minute to each status, and
    that each run has succeeded once, that none was made twice, none lost, that history limits hold and each lastSuccessfulTime is right
  * failover: two controllers; the one that acts is killed, or told to end: until the other holds the Lease

Prints tables; judges what is counted (ends) and nothing that is timed.
"""

import argparse
import asyncio
import collections
import datetime
import os
import pathlib
import re
import signal
import statistics
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from ends import Ends  # noqa: E402
from kube_api import GROUP, Api, Refused  # noqa: E402

PORT = 17690  # of the metrics; the second controller takes the next
AT_A_TIME = 8
PAGE_SECONDS = 1  # that the controller keeps a page of metrics for
LEASE = "neo4j-backup"  # the one that the chart gives rights to


def say(text):
    print(text, flush=True)


def spread(values, form="%.2f"):
    if not values:
        return "–"
    return "%s (%s–%s)" % tuple(form % v for v in (statistics.median(values), min(values), max(values)))


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


def policy(name, schedule, **more):
    return {
        "apiVersion": "neo4jbackup.dev/v1", "kind": "Neo4jBackup", "metadata": {"name": name},
        "spec": {
            "schedule": schedule, "connection": {"uri": "bolt://neo4j:7687"},
            "storage": {"r2": {"accountId": "0" * 32, "bucket": "bench", "prefix": name, "credentialsSecretRef": {"name": "r2"}}},
            **more,
        },
    }  # fmt: skip


def cronjob(name, schedule):
    pod = {"restartPolicy": "Never", "containers": [{"name": "worker", "image": "worker:1"}]}
    return {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {"schedule": schedule, "timeZone": "Etc/UTC", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }  # fmt: skip


class Process:
    """A controller under test; its metrics are on PORT + number."""

    all = []

    def __init__(self, bench, number=0):
        self.bench, self.number, self.process, self.port = bench, number, None, PORT + number
        Process.all.append(self)

    async def start(self, ns, elect=False):
        log = open(self.bench.dir / ("controller-%d.log" % self.number), "ab")
        self.started = time.monotonic()
        self.process = await asyncio.create_subprocess_exec(
            self.bench.args.controller, "--kubeconfig=%s" % (self.bench.dir / "controller.kubeconfig"),
            "--namespace=" + ns, "--worker-image=worker:1", "--leader-elect=" + ("true" if elect else "false"),
            "--lease-namespace=neo4j-backup-system", "--lease-name=" + LEASE, "--identity=c%d" % self.number,
            "--metrics-addr=127.0.0.1:%d" % self.port, "--log-level=warn", stderr=log)  # fmt: skip
        log.close()

    async def stop(self):
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()

    def metric(self, pattern):
        """The sum of all that match; None: it does not answer."""
        try:
            page = urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.port, timeout=5).read().decode()
        except OSError:
            return None
        return sum(float(m.group(1)) for m in re.finditer(r"^%s (\S+)$" % pattern, page, re.M))

    def memory_mib(self):
        """(anonymous, all) resident."""
        status = pathlib.Path("/proc/%d/status" % self.process.pid).read_text()
        return tuple(int(re.search(r"^%s:\s+(\d+)" % k, status, re.M).group(1)) / 1024 for k in ("RssAnon", "VmRSS"))

    def cpu_seconds(self):
        fields = pathlib.Path("/proc/%d/stat" % self.process.pid).read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, args):
        self.args, self.dir = args, pathlib.Path(args.dir)
        address = re.search(r'server: "([^"]+)"', (self.dir / "admin.kubeconfig").read_text()).group(1)
        self.api = Api(address, "admin")

    async def each(self, count, one):
        """one(i) for all i, some at a time."""
        todo = iter(range(count))

        async def worker():
            for i in todo:
                await one(i)

        await asyncio.gather(*(worker() for _ in range(AT_A_TIME)))

    async def namespace(self, name):
        await self.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    async def until(self, seconds, what, seen):
        end = time.monotonic() + seconds
        while not await seen():
            if time.monotonic() > end:
                raise SystemExit("not within %d s: %s" % (seconds, what))
            await asyncio.sleep(0.02)

    # --- size

    async def size(self, count):
        """A row; the policies stay."""
        path = GROUP + "/namespaces/size/neo4jbackups"

        async def create(i):
            try:
                await self.api.call("POST", path, policy("p%05d" % i, "%d %d 1 1 *" % (i % 60, i // 60 % 24)))
            except Refused as e:
                if e.status != 409:
                    raise

        await self.each(count, create)
        c = Process(self)
        await c.start("size")  # the first time it writes each one's status
        about = await self.settled(c, count)
        await c.stop()
        await c.start("size")
        about = min(about, await self.settled(c, count))
        starts = [await self.started(c, count, max(about - PAGE_SECONDS, 0.02)) for _ in range(self.args.rounds if count else 0)]
        before = c.cpu_seconds()
        await asyncio.sleep(60)
        anonymous, resident = c.memory_mib()
        idle = c.cpu_seconds() - before
        await c.stop()
        say("| %d | %.1f | %.1f | %.3f | %s |" % (count, anonymous, resident, idle, spread(starts) if count else "–"))

    def is_done(self, c, count):
        return (c.metric(r"controller_runtime_reconcile_total\{.*\}") or 0) >= count and c.metric(r"workqueue_depth\{.*\}") == 0

    async def started(self, c, count, seconds):
        """Seconds from a start to all reconciled, 5 % too many at most: the page of metrics is kept for a second, so each process is
        looked at once, later and later. The last one stays."""
        while True:
            await c.stop()
            await c.start("size")
            await asyncio.sleep(c.started + seconds - time.monotonic())
            if self.is_done(c, count):
                return seconds
            seconds *= 1.05

    async def settled(self, c, count):
        """All were reconciled and nothing is left to do: seconds since the start, up to PAGE_SECONDS too many."""
        at = 0

        async def seen():
            nonlocal at
            done = self.is_done(c, count)
            if done and not at:
                at = time.monotonic()
            if not done:
                at = 0
            return at and time.monotonic() - at > PAGE_SECONDS

        await self.until(600, "%d policies reconciled" % count, seen)
        return at - c.started

    # --- due

    async def due(self, kind, count, number):
        """Seconds from the minute to each Job."""
        ns = "due-%s-%d-%d" % (kind, count, number)
        await self.namespace(ns)
        minute = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
        minute += datetime.timedelta(minutes=2 + count // 500)  # time to make them all
        schedule = "%d %d %d %d *" % (minute.minute, minute.hour, minute.day, minute.month)
        if kind == "ours":
            path, body = GROUP + "/namespaces/%s/neo4jbackups" % ns, policy
            peer = Process(self)
            await peer.start(ns)
        else:
            path, body = "/apis/batch/v1/namespaces/%s/cronjobs" % ns, cronjob
            peer = await self.manager()
        await self.each(count, lambda i: self.api.call("POST", path, body("d%04d" % i, schedule)))
        if time.time() > minute.timestamp() - 5:
            raise SystemExit("the policies were not there in time")
        seen = collections.OrderedDict()

        def on_event(event, job):
            if event == "ADDED":
                seen.setdefault(job["metadata"]["name"], time.time() - minute.timestamp())

        watch = asyncio.ensure_future(self.api.watch("/apis/batch/v1/namespaces/%s/jobs" % ns, on_event))

        async def all_seen():
            return len(seen) >= count

        await self.until(minute.timestamp() - time.time() + 180, "%d Jobs" % count, all_seen)
        watch.cancel()
        if kind == "ours":
            await peer.stop()
        else:
            peer.terminate()
            await peer.wait()
        # All of it stays: pods that no kubelet ends keep a namespace from going.
        return list(seen.values())

    async def manager(self):
        with open(self.dir / "cronjob-controller.log", "ab") as log:
            return await asyncio.create_subprocess_exec(
                self.args.manager, "--kubeconfig=%s" % (self.dir / "admin.kubeconfig"), "--controllers=cronjob-controller",
                "--leader-elect=false", "--secure-port=0", "--kube-api-qps=300", "--kube-api-burst=300", stderr=log)  # fmt: skip

    async def all_due(self, count):
        tables = {"ours": [], "cronjob": []}
        for number in range(self.args.rounds):
            for kind in ("ours", "cronjob") if number % 2 == 0 else ("cronjob", "ours"):
                tables[kind].append(await self.due(kind, count, number))
        for kind, label in (("ours", "neo4j-backup"), ("cronjob", "CronJob controller")):
            columns = [[statistics.median(t) for t in tables[kind]], [percentile(t, 99) for t in tables[kind]],
                       [max(t) for t in tables[kind]]]  # fmt: skip
            say("| %d | %s | %s |" % (count, label, " | ".join(spread(c) for c in columns)))
        ratios = [max(a) / max(b) for a, b in zip(tables["ours"], tables["cronjob"])]
        say("| %d | last, ours / CronJob's | | | %s |" % (count, spread(ratios)))

    # --- ends

    async def ends(self, count):
        form = "%.1f / %.1f / %.1f"
        for number, row in enumerate(await Ends(self, count, policy, Process(self)).go()):
            spreads = [form % (percentile(v, 50), percentile(v, 99), v[-1]) for v in row[:4]]
            say("| %d, minute %d | %s | %.1f |" % (count, number + 1, " | ".join(spreads), row[4]))

    # --- failover

    async def holder(self):
        lease = await self.api.get("/apis/coordination.k8s.io/v1/namespaces/neo4j-backup-system/leases/" + LEASE)
        holder = (lease or {"spec": {}})["spec"].get("holderIdentity") or ""
        return holder.rsplit("_", 1)[0]  # --identity, and what tells this life from others

    async def failover(self, sign):
        await self.api.delete("/apis/coordination.k8s.io/v1/namespaces/neo4j-backup-system/leases/" + LEASE)
        both = {"c%d" % i: Process(self, i) for i in (0, 1)}
        for c in both.values():
            await c.start("size", elect=True)

        async def held():
            return await self.holder() in both

        await self.until(60, "a leader", held)
        await asyncio.sleep(3)
        first = await self.holder()
        start = time.monotonic()
        both[first].process.send_signal(sign)

        async def taken():
            return await self.holder() not in ("", first)

        await self.until(60, "the other leader", taken)
        seconds = time.monotonic() - start
        for c in both.values():
            await c.stop()
        return seconds


async def run(args):
    bench = Bench(args)
    try:
        await run_all(bench, args)
    finally:
        for p in Process.all:
            if p.process and p.process.returncode is None:
                p.process.kill()


async def all_failovers(bench, rounds):
    say("\n| end of the leader | rounds | until the other holds the Lease, s |\n|---|---|---|")
    for sign, label in ((signal.SIGKILL, "killed"), (signal.SIGTERM, "told to end")):
        say("| %s | %d | %s |" % (label, rounds, spread([await bench.failover(sign) for _ in range(rounds)])))


async def run_all(bench, args):
    if args.ends:
        say("\n| runs | due → Job: median / p99 / last, s | due → Job's end | due → status | Job's end → status | last Job's end → last status, s |"
            "\n|---|---|---|---|---|---|")  # fmt: skip
    for count in [int(n) for n in args.ends.split(",") if n]:
        await bench.ends(count)
    await bench.namespace("size")
    if args.sizes:
        say("\n| Neo4jBackups | RssAnon MiB | VmRSS MiB | CPU s of an idle minute | start to all reconciled, s |\n|---|---|---|---|---|")
    for count in [int(n) for n in args.sizes.split(",") if n]:
        await bench.size(count)
    if args.rounds:
        await all_failovers(bench, args.rounds)
    if args.due:
        say("\n| due | | median, s | p99, s | last, s |\n|---|---|---|---|---|")
    for count in [int(n) for n in args.due.split(",") if n]:
        await bench.all_due(count)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir")
    parser.add_argument("--controller", required=True)
    parser.add_argument("--manager", required=True)
    parser.add_argument("--sizes", default="0,1000,10000")
    parser.add_argument("--due", default="100,1000")
    parser.add_argument("--ends", default="100,1000")
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()

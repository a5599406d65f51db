"""Runs of many policies that are due in one minute, followed to their ends: a phase of controller.py, which see.

A kubelet in this process: it binds each worker pod to a Node that is not there, runs it for a second, ends it well, and hands
out its log. What is timed is told; what is counted is judged, by judge().
"""

import asyncio
import collections
import datetime
import re
import ssl
import subprocess
import time

from kube_api import GROUP, Api, Made, Node, Refused, batch, read_head, worker_log, worker_message

NODE = "bench"
POD_SECONDS = 1
CALLS = 32  # of the kubelet at a time
LIMIT = 1  # runs that are kept


class FewCalls(Api):
    """So that a thousand pods are not a thousand connections."""

    def __init__(self, url, token):
        super().__init__(url, token)
        self.turn = asyncio.Semaphore(CALLS)

    async def call(self, *args, **more):
        async with self.turn:
            return await super().call(*args, **more)


class Kubelet(Node):
    async def start(self, directory):
        """The API server asks it for logs."""
        pair = directory / "kubelet.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=" + NODE, "-keyout", pair, "-out", str(pair) + ".crt"], check=True, capture_output=True)  # fmt: skip
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(str(pair) + ".crt", pair)
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=tls)
        port = self.server.sockets[0].getsockname()[1]
        try:
            await self.api.call("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
        except Refused as e:
            if e.status != 409:
                raise
        await self.api.merge("/api/v1/nodes/%s/status" % NODE, {"status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}})  # fmt: skip

    async def serve(self, reader, writer):
        try:
            while (head := await read_head(reader)) is not None:
                pod = re.match(r"/containerLogs/[^/]+/([^/]+)/", head.first[1])
                body = worker_log(pod.group(1)) if pod else b""
                writer.write(b"HTTP/1.1 %d X\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (200 if pod else 404, len(body), body))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def play(self, pod, seconds, code, message):
        meta = pod["metadata"]
        try:
            await self.api.call("POST", "/api/v1/namespaces/%s/pods/%s/binding" % (meta["namespace"], meta["name"]), {
                "metadata": {"name": meta["name"]}, "target": {"kind": "Node", "name": NODE}})  # fmt: skip
        except Refused as e:
            if e.status not in (404, 409):
                raise
        await super().play(pod, seconds, code, message)


class Watched:
    """What the watches have brought, and when."""

    def __init__(self):
        self.made = Made()
        self.job_seen, self.job_ended, self.recorded = {}, {}, {}
        self.results = collections.defaultdict(list)  # UID of a run: its results, one after the other
        self.runs, self.policies = {}, {}

    def on_job(self, kind, job):
        name, now = job["metadata"]["name"], time.time()
        if kind == "DELETED":
            return
        self.made.saw_job(job)
        self.job_seen.setdefault(name, now)
        if any(c["type"] == "Complete" and c["status"] == "True" for c in job.get("status", {}).get("conditions", [])):
            self.job_ended.setdefault(name, now)

    def on_run(self, kind, run):
        if kind == "DELETED":
            return
        meta, result = run["metadata"], run.get("status", {}).get("result", "")
        self.made.saw_run(run)
        self.runs[meta["name"]] = run
        said = self.results[meta["uid"]]
        if not said or said[-1] != result:
            said.append(result)

    def on_policy(self, kind, policy):
        now = time.time()
        self.policies[policy["metadata"]["name"]] = policy
        for entry in policy.get("status", {}).get("history", []):
            if entry["result"] == "Succeeded":
                self.recorded.setdefault(entry["runName"], now)

    def tasks(self, api, ns):
        paths = {"neo4jbackups": self.on_policy, "neo4jbackupruns": self.on_run}
        watches = [api.watch("%s/namespaces/%s/%s" % (GROUP, ns, p), f) for p, f in paths.items()]
        return [asyncio.ensure_future(w) for w in (*watches, api.watch(batch(ns), self.on_job))]


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Ends:
    """So many policies, each due in two minutes; one run of each is kept."""

    def __init__(self, bench, count, policy, process):
        self.bench, self.api, self.count, self.policy, self.process = bench, bench.api, count, policy, process
        self.seen = Watched()
        minute = int(time.time()) // 60 * 60 + 60 * (2 + count // 250)  # time to make them all
        self.slots = [minute, minute + 60 * (2 + count // 100)]  # and for the first runs to end
        self.ns = "ends-%d-%d" % (count, minute // 60)

    def name(self, i):
        return "e%05d" % i

    def run(self, i, slot):
        return "%s-%d" % (self.name(i), slot // 60)

    def all_runs(self, slot):
        return [self.run(i, slot) for i in range(self.count)]

    async def go(self):
        kubelet = Kubelet(FewCalls("https://%s:%d" % (self.api.server.host, self.api.server.port), "admin"), self.plan)
        await kubelet.start(self.bench.dir)
        await self.bench.namespace(self.ns)
        tasks = [asyncio.ensure_future(kubelet.run()), *self.seen.tasks(self.api, self.ns)]
        await self.process.start(self.ns)
        try:
            await self.make()
            for slot in self.slots:
                await self.until(max(slot - time.time(), 0) + 300 + 2 * self.count, "the ends of all runs", lambda: len(self.left(slot)) == 0)
            await self.until(300 + self.count, "history limits", self.is_trimmed)
        finally:
            for task in tasks:
                task.cancel()
            kubelet.server.close()
        await self.judge()
        await self.process.stop()
        return [self.row(slot) for slot in self.slots]

    def plan(self, pod):
        meta = pod["metadata"]
        label = meta["labels"]
        if meta["namespace"] != self.ns:
            return None
        return (POD_SECONDS, *worker_message(label.get("neo4jbackup.dev/job", ""), label.get("neo4jbackup.dev/run-name", "")))

    async def make(self):
        minutes = ",".join(str(slot // 60 % 60) for slot in self.slots)
        path = "%s/namespaces/%s/neo4jbackups" % (GROUP, self.ns)
        await self.bench.each(self.count, lambda i: self.api.call("POST", path, self.policy(
            self.name(i), minutes + " * * * *", successfulRunsHistoryLimit=LIMIT)))  # fmt: skip
        if time.time() > self.slots[0] - 5:
            raise SystemExit("the policies were not there in time")

    def left(self, slot):
        return [r for r in self.all_runs(slot) if r not in self.seen.recorded]

    async def until(self, seconds, what, is_so):
        async def seen():
            return is_so()

        try:
            await self.bench.until(seconds, what, seen)
        except SystemExit as e:
            raise SystemExit("%s; missing: %s" % (e, [r for s in self.slots for r in self.left(s)][:10])) from e

    def is_trimmed(self):
        """As far as status says so: what is there is looked at by judge()."""
        return all(not p["status"].get("active") for p in self.seen.policies.values())

    async def judge(self):
        faults = []
        wanted = {r for slot in self.slots for r in self.all_runs(slot)}
        made = collections.Counter(r["name"] for r in self.seen.made.runs.values())
        jobs = collections.Counter(name for _, name in self.seen.made.jobs.values())
        for what, counted in (("run", made), ("Job", jobs)):
            faults += ["%s %s was made %d times" % (what, n, c) for n, c in counted.items() if c != 1]
            faults += ["%s %s was never made" % (what, n) for n in wanted - counted.keys()]
            faults += ["%s %s was not asked for" % (what, n) for n in counted.keys() - wanted]
        faults += ["run %s said %s" % (self.seen.made.runs[uid]["name"], said) for uid, said in self.seen.results.items()
                   if [s for s in said if s] != ["Succeeded"]]  # fmt: skip
        for i in range(self.count):
            faults += self.faults_of(i)
        faults += await self.faults_of_what_is_left()
        counted = self.process.metric(r'neo4jbackup_runs_total\{.*result="Succeeded".*\}')
        if counted != len(wanted):
            faults.append("the metric has counted %s" % counted)
        if faults:
            raise SystemExit("%d faults: %s" % (len(faults), "; ".join(faults[:10])))

    def faults_of(self, i):
        name = self.name(i)
        status, newest = self.seen.policies[name]["status"], self.seen.runs[self.run(i, self.slots[-1])]["status"]
        wanted = {"lastScheduleTime": rfc3339(self.slots[-1]), "lastSuccessfulTime": newest["completionTime"],
                  "lastRunName": self.run(i, self.slots[-1]), "consecutiveFailures": 0}  # fmt: skip
        out = ["%s: %s is %s, not %s" % (name, k, status.get(k), v) for k, v in wanted.items() if status.get(k) != v]
        history = [(e["runName"], e["result"]) for e in status["history"]]
        if sorted(history) != [(self.run(i, slot), "Succeeded") for slot in self.slots]:
            out.append("%s has the history %s" % (name, history))
        return out

    async def faults_of_what_is_left(self):
        """History limits: after a while the newest of each, and its Job."""
        wanted = set(self.all_runs(self.slots[-1]))
        start, path = time.monotonic(), "%s/namespaces/%s/neo4jbackupruns" % (GROUP, self.ns)
        while True:
            runs = {o["metadata"]["name"] for o in (await self.api.call("GET", path))["items"]}
            jobs = {o["metadata"]["name"] for o in (await self.api.call("GET", batch(self.ns)))["items"]}
            if runs == wanted and jobs == wanted:
                return []
            if time.monotonic() - start > 300 + self.count:
                return ["%d runs and %d Jobs are left of %d" % (len(runs), len(jobs), len(wanted))]
            await asyncio.sleep(1)

    def row(self, slot):
        """Seconds: from the minute to each Job, to each Job's end, to each status; from the last Job's end to the last status."""
        runs = self.all_runs(slot)
        out = [sorted(of[r] - slot for r in runs) for of in (self.seen.job_seen, self.seen.job_ended, self.seen.recorded)]
        late = sorted(self.seen.recorded[r] - self.seen.job_ended[r] for r in runs)
        return (*out, late, out[2][-1] - out[1][-1])

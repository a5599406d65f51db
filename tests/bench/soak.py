#!/usr/bin/env python3
"""The controller, for an hour, before a real API server (tests/e2e/apiserver.sh): `make soak`.

  soak.py DIR --controller PROGRAM [--seconds 3600] [--policies 200] [--rate 5] [--seed N]

One controller with leader election and the rights of its chart, over TLS through a proxy (kube_proxy.py):

  * its ServiceAccount token, from the API server itself, is replaced each minute, as the kubelet does it. 600 s is the shortest
    life that an API server gives a token, so each is bound to a Secret of its own, which is deleted: at once for every
    other one, 90 s later for the rest. From then on (the API server remembers a good token for 10 s) the old token is refused
  * every 2 to 8 s one watch is cut; now and then all of them, or their positions are gone (410)
  * policies are created, edited, run, suspended, refreshed, deleted and made again under the same name, `rate` times a second;
    some have schedules of a few minutes, restores are made, runs are pinned; while more than 40 keys wait in the controller's
    queue, it waits, too, so that on a slow machine the work is less and not ever later. Node (kube_api.py) plays the kubelet:
    of six runs one fails; history limits of 1 or 2 let runs and Jobs go

Prints a row a minute: the medians of 12 looks. Judges at the end, when the changes have stopped:

  memory     the median RssAnon of the last sixth is at most 10 % or 0.5 MiB above that of the second sixth, after what the
             objects take that were more by then; how much one takes is said by new processes, with and without all objects
  age        in the end, the RssAnon of the old process is at most 50 % or 4 MiB above that of a new one with the same
             objects, which has written, told and followed nothing yet
             (neither with a sanitizer, which keeps what was freed)
  fds        so are the medians of open files and threads: equal, within one connection
  once       no run and no Job was made twice, but for a policy that was being deleted
  alive      the controller was one process all the time, and ended with 0 when told to; how often it held the Lease is said
  reconciled each policy's generation and last token are answered, nothing is active, each run, restore and Job has ended,
             history limits hold, nothing waits in the queue
  log        no line of level error, and no sanitizer's
  tokens     a token whose Secret is gone is refused
"""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import random
import re
import ssl
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from controller import LEASE, Process, say  # noqa: E402
from kube_api import GROUP, Api, Made, Node, Refused, batch, policy, worker_log, worker_message  # noqa: E402
from kube_proxy import Fault, Proxy, abort  # noqa: E402

NS, SYSTEM, ACCOUNT = "soak", "neo4j-backup-system", "neo4j-backup"
NEVER = "0 0 29 2 *"
LOOK = 5  # seconds between two looks at the process
TOKEN_LIFE, TOKEN_EVERY, TOKEN_LEFT = 600, 60, 90
SETTLE = 600  # seconds within which all that is left must be reconciled
BUSY = 40  # keys in the queue
FEW_FDS = 2  # a connection, and what waits for it
COLUMNS = ["s", "RssAnon MiB", "VmRSS MiB", "fds", "threads", "CPU s", "policies", "runs", "Jobs", "pods", "queue", "changes",
           "runs made", "cuts", "lists", "401s"]  # fmt: skip


def path(plural, name="", sub=""):
    return "%s/namespaces/%s/%s%s%s" % (GROUP, NS, plural, "/" + name if name else "", sub)


class OwnToken(Proxy):
    """Each request goes on with the token that it came with."""

    def server_of(self, request):
        return self.case.admin.server.as_user(request.token)

    async def answer(self, request, upstream):
        answer = await super().answer(request, upstream)
        self.case.refused += answer.status == 401
        return answer


class Controller(Process):
    async def start(self, log_name, ns=NS):
        self.port = self.bench.args.metrics_port
        with open(self.bench.dir / log_name, "wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                self.bench.args.controller, "--kubeconfig=%s" % (self.bench.dir / "soak.kubeconfig"), "--namespace=" + ns,
                "--worker-image=worker:1", "--lease-namespace=" + SYSTEM, "--lease-name=" + LEASE, "--identity=soak",
                "--log-format=json", "--metrics-addr=127.0.0.1:%d" % self.port, "--verify-neo4j-image=neo4j:5",
                stderr=log)  # fmt: skip

    def look(self):
        """None: there is no such process any more."""
        proc = pathlib.Path("/proc/%d" % self.process.pid)
        try:
            threads = int(re.search(r"^Threads:\s+(\d+)", (proc / "status").read_text(), re.M).group(1))
            return (*self.memory_mib(), len(os.listdir(proc / "fd")), threads)
        except (OSError, AttributeError):
            return None


class Tokens:
    """The ServiceAccount's token in a file, as the kubelet swaps it."""

    def __init__(self, soak):
        self.soak, self.api, self.dir, self.count, self.wrong = soak, soak.admin, soak.dir / "token", 0, 0
        self.refused = self.probes = 0
        self.tasks = set()

    async def make(self):
        """(the token, its Secret)"""
        name = "token-%d" % self.count
        secret = await self.api.call("POST", "/api/v1/namespaces/%s/secrets" % SYSTEM, {"metadata": {"name": name}})
        ref = {"kind": "Secret", "apiVersion": "v1", "name": name, "uid": secret["metadata"]["uid"]}
        made = await self.api.call("POST", "/api/v1/namespaces/%s/serviceaccounts/%s/token" % (SYSTEM, ACCOUNT), {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_LIFE, "boundObjectRef": ref}})  # fmt: skip
        return made["status"]["token"], name

    async def swap(self):
        self.token, self.secret = await self.make()
        data = self.dir / ("..data-%d" % self.count)
        data.mkdir(parents=True)
        (data / "token").write_text(self.token)
        link = self.dir / "..data-new"
        link.symlink_to(data.name)
        link.rename(self.dir / "..data")
        if self.count == 0:
            (self.dir / "token").symlink_to("..data/token")
        self.count += 1

    async def end(self, token, secret, seconds):
        await asyncio.sleep(seconds)
        await self.api.delete("/api/v1/namespaces/%s/secrets/%s" % (SYSTEM, secret))
        await asyncio.sleep(15)
        probe = Api("https://%s:%d" % (self.api.server.host, self.api.server.port), token)
        self.probes += 1
        try:
            await probe.call("GET", path("neo4jbackups") + "?limit=1")
        except Refused as e:
            self.refused += e.status == 401

    async def run(self):
        while True:
            await asyncio.sleep(TOKEN_EVERY)
            old = self.token, self.secret
            await self.swap()
            task = asyncio.ensure_future(self.end(*old, self.count % 2 * TOKEN_LEFT))
            self.tasks.add(task)


class Changes:
    """What people do to policies, all the time."""

    KINDS = {"run": 34, "edit": 22, "suspend": 12, "refresh": 4, "pin": 3, "restore": 2, "unrestore": 2, "remove": 8, "create": 9,
             "recreate": 4}  # fmt: skip

    def __init__(self, soak):
        self.soak, self.api, self.rng = soak, soak.admin, soak.rng
        self.names, self.serial, self.done, self.errors = [], 0, collections.Counter(), collections.Counter()

    def spec(self):
        rng = self.rng
        schedule = rng.choice(("*/2 * * * *", "*/3 * * * *")) if rng.random() < 0.12 else "%d 3 * * *" % rng.randrange(60)
        more = {"verification": {"schedule": "*/5 * * * *"}} if rng.random() < 0.05 else {}
        retention = {"days": 30, "onDelete": "Delete" if rng.random() < 0.2 else "Retain"}
        return dict(schedule=schedule, retention=retention, successfulRunsHistoryLimit=rng.randint(1, 2),
                    failedRunsHistoryLimit=rng.randint(1, 2), **more)  # fmt: skip

    async def create(self, name=None):
        if not name:
            self.serial += 1
            name = "p%05d" % self.serial
        await self.api.call("POST", path("neo4jbackups"), policy(name, {"run-requested": "t%d" % self.soak.number()}, **self.spec()))
        if name not in self.names:
            self.names.append(name)

    async def remove(self, name):
        old = await self.api.get(path("neo4jbackups", name))
        if old:
            self.soak.gone.add(old["metadata"]["uid"])
        await self.api.delete(path("neo4jbackups", name))

    async def annotate(self, plural, name, key, value):
        await self.api.merge(path(plural, name), {"metadata": {"annotations": {"neo4jbackup.dev/" + key: value}}})

    async def change(self, kind):
        rng = self.rng
        if len(self.names) < 0.9 * self.soak.args.policies:
            kind = "create"
        elif len(self.names) > 1.1 * self.soak.args.policies:
            kind = "remove"
        name = rng.choice(self.names) if self.names else None
        if kind == "create":
            await self.create()
        elif kind == "run":
            await self.annotate("neo4jbackups", name, "run-requested", "t%d" % self.soak.number())
        elif kind == "refresh":
            await self.annotate("neo4jbackups", name, "refresh-requested", "r%d" % self.soak.number())
        elif kind == "edit":
            await self.api.merge(path("neo4jbackups", name), {"spec": self.spec()})
        elif kind == "suspend":
            await self.api.merge(path("neo4jbackups", name), {"spec": {"suspend": rng.random() < 0.4}})
        elif kind == "remove":
            self.names.remove(name)
            await self.remove(name)
        elif kind == "recreate":
            self.names.remove(name)
            await self.remove(name)
            await self.create(name)  # refused while a finalizer keeps the old one: then it is one less
        elif kind == "pin":
            run = rng.choice(list(self.soak.made.runs.values()))["name"] if self.soak.made.runs else "none"
            await self.annotate("neo4jbackupruns", run, "pinned", rng.choice(("true", "false")))
        elif kind == "restore":
            body = {"apiVersion": "neo4jbackup.dev/v1", "kind": "Neo4jRestore", "metadata": {"name": "r%d" % self.soak.number()},
                    "spec": {"source": {"backupRef": {"name": name}}, "job": {"backoffLimit": 0}, "target": {"connection": {
                        "uri": "bolt://neo4j:7687", "authSecretRef": {"name": "n"}}}}}  # fmt: skip
            await self.api.call("POST", path("neo4jrestores"), body)
        elif kind == "unrestore":
            ended = [r for r in (await self.api.call("GET", path("neo4jrestores")))["items"] if r.get("status", {}).get("result")]
            for r in ended[:4]:
                await self.api.delete(path("neo4jrestores", r["metadata"]["name"]))
        self.done[kind] += 1

    async def one(self, kind):
        try:
            await self.change(kind)
        except Refused as e:
            if e.status not in (404, 409):
                raise
        except OSError as e:
            self.errors[type(e).__name__] += 1

    async def run(self):
        kinds, weights = zip(*self.KINDS.items())
        due = time.monotonic()
        while True:
            due = max(due + 1 / self.soak.args.rate, time.monotonic() - 1)  # what a busy machine did not do is not caught up
            await asyncio.sleep(max(0, due - time.monotonic()))
            while self.soak.depth > BUSY:
                await asyncio.sleep(0.2)
            await self.one(self.rng.choices(kinds, weights)[0])

    async def calm(self):
        """Nothing is suspended or due any more."""
        for name in self.names:
            try:
                await self.api.merge(path("neo4jbackups", name), {"spec": {
                    "suspend": False, "schedule": NEVER, "verification": {"schedule": None}}})  # fmt: skip
            except Refused as e:
                if e.status != 404:  # a finalizer kept it from being made again
                    raise


class Soak:
    """`case` and `world` of the proxy, too."""

    def __init__(self, args):
        self.args, self.dir, self.rng = args, pathlib.Path(args.dir), random.Random(args.seed)
        self.sanitizer = "san" in str(args.controller)
        address = re.search(r'server: "([^"]+)"', (self.dir / "admin.kubeconfig").read_text()).group(1)
        self.admin = Api(address, "admin")
        self.fault, self.lists, self.made, self.gone = Fault(0, None), {}, Made(), set()
        self.fault.case = self
        self.writes = self.events = self.answers = self.refused = self.cuts = self.numbers = 0
        self.last_write = self.last_fault = 0
        self.proxy, self.tokens, self.changes = OwnToken(self, None), Tokens(self), Changes(self)
        self.controller = Controller(self)
        self.looks, self.rows, self.tasks = [], [], {}
        self.passed = self.failed = self.depth = 0

    def number(self):
        self.numbers += 1
        return self.numbers

    def log_of(self, request):
        return worker_log(request.path.split("/")[-2])

    def plan(self, pod):
        if pod["metadata"]["namespace"] != NS:
            return None
        label = pod["metadata"]["labels"]
        kind, name = label.get("neo4jbackup.dev/job", ""), label.get("neo4jbackup.dev/run-name", "")
        return (self.rng.choice((0.1, 1, 4)), *worker_message(kind, name, kind == "prune" or self.rng.random() < 5 / 6))

    async def set_up(self):
        await self.admin.call("POST", "/api/v1/namespaces", {"metadata": {"name": NS}})
        await self.admin.call("POST", "/api/v1/namespaces/%s/serviceaccounts" % SYSTEM, {"metadata": {"name": ACCOUNT}})
        await self.tokens.swap()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(self.dir / "certs/apiserver.crt", self.dir / "certs/apiserver.key")
        port = await self.proxy.start(tls)
        (self.dir / "soak.kubeconfig").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:%d" % port,
                                                   "certificate-authority": str(self.dir / "certs/apiserver.crt")}}],
            "users": [{"name": "u", "user": {"tokenFile": str(self.dir / "token/token")}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))  # fmt: skip
        self.keep("runs", self.admin.watch(path("neo4jbackupruns"), self.saw(self.made.saw_run)))
        self.keep("jobs", self.admin.watch(batch(NS), self.saw(self.made.saw_job)))
        self.keep("node", Node(self.admin, self.plan).run())
        await self.controller.start("soak.log")

    @staticmethod
    def saw(note):
        return lambda kind, o: kind != "DELETED" and note(o)

    def keep(self, name, work):
        self.tasks[name] = asyncio.ensure_future(work)

    def check_tasks(self):
        for name, task in self.tasks.items():
            if task.done() and not task.cancelled():
                raise SystemExit("'%s' of the test itself ended: %r" % (name, task.exception()))

    async def cut(self):
        while True:
            await asyncio.sleep(self.rng.uniform(2, 8))
            self.cuts += 1
            dice = self.rng.random()
            if dice < 0.1:
                self.proxy.end_streams(gone=True)
            elif dice < 0.2:
                self.proxy.end_streams()
            elif self.proxy.streams:
                abort(self.rng.choice(list(self.proxy.streams)))

    async def watch_depth(self):
        while True:
            self.depth = await self.metric(r"workqueue_depth\{.*\}") or 0
            await asyncio.sleep(1)

    async def metric(self, pattern):
        return await asyncio.to_thread(self.controller.metric, pattern)

    async def row(self, seconds):
        """Looks for so long, and prints what it saw."""
        looks, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            look = self.controller.look()
            if look is None or self.controller.process.returncode is not None:
                return False
            looks.append(look)
            self.check_tasks()
            await asyncio.sleep(min(LOOK, max(0.1, until - time.monotonic())))
        anon, rss, fds, threads = (statistics.median(column) for column in zip(*looks))
        counts = [int(await self.metric(r'reflector_objects\{resource="%s"\}' % r) or 0)
                  for r in ("neo4jbackups", "neo4jbackupruns", "jobs", "pods")]  # fmt: skip
        queue, lists = await self.metric(r"workqueue_depth\{.*\}"), await self.metric(r"reflector_lists_total\{.*\}")
        row = [time.monotonic() - self.started, anon, rss, fds, threads, self.controller.cpu_seconds(), *counts,
               int(queue or 0), sum(self.changes.done.values()), len(self.made.runs), self.cuts, int(lists or 0),
               self.refused]  # fmt: skip
        self.rows.append(row)
        say("| %d | %.2f | %.2f | %g | %g | %.1f | %s |" % (*row[:6], " | ".join("%d" % v for v in row[6:])))
        return True

    # --- the judgement

    def judge(self, what, good, text):
        self.passed += bool(good)
        self.failed += not good
        say("%s %s: %s" % ("ok  " if good else "FAIL", what, text))

    def sixths(self, column):
        """(median of the second sixth, of the last)"""
        n, values = len(self.rows), [row[column] if isinstance(column, int) else sum(row[column]) for row in self.rows]
        sixth = max(1, n // 6)
        return statistics.median(values[sixth : 2 * sixth] or values), statistics.median(values[-sixth:])

    async def settled_memory(self, controller):
        """(RssAnon, cached objects) of a process that has nothing to do."""
        for _ in range(600):
            if await asyncio.to_thread(controller.metric, r"workqueue_depth\{.*\}") == 0:
                break
            await asyncio.sleep(0.5)
        looks = []
        for _ in range(8):
            await asyncio.sleep(2)
            looks.append(controller.look()[0])
        return statistics.median(looks), await asyncio.to_thread(controller.metric, r"reflector_objects\{.*\}")

    async def new_memory(self, ns):
        controller = Controller(self)
        await controller.start("new.log", ns)
        for _ in range(600):
            if await asyncio.to_thread(controller.metric, r"leader_election_master_status\{.*\}"):
                break
            await asyncio.sleep(0.5)
        memory = await self.settled_memory(controller)
        await controller.stop()
        return memory

    async def judge_memory(self):
        (empty, _), (new, count) = await self.new_memory("none"), await self.new_memory(NS)
        old, old_count = self.old
        each = (new - empty) / max(1, count)
        (early, late), (before, after) = self.sixths(1), self.sixths(slice(6, 10))
        more = max(0, after - before) * each
        self.judge("memory", late - more <= early + max(0.1 * early, 0.5), "RssAnon %.2f MiB, then %.2f, with %d and %d objects of "
                   "%.1f KiB each" % (early, late, before, after, 1024 * each))  # fmt: skip
        self.judge("age", old <= new + max(0.5 * new, 4), "%.2f MiB with %d objects; a new process %.2f with %d, and %.2f with none" % (
            old, old_count, new, count, empty))  # fmt: skip

    def judge_figures(self):
        for column, few, name in ((3, FEW_FDS, "fds"), (4, 0, "threads")):
            early, late = self.sixths(column)
            self.judge(name, abs(late - early) <= few, "%g, then %g" % (early, late))

    @staticmethod
    def is_pinned(run):
        """Then no limit counts it."""
        return run["metadata"].get("annotations", {}).get("neo4jbackup.dev/pinned") == "true" or run.get("status", {}).get("pinned")

    async def unsettled(self):
        """What is not as it should be in the end; empty: all is well."""
        wrong = []
        runs = (await self.admin.call("GET", path("neo4jbackupruns")))["items"]
        for b in (await self.admin.call("GET", path("neo4jbackups")))["items"]:
            meta, status, name = b["metadata"], b.get("status", {}), b["metadata"]["name"]
            notes = meta.get("annotations", {})
            if "deletionTimestamp" in meta:
                wrong.append("%s is being deleted" % name)
            if status.get("observedGeneration") != meta["generation"]:
                wrong.append("%s: generation %s of %s" % (name, status.get("observedGeneration"), meta["generation"]))
            if status.get("active"):
                wrong.append("%s has active runs" % name)
            for note, field in (("run-requested", "lastHandledRequest"), ("refresh-requested", "lastHandledRefresh")):
                if notes.get("neo4jbackup.dev/" + note) != status.get(field):
                    wrong.append("%s: %s is not answered" % (name, note))
            own = [r.get("status", {}).get("result") for r in runs if r["metadata"]["ownerReferences"][0]["uid"] == meta["uid"]
                   and not self.is_pinned(r)]  # fmt: skip
            good = own.count("Succeeded")
            if good > b["spec"]["successfulRunsHistoryLimit"] or len(own) - good > b["spec"]["failedRunsHistoryLimit"]:
                wrong.append("%s has %d runs, %d of them good" % (name, len(own), good))
        for o in runs + (await self.admin.call("GET", path("neo4jrestores")))["items"]:
            reasons = {c["type"]: c["reason"] for c in o.get("status", {}).get("conditions", [])}
            if reasons.get("Progressing") == "SourceNotFound":
                continue  # its policy was deleted; it waits for one of that name
            if not o.get("status", {}).get("result"):
                wrong.append("%s has not ended" % o["metadata"]["name"])
        for job in (await self.admin.call("GET", batch(NS)))["items"]:
            if not any(c["type"] in ("Complete", "Failed") for c in job.get("status", {}).get("conditions", [])):
                wrong.append("Job %s has not ended" % job["metadata"]["name"])
        if await self.metric(r"workqueue_depth\{.*\}") != 0:
            wrong.append("the queue is not empty")
        return wrong

    async def judge_settled(self):
        start, wrong = time.monotonic(), ["all"]
        while wrong and time.monotonic() < start + SETTLE and self.controller.process.returncode is None:
            await asyncio.sleep(2)
            wrong = await self.unsettled()
        self.judge("reconciled", not wrong, "; ".join(wrong[:5]) or "all, %.0f s after the last change" % (time.monotonic() - start))
        twice, late = self.made.twice(self.gone)
        self.judge("once", not twice, "%d runs, %d Jobs, twice: %s; again for a policy that was being deleted: %d" % (
            len(self.made.runs), len(self.made.jobs), twice[:3] or "none", len(late)))  # fmt: skip
        if self.controller.process.returncode is None:
            self.old = await self.settled_memory(self.controller)

    async def judge_end(self):
        alive = self.controller.process.returncode is None
        code = None
        if alive:
            self.controller.process.terminate()
            try:
                code = await asyncio.wait_for(self.controller.process.wait(), 60)
            except asyncio.TimeoutError:
                pass
        else:
            code = self.controller.process.returncode
        lines = (self.dir / "soak.log").read_text(encoding="utf-8", errors="replace").splitlines()
        terms = len([1 for line in lines if '"leading"' in line])
        self.judge("alive", alive and code == 0, "%s, exit code %s, Lease held %d times" % (
            "to the end" if alive else "not to the end", code, terms))  # fmt: skip
        bad = [line for line in lines if '"level":"error"' in line or "Sanitizer" in line or "runtime error" in line]
        warned = collections.Counter(re.sub(r"'[^']*'", "'…'", m.group(1)) for m in (
            re.search(r'"level":"warn".*?"msg":"([^"]*)"', line) for line in lines) if m)  # fmt: skip
        self.judge("log", not bad, "%d lines of level error; warnings: %s%s" % (
            len(bad), dict(warned.most_common(6)), "".join("\n     " + line[:400] for line in bad[:10])))  # fmt: skip
        t = self.tokens
        self.judge("tokens", t.refused == t.probes and (t.probes or self.args.seconds < 120), "%d, %d of %d old ones refused afterwards; "
                   "%d requests had an old one" % (t.count, t.refused, t.probes, self.refused))  # fmt: skip
        if alive and not self.sanitizer:
            await self.judge_memory()

    async def run(self):
        say("seed %d" % self.args.seed)
        await self.set_up()
        self.started = time.monotonic()
        self.keep("tokens", self.tokens.run())
        self.keep("changes", self.changes.run())
        self.keep("cuts", self.cut())
        self.keep("depth", self.watch_depth())
        say("| %s |\n|%s" % (" | ".join(COLUMNS), "---|" * len(COLUMNS)))
        alive = True
        while alive and time.monotonic() < self.started + self.args.seconds - 1:
            alive = await self.row(min(60, self.started + self.args.seconds - time.monotonic()))
        seconds = time.monotonic() - self.started
        self.tasks.pop("changes").cancel()
        self.tasks.pop("cuts").cancel()
        for task in list(self.tokens.tasks):
            if task.done() and task.exception():
                raise task.exception()
        done = self.changes.done
        say("\n%.1f changes a second: %s%s" % (sum(done.values()) / seconds, dict(done), dict(self.changes.errors) or ""))
        if alive:
            await self.changes.calm()
            self.judge_figures()
            await self.judge_settled()
            say("CPU %.1f s; %d answers, %d writes, %d events; load %s" % (
                self.controller.cpu_seconds(), self.answers, self.writes, self.events, " ".join("%.1f" % v for v in os.getloadavg())))  # fmt: skip
        await self.judge_end()
        say("%d passed, %d failed" % (self.passed, self.failed))
        return self.failed


async def run(args):
    soak = Soak(args)
    try:
        return await soak.run()
    finally:
        for task in soak.tasks.values():
            task.cancel()
        process = soak.controller.process
        if process and process.returncode is None:
            process.kill()
            await process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir")
    parser.add_argument("--controller", required=True)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--policies", type=int, default=200)
    parser.add_argument("--rate", type=float, default=5)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--metrics-port", type=int, default=17680)
    sys.exit(1 if asyncio.run(run(parser.parse_args())) else 0)


if __name__ == "__main__":
    main()

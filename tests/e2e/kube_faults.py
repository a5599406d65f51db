#!/usr/bin/env python3
"""The controller, through faults, before a real API server.

A case is made from its number alone: a scenario, a kind of fault (kube_proxy.py), and where it strikes. One controller
process, or two, speaks to the API server through a proxy that plays the fault; Node (kube_api.py) plays the kubelet, and the
Job controller and the garbage collector are Kubernetes' own. The end is looked at directly:

  * each time, token or once has exactly one Neo4jBackupRun, ever, and each run, restore, pin, list and prune one Job
  * all is stable within 60 s after the last fault
  * the end state is that of the same scenario without a fault, but for times, UIDs and versions
  * the controller goes on, and ends in order when it is told to

  kube_faults.py DIR FIRST COUNT [PARALLEL]       DIR: of apiserver.sh

CONTROLLER: the program (build/release/neo4j-backup-controller). MACHINE_LOAD_ALLOWANCE_SECONDS is added to the 60 s. Prints a line a failed case and, last, how many there were,
as tests/campaigns/run.sh wants it.
"""

import asyncio
import collections
import datetime
import difflib
import json
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kube_api import GROUP, Api, Made, Node, Refused, batch, policy, worker_log, worker_message  # noqa: E402
from kube_proxy import CLASSES, Fault, Proxy  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 60  # seconds from the last fault to a stable state
# What a machine that is busy with other things may take longer. Only who knows of its load sets that; the remarks say so.
ALLOWANCE = int(os.environ.get("MACHINE_LOAD_ALLOWANCE_SECONDS", "0"))
NO_POD = 45  # seconds after which a Job without a pod is looked at
QUIET = 1.5  # seconds without a write: stable
DAY = 86400
SCENARIOS = ["tokens", "slots", "delete", "restore", "extras", "recreated"]
NAME = "graph"


class Wrong(Exception):
    """What a case is there to find."""


class Elsewhere(Exception):
    """Kubernetes' own Job controller makes no pod for a Job whose name a deleted one had (it waits for its expectations of that
    one): nothing that a controller of ours could do better."""


# --- a controller process ------------------------------------------------------------------------


class Controller:
    def __init__(self, case, number):
        self.case, self.proxy = case, Proxy(case, self)
        self.dir = case.dir / str(number)
        self.process, self.starting = None, None

    async def prepare(self):
        self.dir.mkdir(parents=True)
        (self.dir / "clock-shift").symlink_to(self.case.dir / "clock-shift")
        port = await self.proxy.start()
        (self.dir / "kubeconfig").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:%d" % port}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))  # fmt: skip

    async def start(self):
        world = self.case.world
        env = {"LD_PRELOAD": str(world.shim)} if world.shim else {}
        with open(self.dir / "log", "ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                world.program, "--kubeconfig=kubeconfig", "--namespace=" + self.case.ns, "--worker-image=worker:1",
                "--leader-elect=" + ("true" if self.case.two else "false"), "--lease-namespace=" + self.case.ns,
                "--lease-name=lease", "--metrics-addr=0", "--log-format=json", "--verify-neo4j-image=neo4j:5",
                cwd=self.dir, env=env, stderr=log)  # fmt: skip

    async def kill(self):
        """kill -9, and started again a moment later."""
        self.process.kill()
        await self.process.wait()
        self.starting = asyncio.ensure_future(self.start_later())

    async def start_later(self):
        await asyncio.sleep(self.case.rng.choice((0, 0.2, 1)))
        await self.start()

    async def stop(self):
        if self.starting:
            await self.starting
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            code = await asyncio.wait_for(self.process.wait(), 20)
        except asyncio.TimeoutError:
            self.process.kill()
            code = "no end within 20 s"
        self.proxy.stop()
        if code != 0:
            raise Wrong("a controller ended with %s" % code)

    def log(self):
        return (self.dir / "log").read_text(encoding="utf-8", errors="replace")


# --- a case ----------------------------------------------------------------------------------------


class Case:
    def __init__(self, world, name, scenario, fault, rng, two=False):
        self.world, self.scenario, self.fault, self.rng, self.two = world, scenario, fault, rng, two
        self.ns = "f-%s-%d" % (name, world.started)
        self.dir = world.dir / name
        self.controllers, self.proxies, self.lists = [], [], {}
        self.writes = self.events = self.answers = 0
        self.last_fault = self.last_write = time.monotonic()
        self.slowest, self.limit, self.elsewhere = 0.0, world.limit, False
        self.made = Made()
        self.recreate_at, self.gone, self.late = 0, set(), 0  # gone: UIDs of policies that were deleted
        self.clock = 0
        fault.case = self
        world.cases[self.ns] = self

    # --- what the API server shows, and what is asked of it

    @property
    def api(self):
        return self.world.admin

    def path(self, plural, name=""):
        return "%s/namespaces/%s/%s%s" % (GROUP, self.ns, plural, "/" + name if name else "")

    def backup(self, name=NAME):
        return self.path("neo4jbackups", name)

    async def annotate(self, path, key, value):
        await self.api.merge(path, {"metadata": {"annotations": {"neo4jbackup.dev/" + key: value}}})

    async def until(self, what, seen):
        start = time.monotonic()
        while True:
            found = await seen()
            now = time.monotonic()
            if found:
                self.slowest = max(self.slowest, now - max(start, self.last_fault) if self.fault.hits else 0)
                return found
            if now > start + NO_POD:
                await self.look_elsewhere()
            if now > max(start, self.last_fault) + self.limit:
                raise Wrong("not within %d s: %s" % (self.limit, what))
            await asyncio.sleep(0.3)

    async def ended(self, count):
        """That many runs are in the policy's history."""

        async def seen():
            b = await self.api.get(self.backup())
            return b and len(b.get("status", {}).get("history", [])) == count and not b["status"].get("active")

        await self.until("%d runs in the history" % count, seen)

    async def quiet(self):
        async def seen():
            return time.monotonic() - max(self.last_write, self.last_fault) > QUIET

        await self.until("an end of writes", seen)

    async def look_elsewhere(self):
        for job in (await self.api.call("GET", batch(self.ns)))["items"]:
            status, meta = job.get("status", {}), job["metadata"]
            twice = len([1 for _, name in self.made.jobs.values() if name == meta["name"]]) > 1
            if twice and "startTime" in status and not status.get("active") and not status.get("conditions"):
                raise Elsewhere(meta["name"])

    # --- faults

    def shift_clock(self, seconds):
        self.clock += seconds
        (self.dir / "clock-shift").write_bytes(struct.pack("=q", self.clock))

    async def crash(self, controller):
        await controller.kill()

    async def freeze(self, controller):
        """Until the other one has taken over."""
        controller.process.send_signal(signal.SIGSTOP)
        lease = "/apis/coordination.k8s.io/v1/namespaces/%s/leases/lease" % self.ns
        holder = (await self.api.call("GET", lease))["spec"]["holderIdentity"]
        for _ in range(400):
            if (await self.api.call("GET", lease))["spec"]["holderIdentity"] not in (holder, ""):
                break
            self.fault.hit()
            await asyncio.sleep(0.1)
        else:
            raise Wrong("nobody took over")
        await asyncio.sleep(self.rng.choice((0, 0.5, 3)))
        if controller.process.returncode is None:  # the case may be over
            controller.process.send_signal(signal.SIGCONT)

    # --- what the pods say

    def plan_of(self, pod):
        label = pod["metadata"]["labels"]
        kind, name = label.get("neo4jbackup.dev/job", ""), label.get("neo4jbackup.dev/run-name", "")
        token = next((r["token"] for r in self.made.runs.values() if r["name"] == name), "")
        return (0.6 if token == "a" else 0.1, *worker_message(kind, name, token != "b"))

    def log_of(self, request):
        return worker_log(request.path.split("/")[-2])

    # --- the judgement

    def check_once(self):
        twice, late = self.made.twice(self.gone)
        self.late = len(late)
        if twice:
            raise Wrong("made twice: %s" % twice)

    async def state(self):
        """The end state as text, without what differs from one time to the next."""
        out = []
        for plural in ("neo4jbackups", "neo4jbackupruns", "neo4jrestores"):
            out += (await self.api.call("GET", self.path(plural)))["items"]
        out += (await self.api.call("GET", batch(self.ns)))["items"]
        text = "".join(json.dumps(plain(o), indent=1, sort_keys=True) + "\n" for o in out)
        return unify(text)

    async def run(self):
        self.dir.mkdir(parents=True)
        self.shift_clock(0)
        await self.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": self.ns}})
        scenario = Scenarios(self)
        steps = getattr(scenario, self.scenario)
        await scenario.set_up()
        for i in range(2 if self.two else 1):
            controller = Controller(self, i)
            await controller.prepare()
            self.controllers.append(controller)
            self.proxies.append(controller.proxy)
        for controller in self.controllers:
            await controller.start()
        await steps()
        await self.quiet()
        for controller in self.controllers:
            await controller.stop()
        self.check_once()
        for controller in self.controllers:
            for word in ("PlanUnsettled", "Sanitizer", '"level":"error"'):
                if word in controller.log() and not (word.startswith('"level') and self.fault.hits):
                    raise Wrong("the controller said %s" % word)
        return await self.state()

    async def clean(self):
        for controller in self.controllers:
            if controller.process and controller.process.returncode is None:
                controller.process.kill()
                await controller.process.wait()
            controller.proxy.stop()
        self.world.cases.pop(self.ns, None)


# --- what makes two end states comparable --------------------------------------------------------------

DROPPED = {"uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "jobUID", "controllerUid", "duration",
           "durationSeconds", "lastDurationSeconds", "batch.kubernetes.io/controller-uid", "controller-uid",
           "progress"}  # fmt: skip


def plain(o):
    if isinstance(o, dict):
        return {k: plain(v) for k, v in o.items() if k not in DROPPED}
    if isinstance(o, list):
        items = [plain(v) for v in o]
        return sorted(items, key=lambda c: c["type"]) if items and isinstance(items[0], dict) and "type" in items[0] else items
    return o


def without_time(text):
    """What a clock that jumps changes in truth. A log is waited for a minute: what only it says may be missing. A pod of which
    the clock says that it has waited for a day has waited."""
    out = []
    for o in json.loads("[" + text.replace("\n}\n{", "\n},\n{") + "]"):
        for key in ("artifacts", "stored", "restorePoints"):
            o.get("status", {}).pop(key, None)
        conditions = o.get("status", {}).get("conditions", [])
        conditions[:] = [c for c in conditions if (c["type"], c["status"]) != ("Waiting", "False")]
        out.append(json.dumps(o, indent=1, sort_keys=True))
    return "\n".join(out)


def unify(text):
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID", text)
    text = re.sub(r" in \d+m?s", " in TIME", text)
    text = re.sub(r"(for pod [\w-]+/[\w-]+)-\w{5} ", r"\1-POD ", text)
    text = re.sub(r"\bf-[\w-]+\b", "NS", text)
    text = re.sub(r'"\d+ \d+ \* \* \*', '"SCHEDULE', text)
    text = re.sub(NAME + r"-([np])[0-9a-f]{8}\b", NAME + r"-\1HASH", text)  # of a UID
    slots = sorted(set(re.findall(NAME + r"-(\d{8})\b", text)))
    for i, slot in enumerate(slots):
        text = text.replace(NAME + "-" + slot, "%s-slot%d" % (NAME, i))
    return text


# --- scenarios ------------------------------------------------------------------------------------------------


class Scenarios:
    """What a person does, and what is waited for. set_up() comes before the controller is started."""

    def __init__(self, case):
        self.case, self.api = case, case.api

    async def create(self, *args, **more):
        return await self.api.call("POST", self.case.path("neo4jbackups"), policy(*args, **more))

    async def set_up(self):
        case = self.case
        if case.scenario == "slots":
            # Yesterday first; a time of day that is hours away on both sides.
            case.shift_clock(-DAY)
            at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=7)
            await self.create(NAME, schedule="%d %d * * *" % (at.minute, at.hour))
            past = (at - datetime.timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:00Z")
            await self.api.merge(case.backup() + "/status", {"status": {"lastScheduleTime": past}})
        elif case.scenario == "recreated":
            await self.create(NAME)
        else:
            retention = {"onDelete": "Delete", "days": 30} if case.scenario == "delete" else {"days": 30}
            await self.create(NAME, {"run-requested": "a"}, schedule="0 0 29 2 *", retention=retention)

    async def tokens(self):
        async def active():
            b = await self.api.get(self.case.backup())
            return b["status"].get("active") if "status" in b else None

        await self.case.until("a first run", active)
        await self.case.annotate(self.case.backup(), "run-requested", "b")  # it waits for the first one
        await self.case.ended(2)
        await self.case.annotate(self.case.backup(), "run-requested", "c")
        await self.case.ended(3)

    async def slots(self):
        await self.case.ended(1)
        await self.case.quiet()
        self.case.shift_clock(DAY)
        await self.case.ended(2)

    async def delete(self):
        async def gone():
            return await self.api.get(self.case.backup()) is None

        async def empty():
            left = [await self.api.call("GET", self.case.path("neo4jbackupruns")), await self.api.call("GET", batch(self.case.ns))]
            return not any(page["items"] for page in left)

        await self.case.ended(1)
        await self.api.delete(self.case.backup())
        await self.case.until("the policy is gone", gone)
        await self.case.until("all is gone", empty)
        if len([1 for _, name in self.case.made.jobs.values() if name.startswith(NAME + "-p")]) != 1:
            raise Wrong("not one prune Job: %s" % sorted(self.case.made.jobs.values()))

    async def restore(self):
        case = self.case
        body = {"apiVersion": "neo4jbackup.dev/v1", "kind": "Neo4jRestore", "metadata": {"name": "back"}, "spec": {
            "source": {"backupRef": {"name": NAME}}, "job": {"backoffLimit": 0},
            "target": {"connection": {"uri": "bolt://neo4j:7687", "authSecretRef": {"name": "n"}}}}}  # fmt: skip

        async def done():
            r = await self.api.get(case.path("neo4jrestores", "back"))
            return r.get("status", {}).get("result")

        await case.ended(1)
        await self.api.call("POST", case.path("neo4jrestores"), body)
        await case.until("the restore has ended", done)

    async def extras(self):
        case = self.case

        async def pinned():
            runs = (await self.api.call("GET", case.path("neo4jbackupruns")))["items"]
            return runs[0].get("status", {}).get("pinned")

        async def listed():
            return (await self.api.get(case.backup()))["status"].get("lastHandledRefresh") == "r1"

        await case.ended(1)
        run = (await self.api.call("GET", case.path("neo4jbackupruns")))["items"][0]["metadata"]["name"]
        await case.annotate(case.path("neo4jbackupruns", run), "pinned", "true")
        await case.annotate(case.backup(), "refresh-requested", "r1")
        await case.until("the run is pinned", pinned)
        await case.until("the bucket was listed", listed)

    async def recreated(self):
        case = self.case

        async def reached():
            return case.writes >= case.recreate_at or (await self.api.get(case.backup())).get("status", {}).get("history")

        await case.until("the moment", reached)
        case.gone.add((await self.api.get(case.backup()))["metadata"]["uid"])
        await self.api.delete(case.backup())
        uid = (await self.create(NAME))["metadata"]["uid"]
        await case.ended(1)

        async def alone():
            runs = (await self.api.call("GET", case.path("neo4jbackupruns")))["items"]
            jobs = (await self.api.call("GET", batch(case.ns)))["items"]
            return len(runs) == 1 and len(jobs) == 1 and runs[0]["metadata"]["ownerReferences"][0]["uid"] == uid

        await case.until("nothing of the old one is left", alone)


# --- all of them -----------------------------------------------------------------------------------------------


class World:
    def __init__(self, directory, work):
        text = (pathlib.Path(directory) / "admin.kubeconfig").read_text()
        url = re.search(r'server: "([^"]+)"', text).group(1)
        self.admin, self.controller = Api(url, "admin"), Api(url, "controller")
        self.dir = pathlib.Path(work)
        self.started = int(time.time())
        self.program = os.environ.get("CONTROLLER", str(TOP / "build/release/neo4j-backup-controller"))
        self.cases, self.references = {}, {}
        self.limit = LIMIT + ALLOWANCE
        self.shim = self.dir / "clock_shift.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-D_GNU_SOURCE", "-o", self.shim,
                        TOP / "tests/e2e/clock_shift.c"], check=True)  # fmt: skip
        if "asan" in self.program or "tsan" in self.program:
            self.shim = None

    def plan(self, pod):
        case = self.cases.get(pod["metadata"]["namespace"])
        return case.plan_of(pod) if case else None

    def saw(self, what):
        def on_event(kind, o):
            case = self.cases.get(o["metadata"]["namespace"])
            if case and kind != "DELETED":
                getattr(case.made, what)(o)

        return on_event

    async def watch(self):
        await asyncio.gather(
            Node(self.admin, self.plan).run(),
            self.admin.watch(GROUP + "/neo4jbackupruns", self.saw("saw_run")),
            self.admin.watch("/apis/batch/v1/jobs", self.saw("saw_job")),
        )

    async def reference(self, scenario):
        case = Case(self, "ref-" + scenario, scenario, Fault(0, None), random.Random(0))
        try:
            state = await case.run()
            self.references[scenario] = {"state": state, "writes": case.writes, "events": case.events, "answers": case.answers}
        finally:
            await case.clean()

    def make(self, number):
        """The case of that number."""
        rng = random.Random(number)
        kinds = list(CLASSES)
        kind = kinds[number % len(kinds)]
        turn = number // len(kinds)
        scenario = "recreated" if kind == "recreated" else SCENARIOS[(turn + number % len(kinds)) % len(SCENARIOS)]
        fault = CLASSES[kind](1, rng)
        size = self.references[scenario][fault.at]
        # The places among the writes in turn, far from each other; any among the many answers and events.
        k = 1 + int((turn // len(SCENARIOS) + turn % len(SCENARIOS) / 9) * 0.6180339887 % 1 * size) if fault.at == "writes" else rng.randint(1, size)
        fault = CLASSES[kind](k, random.Random(number))
        fault.streams = kind == "half" or turn % 3 != 2  # else of an API server without them
        case = Case(self, "%s-%d" % (kind, number), scenario, fault, rng, two=kind == "frozen")
        if scenario == "recreated":
            case.recreate_at = k if kind == "recreated" else rng.randint(1, self.references[scenario]["writes"])
        case.what = "%s, %s %d of %d%s" % (scenario, fault.at, k, size, "" if fault.streams else ", lists in pages")
        return case

    async def one(self, number):
        case = self.make(number)
        start = time.monotonic()
        try:
            state = await asyncio.wait_for(case.run(), 300)
            wanted = self.references[case.scenario]["state"]
            if isinstance(case.fault, CLASSES["clock"]):
                state, wanted = without_time(state), without_time(wanted)
            if state != wanted:
                diff = difflib.unified_diff(wanted.splitlines(), state.splitlines(), "undisturbed", "now", lineterm="", n=2)
                raise Wrong("another end state\n" + "\n".join(diff))
            return case, None
        except Elsewhere:
            case.elsewhere = True
            return case, None
        except (Wrong, Refused, asyncio.TimeoutError) as e:
            kept = pathlib.Path(os.environ.get("KEEP", "/dev/null"))
            for i, controller in enumerate(case.controllers if kept.is_dir() else []):
                (kept / ("%s.%d.log" % (case.ns, i))).write_text(controller.log())
            return case, "%s (%.0f s): %s" % (case.what, time.monotonic() - start, e or "no end within 300 s")
        finally:
            await case.clean()


async def main(directory, first, count, parallel):
    with tempfile.TemporaryDirectory() as work:
        world = World(directory, work)
        watching = asyncio.ensure_future(world.watch())
        await asyncio.sleep(0.2)
        await asyncio.gather(*(world.reference(s) for s in SCENARIOS))
        numbers, failed, hit, elsewhere, late, slowest = iter(range(first, first + count)), 0, 0, 0, 0, 0.0
        by_class = collections.Counter()

        async def worker():
            nonlocal failed, hit, elsewhere, late, slowest
            for number in numbers:
                case, fault = await world.one(number)
                kind = list(CLASSES)[number % len(CLASSES)]
                hit += case.fault.hits > 0 or kind == "recreated"
                elsewhere += case.elsewhere
                late += case.late > 0
                slowest = max(slowest, case.slowest)
                if fault:
                    failed += 1
                    by_class[kind] += 1
                    print("failed %d %s: %s" % (number, kind, fault), flush=True)

        await asyncio.gather(*(worker() for _ in range(parallel)))
        watching.cancel()
        remarks = "%d struck, stable after at most %.0f s" % (hit, slowest)
        if ALLOWANCE:
            remarks += " (%d s allowed for the machine's load)" % ALLOWANCE
        if elsewhere:
            remarks += "; %d held up by the Job controller" % elsewhere
        if late:
            remarks += "; %d made again for a policy that was deleted" % late
        if by_class:
            remarks += "; failed: " + ", ".join("%s %d" % pair for pair in sorted(by_class.items()))
        print("controller-faults\t%d\t%d\t%d\t%s" % (count, count - failed, failed, remarks))
        return failed


if __name__ == "__main__":
    arguments = [int(a) for a in sys.argv[2:]]
    sys.exit(1 if asyncio.run(main(sys.argv[1], *arguments[:2], (arguments[2:] or [8])[0])) else 0)

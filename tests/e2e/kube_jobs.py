#!/usr/bin/env python3
"""Specs of all three kinds, changed by their own schemas, up to the Job: before a real API server and a real controller.

A case is made from its number alone: a kind, a field of its spec, and a value (kube_values.py). The API server refuses it, by a
sentence that names the field; or there is a Job, which is what the docs say of that spec in every field (kube_model.py); or
there is one condition that says what is wrong. Of each case:

  backup    a policy and its first run's Job; then it is changed and a run asked for; then the change is taken back and a
            run asked for: its Job is the first one again
  restore   a restore, made with the changed spec; then a good one, which has its Job and its end within 60 s
  run       the same with a Neo4jBackupRun of a policy; one that is no policy's is told so

Node (kube_api.py) plays the kubelet. What was made is deleted and is gone; the controller is never started again; nothing of a
Secret is in any Job, status or log.

  kube_jobs.py DIR FIRST COUNT [PARALLEL]       as kube_faults.py, which see
"""

import asyncio
import collections
import copy
import json
import pathlib
import random
import re
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import kube_model as model  # noqa: E402
import kube_values as values  # noqa: E402
from kube_api import Made, Refused, batch, spec, worker_message  # noqa: E402
from kube_faults import ALLOWANCE, Case, Controller, World, Wrong  # noqa: E402
from kube_proxy import Fault  # noqa: E402

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/%s.neo4jbackup.dev"
KINDS = {"backup": ("neo4jbackups", "Neo4jBackup"), "restore": ("neo4jrestores", "Neo4jRestore"), "run": ("neo4jbackupruns", "Neo4jBackupRun")}
TURNS = ("backup", "restore", "backup", "run")
CANARY = "canary-5f1c0de"


class Seen(Made):
    """All runs and Jobs that ever were, as they were last."""

    def __init__(self):
        super().__init__()
        self.run, self.job = {}, {}

    def saw_run(self, run):
        self.run[run["metadata"]["name"]] = run
        if run["metadata"].get("ownerReferences"):
            super().saw_run(run)

    def saw_job(self, job):
        self.job[job["metadata"]["name"]] = job
        super().saw_job(job)

    def run_of(self, policy, token):
        """Of a policy, by what it was asked by."""
        for run in self.run.values():
            meta = run["metadata"]
            owner = (meta.get("ownerReferences") or [{}])[0].get("name")
            if owner == policy and meta.get("annotations", {}).get("neo4jbackup.dev/token") == token:
                return run
        return None


def condition(o, kind):
    return next((c for c in o.get("status", {}).get("conditions", []) if c["type"] == kind), {"status": "Unknown", "reason": "", "message": ""})


def ended(o):
    return condition(o, "Succeeded")["status"] != "Unknown"


def comparable(job):
    """Without what a name, a UID and a time are in."""
    name = job["metadata"]["name"]
    text = json.dumps(model.plain_job(job), sort_keys=True).replace(name, "NAME")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)


class Field:
    """The changed field of a case."""

    def __init__(self, number, schemas, bases):
        self.number, self.rng = number, random.Random(number)
        self.kind = TURNS[number % len(TURNS)]
        turn = number // len(TURNS) * TURNS.count(self.kind) + TURNS[:number % len(TURNS)].count(self.kind)
        every = list(values.fields(schemas[self.kind]))
        self.path, sub = every[turn % len(every)]
        self.base = bases[self.kind](self)
        self.change = values.change_of(schemas[self.kind], self.path, sub, self.rng, self.base)
        self.what = "%s %s = %s" % (self.kind, ".".join(map(str, self.path)), json.dumps(self.change)[:200])

    def words(self):
        return [str(p) for p in self.path if p not in (0, "template")]

    def named_in(self, text):
        """Whether a refusal says where: in the words of the definition, or in those of a pod."""
        words = [w for w in self.words() if len(w) > 2] + leaves(self.change)
        return any(w.lower() in text.lower() for w in words) or re.search(r"spec\.template\.(spec|metadata)\.\w+", text)


def leaves(change):
    if isinstance(change, dict):
        return [k for k in change if len(k) > 2] + [w for v in change.values() for w in leaves(v)]
    return [w for v in change for w in leaves(v)] if isinstance(change, list) else []


class Jobs:
    """All cases of one run of this program: one namespace, one controller."""

    def __init__(self, world, case, schemas):
        self.world, self.case, self.api, self.schemas, self.seen = world, case, case.api, schemas, case.made
        self.bases = {"backup": lambda f: self.base_spec, "restore": self.restore_base, "run": self.run_base}
        self.outcomes, self.slowest = collections.Counter(), 0.0

    # --- asking

    async def until(self, what, look, seconds=None):
        start = time.monotonic()
        while True:
            found = look()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                self.slowest = max(self.slowest, time.monotonic() - start)
                return found
            if self.case.controllers and self.case.controllers[0].process.returncode is not None:
                raise Wrong("the controller has ended")
            if time.monotonic() - start > (seconds or self.case.limit):
                raise Wrong("not within %d s: %s" % (seconds or self.case.limit, what))
            await asyncio.sleep(0.1)

    def body(self, kind, name, its_spec, **meta):
        return {"apiVersion": "neo4jbackup.dev/v1", "kind": KINDS[kind][1], "metadata": {"name": name, **meta}, "spec": its_spec}

    async def create(self, kind, name, its_spec, query="", **meta):
        return await self.api.call("POST", self.case.path(KINDS[kind][0]) + query, self.body(kind, name, its_spec, **meta))

    async def get(self, kind, name):
        return await self.api.get(self.case.path(KINDS[kind][0], name))

    async def remove(self, kind, name):
        await self.api.delete(self.case.path(KINDS[kind][0], name))

        async def gone():
            return await self.get(kind, name) is None

        await self.until("the end of %s '%s'" % (kind, name), gone)

    # --- what all cases stand on

    async def set_up(self):
        for name in ("r2", "n", "a", "a.b-c"):
            data = {k: CANARY for k in ("NEO4J_PASSWORD", "R2_SECRET_ACCESS_KEY", "k", "identity", "ca.crt", "signing.pem")}
            await self.api.call("POST", "/api/v1/namespaces/%s/secrets" % self.case.ns, {"metadata": {"name": name}, "stringData": data})
        self.base_spec = spec(schedule="0 0 29 2 *", retention={"days": 30})
        self.policy = await self.create("backup", "base", {**self.base_spec, "concurrencyPolicy": "Allow", "successfulRunsHistoryLimit": 1000,
                                                           "failedRunsHistoryLimit": 1000},
                                        annotations={"neo4jbackup.dev/run-requested": "a"})  # fmt: skip
        self.template = {k: v for k, v in self.policy["spec"].items() if k in self.schemas["run"]["properties"]["template"]["properties"]}
        run = await self.until("the run that restores read from", lambda: self.seen.run_of("base", "a"))
        await self.until("its end", lambda: ended(self.seen.run[run["metadata"]["name"]]))
        self.source = self.seen.run[run["metadata"]["name"]]
        if condition(self.source, "Succeeded")["status"] != "True":
            raise Wrong("the first run failed: %s" % condition(self.source, "Succeeded"))

    def restore_base(self, field):
        r2 = spec()["storage"]
        source = field.rng.choice(({"backupRef": {"name": "base"}}, {"runRef": {"name": self.source["metadata"]["name"]}},
                                   {"storage": r2, "key": "p/neo4j_1.manifest.json"}))  # fmt: skip
        return {"source": source, "target": {"connection": {"uri": "bolt://t%d:7687" % field.number, "authSecretRef": {"name": "n"}}},
                "job": {"backoffLimit": 0}}  # fmt: skip

    def run_base(self, field):
        return {"backupRef": {"name": "base"}, "trigger": "Manual", "scheduledTime": "2026-01-01T00:00:00Z", "template": self.template}

    def owner(self):
        return [{"apiVersion": "neo4jbackup.dev/v1", "kind": "Neo4jBackup", "name": "base", "uid": self.policy["metadata"]["uid"],
                 "controller": True, "blockOwnerDeletion": True}]  # fmt: skip

    # --- the judgement

    def judge(self, job, expected):
        text = json.dumps(job)
        if CANARY in text:
            raise Wrong("the Job has what a Secret holds")
        try:
            diff = model.differences(expected, job)
        except ValueError as e:
            diff = str(e)
        if diff:
            raise Wrong("the Job is another one: " + diff)

    def judge_backup(self, job, run, policy):
        t, p = run["spec"]["template"], model.Pod()
        model.backup_pod(p, t, run, policy)
        names = {"backup": policy["metadata"]["name"], "run": run["metadata"]["name"]}
        self.judge(job, model.expected_job("backup", run, p, t["job"], names, t))

    def source_of(self, restore):
        """(the template that it reads by, what it reads); None: there is no such thing."""
        source = restore["spec"]["source"]
        if "key" in source:
            return {"storage": source["storage"]}, {"keys": source["key"]}
        if source.get("runRef", {}).get("name") == self.source["metadata"]["name"]:
            return self.source["spec"]["template"], {"keys": self.source["status"]["manifestKey"]}
        if source.get("backupRef", {}).get("name") == "base":
            return self.policy["spec"], {"owner": "%s/base" % self.case.ns}
        return None, None

    def judge_restore(self, job, restore):
        t, source = self.source_of(restore)
        if t is None:
            raise Wrong("a Job, and nothing to read from")
        p = model.Pod()
        model.restore_pod(p, t, restore, source)
        names = {"restore": restore["metadata"]["name"]}
        self.judge(job, model.expected_job("restore", restore, p, restore["spec"]["job"], names, t))

    def judge_failure(self, field, o):
        """It ended without a Job: one condition says why."""
        c = condition(o, "Succeeded")
        if c["status"] != "False" or not c["reason"] or not c["message"]:
            raise Wrong("it ended without a Job and without a reason: %s" % c)
        if not field.named_in(c["message"]):
            raise Wrong("%s does not name the field: %s" % (c["reason"], c["message"][:400]))
        self.outcomes[c["reason"]] += 1

    def judge_refusal(self, field, e):
        if e.status not in (400, 413, 422):
            raise Wrong(str(e)) from e
        if not field.named_in(e.args[0]) and "spec" not in e.args[0]:
            raise Wrong("the refusal does not name the field: %s" % e)
        self.outcomes["refused at apply"] += 1

    async def end_of(self, get, job):
        """None: its pods need a class of priority, and there is none, so that it has no end."""
        if job["spec"]["template"]["spec"].get("priorityClassName"):
            self.outcomes["no such class of priority"] += 1
            return None

        async def look():
            o = await get()
            return o if ended(o) else None

        return await self.until("the end of " + job["metadata"]["name"], look)

    # --- a backup

    async def run_once(self, name, token):
        """(the Job or None, the run) of what was asked by that token."""
        def look():
            run = self.seen.run_of(name, token)
            job = run and self.seen.job.get(run["metadata"]["name"])
            return run if run and (job or ended(run)) else None

        run = await self.until("a Job, or a condition that says why not", look)
        return self.seen.job.get(run["metadata"]["name"]), self.seen.run[run["metadata"]["name"]]

    async def finish_run(self, run):
        name = run["metadata"]["name"]

        async def get():
            return self.seen.run[name]

        if await self.end_of(get, self.seen.job[name]) is None:
            await self.remove("run", name)

    async def good_run(self, policy, token):
        job, run = await self.run_once(policy["metadata"]["name"], token)
        if job is None:
            raise Wrong("the good spec made no Job: %s" % condition(run, "Succeeded"))
        self.judge_backup(job, run, policy)
        await self.finish_run(run)
        if condition(self.seen.run[run["metadata"]["name"]], "Succeeded")["status"] != "True":
            raise Wrong("the good run failed: %s" % condition(self.seen.run[run["metadata"]["name"]], "Succeeded"))
        return comparable(job)

    async def backup(self, field):
        name = "b%d" % field.number
        change = {"spec": field.change}
        try:
            await self.api.call("PATCH", self.case.backup("base") + "?dryRun=All", change, "application/merge-patch+json")
        except Refused as e:
            self.judge_refusal(field, e)
            return
        policy = await self.create("backup", name, self.base_spec, annotations={"neo4jbackup.dev/run-requested": "a"})
        before = await self.good_run(policy, "a")
        tokens = ["b", "c"] if field.number % 3 == 0 else ["b"]
        jobs = []
        for token in tokens:
            body = {**(change if token == "b" else {}), "metadata": {"annotations": {"neo4jbackup.dev/run-requested": token}}}
            changed = await self.api.merge(self.case.backup(name), body)
            job, run = await self.run_once(name, token)
            if {k: v for k, v in changed["spec"].items() if k in run["spec"]["template"]} != run["spec"]["template"]:
                raise Wrong("the run's template is not what the policy says")
            if job is None:
                self.judge_failure(field, run)
            else:
                self.judge_backup(job, run, changed)
                self.outcomes["Job"] += 1
                await self.finish_run(run)
            jobs.append(job and comparable(job))
        if jobs[0] != jobs[-1]:
            raise Wrong("the same spec made two Jobs: %s" % jobs)
        await self.take_back(name, policy, before)
        await self.remove("backup", name)

    async def take_back(self, name, policy, before):
        async def put():
            body = await self.get("backup", name)
            body["spec"] = copy.deepcopy(policy["spec"])
            body["metadata"]["annotations"]["neo4jbackup.dev/run-requested"] = "z"
            try:
                return await self.api.call("PUT", self.case.backup(name), body)
            except Refused as e:
                if e.status != 409:
                    raise
                return None

        after = await self.good_run(await self.until("the change is taken back", put), "z")
        if after != before:
            raise Wrong("taken back, the Job is another one:\n%s\n%s" % (before, after))

    # --- a restore

    async def restore_once(self, field, name):
        """Its Job is judged, or what it says instead; false: there is none."""
        o = None

        async def look():
            nonlocal o
            o = await self.get("restore", name)
            waits = condition(o, "Progressing")
            return self.seen.job.get(name + "-r") or ended(o) or waits["reason"] in ("SourceNotFound", "JobDenied")

        await self.until("a Job, or a condition that says why not", look)
        job = self.seen.job.get(name + "-r")
        if job:
            self.judge_restore(job, o)
            if field:
                self.outcomes["Job"] += 1

            async def get():
                return await self.get("restore", name)

            return await self.end_of(get, job) or True
        if ended(o):
            self.judge_failure(field, o)
        else:
            waits = condition(o, "Progressing")
            if not field.named_in(waits["message"]) and "exist" not in waits["message"]:
                raise Wrong("%s does not say for what: %s" % (waits["reason"], waits["message"]))
            self.outcomes[waits["reason"]] += 1
        return False

    async def restore(self, field):
        name = "s%d" % field.number
        try:
            await self.create("restore", name, values.merged(field.base, field.change))
        except Refused as e:
            self.judge_refusal(field, e)
            return
        await self.restore_once(field, name)
        await self.remove("restore", name)
        await self.good_restore(field, name + "g")

    async def good_restore(self, field, name):
        await self.create("restore", name, field.base)
        o = await self.restore_once(field, name)
        if not isinstance(o, dict) or condition(o, "Succeeded")["status"] != "True":
            raise Wrong("a good restore afterwards did not succeed: %s" % (o and condition(o, "Succeeded")))
        self.outcomes["Job"] -= 1
        await self.remove("restore", name)

    # --- a run

    async def run(self, field):
        name, stray = "n%d" % field.number, field.rng.random() < 0.15
        meta = {} if stray else {"ownerReferences": self.owner()}
        try:
            made = await self.create("run", name, values.merged(field.base, field.change), **meta)
        except Refused as e:
            self.judge_refusal(field, e)
            return
        await self.until("the run is seen", lambda: name in self.seen.run)

        def look():
            return self.seen.job.get(name) or ended(self.seen.run[name])

        await self.until("a Job, or a condition that says why not", look)
        job, run = self.seen.job.get(name), self.seen.run[name]
        stray = stray or made["spec"]["backupRef"]["name"] != "base"
        if job and stray:
            raise Wrong("a Job for a run that is no policy's")
        if job:
            self.judge_backup(job, run, self.policy)
            self.outcomes["Job"] += 1
            await self.finish_run(run)
        elif stray:
            self.judge_stray(run)
        else:
            self.judge_failure(field, run)
        await self.remove("run", name)
        await self.good_one_run(field, name + "g")

    def judge_stray(self, run):
        c = condition(run, "Succeeded")
        if c["reason"] != "NotOwned" or "run-requested" not in c["message"]:
            raise Wrong("a run that is no policy's is not told so: %s" % c)
        self.outcomes["NotOwned"] += 1

    async def good_one_run(self, field, name):
        run = await self.create("run", name, field.base, ownerReferences=self.owner())
        await self.until("a good run's Job", lambda: self.seen.job.get(name))
        self.judge_backup(self.seen.job[name], run, self.policy)
        await self.until("its end", lambda: ended(self.seen.run[name]))
        if condition(self.seen.run[name], "Succeeded")["status"] != "True":
            raise Wrong("a good run afterwards did not succeed: %s" % condition(self.seen.run[name], "Succeeded"))
        await self.remove("run", name)

    # --- all of them

    async def one(self, number):
        field = Field(number, self.schemas, self.bases)
        try:
            await getattr(self, field.kind)(field)
        except (Wrong, Refused, ValueError) as e:
            await self.leave(field)
            raise Wrong("%s: %s" % (field.what, e)) from e

    async def leave(self, field):
        """What a failed case has left is not in the way of the others."""
        for kind, names in (("backup", ["b"]), ("restore", ["s", "sg"]), ("run", ["n", "ng"])):
            for name in names if kind == field.kind else []:
                await self.api.delete(self.case.path(KINDS[kind][0], "%s%d%s" % (name[0], field.number, name[1:])))

    async def check_end(self):
        """Nothing is left, nothing was made twice, nothing says what a Secret holds."""
        async def empty():
            jobs = (await self.api.call("GET", batch(self.case.ns)))["items"]
            return all(j["metadata"]["name"] == self.source["metadata"]["name"] for j in jobs)

        await self.until("the Jobs of what was deleted are gone", empty)
        self.case.check_once()
        await self.case.controllers[0].stop()
        log = self.case.controllers[0].log()
        for word in ("PlanUnsettled", "Sanitizer", '"level":"error"', CANARY):
            if word in log:
                raise Wrong("the controller said %s: %s" % (word, next(line for line in log.splitlines() if word in line)[:400]))
        if CANARY in json.dumps(self.seen.run):
            raise Wrong("a run has what a Secret holds")


class JobsCase(Case):
    """Its pods all succeed, soon."""

    def plan_of(self, pod):
        label = pod["metadata"]["labels"]
        name = label.get("neo4jbackup.dev/run-name", "") or label.get("neo4jbackup.dev/restore-name", "")
        return (0.05, *worker_message(label.get("neo4jbackup.dev/job", ""), name))


async def schemas_of(api):
    out = {}
    for kind, (plural, _) in KINDS.items():
        crd = await api.call("GET", CRD % plural)
        out[kind] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return out


async def start(world, first):
    case = JobsCase(world, "jobs-%d" % first, "tokens", Fault(0, None), random.Random(first))
    case.made = Seen()
    case.dir.mkdir(parents=True)
    case.shift_clock(0)
    await case.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": case.ns}})
    controller = Controller(case, 0)
    await controller.prepare()
    await controller.start()
    case.controllers.append(controller)
    jobs = Jobs(world, case, await schemas_of(world.admin))
    await jobs.set_up()
    return jobs


async def main(directory, first, count, parallel):
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        world = World(directory, work)
        watching = asyncio.ensure_future(world.watch())
        jobs = await start(world, first)
        numbers = iter(range(first, first + count))

        async def worker():
            nonlocal failed
            for number in numbers:
                try:
                    await jobs.one(number)
                except Wrong as e:
                    failed += 1
                    print("failed %d: %s" % (number, e), flush=True)

        try:
            await asyncio.gather(*(worker() for _ in range(parallel)))
            await jobs.check_end()
        except Wrong as e:
            failed += 1
            print("failed, the row from %d: %s" % (first, e), flush=True)
        finally:
            await jobs.case.clean()
            watching.cancel()
        remarks = ", ".join("%s %d" % pair for pair in sorted(jobs.outcomes.items())) + "; longest wait %.0f s" % jobs.slowest
        if ALLOWANCE:
            remarks += " (%d s allowed for the machine's load)" % ALLOWANCE
        print("controller-jobs\t%d\t%d\t%d\t%s" % (count, count - min(failed, count), failed, remarks))
        return failed


if __name__ == "__main__":
    arguments = [int(a) for a in sys.argv[2:]]
    sys.exit(1 if asyncio.run(main(sys.argv[1], *arguments[:2], (arguments[2:] or [8])[0])) else 0)

"""A Kubernetes API client for tests, with asyncio and nothing but the standard library; and what a node would do: Node plays
the kubelet of every worker pod. See kube_faults.py.
"""

import asyncio
import collections
import copy
import json
import re
import ssl
import urllib.parse

HEAD_LIMIT = 64 * 1024
GROUP = "/apis/neo4jbackup.dev/v1"
MERGE = "application/merge-patch+json"


class Refused(Exception):
    """An answer that is none of 2xx."""

    def __init__(self, status, body):
        super().__init__("%d %s" % (status, body[:300].decode("utf-8", "replace")))
        self.status = status


class Head:
    """First line and headers of a request or an answer; names in lower case."""

    def __init__(self, raw):
        lines = raw.decode("latin-1").split("\r\n")
        self.first = lines[0].split(" ", 2)
        self.headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self.headers[name.strip().lower()] = value.strip()


async def read_head(reader):
    """None: the peer closed the connection between two messages."""
    try:
        return Head(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError as e:
        if not e.partial:
            return None
        raise


async def chunks(reader):
    """The chunks of a chunked body."""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        data = await reader.readexactly(size + 2)
        if size == 0:
            return
        yield data[:-2]


async def read_body(reader, head):
    if head.headers.get("transfer-encoding") == "chunked":
        return b"".join([c async for c in chunks(reader)])
    return await reader.readexactly(int(head.headers.get("content-length", 0)))


class Server:
    """Where the API server is; connections to it."""

    def __init__(self, url, token):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port, self.token = parts.hostname, parts.port, token
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def as_user(self, token):
        other = copy.copy(self)
        other.token = token
        return other

    async def connect(self):
        return await asyncio.open_connection(self.host, self.port, ssl=self.context, limit=64 << 20)

    def write(self, writer, method, target, body=b"", kind="application/json"):
        head = "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nAccept: application/json\r\n" % (
            method, target, self.host, self.token)  # fmt: skip
        if body or method in ("POST", "PATCH", "PUT"):
            head += "Content-Type: %s\r\nContent-Length: %d\r\n" % (kind, len(body))
        writer.write(head.encode() + b"\r\n" + body)


class Api:
    """Requests as one user."""

    def __init__(self, url, token):
        self.server = Server(url, token)
        self.idle = []

    async def call(self, method, path, body=None, kind="application/json"):
        data = b"" if body is None else json.dumps(body).encode()
        head = None
        while head is None:  # else an idle connection that the server had closed
            reader, writer = self.idle.pop() if self.idle else await self.server.connect()
            try:
                self.server.write(writer, method, path, data, kind)
                head = await read_head(reader)
                if head is None:
                    writer.close()
                else:
                    answer = await read_body(reader, head)
            except BaseException:
                writer.transport.abort()
                raise
        self.idle.append((reader, writer))
        status = int(head.first[1])
        if not 200 <= status < 300:
            raise Refused(status, answer)
        return json.loads(answer) if answer.startswith(b"{") else answer

    async def get(self, path):
        """None: there is none."""
        try:
            return await self.call("GET", path)
        except Refused as e:
            if e.status == 404:
                return None
            raise

    async def delete(self, path, propagation="Background"):
        try:
            await self.call("DELETE", path, {"propagationPolicy": propagation})
        except Refused as e:
            if e.status != 404:
                raise

    async def merge(self, path, body):
        return await self.call("PATCH", path, body, MERGE)

    async def watch(self, path, on_event):
        """List and watch, for ever: on_event(type, object)."""
        while True:
            page = await self.call("GET", path)
            for item in page["items"]:
                on_event("ADDED", item)
            version = page["metadata"]["resourceVersion"]
            reader, writer = await self.server.connect()
            self.server.write(writer, "GET", "%s%swatch=1&resourceVersion=%s" % (path, "&" if "?" in path else "?", version))
            head = await read_head(reader)
            if head is None or head.first[1] != "200":
                writer.close()
                continue
            rest = b""
            async for chunk in chunks(reader):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        break
                    on_event(event["type"], event["object"])
            writer.close()


def pods_of(ns):
    return "/api/v1/namespaces/%s/pods" % ns


def batch(ns, name=""):
    return "/apis/batch/v1/namespaces/%s/jobs%s" % (ns, "/" + name if name else "")


def spec(**more):
    return {
        "connection": {"uri": "bolt://neo4j:7687"},
        "storage": {"r2": {"accountId": "0" * 32, "bucket": "bbb", "credentialsSecretRef": {"name": "r2"}}},
        "job": {"backoffLimit": 0},
        **more,
    }


def policy(name, annotations=None, **more):
    meta = {"name": name, "annotations": {"neo4jbackup.dev/" + k: v for k, v in (annotations or {}).items()}}
    return {"apiVersion": "neo4jbackup.dev/v1", "kind": "Neo4jBackup", "metadata": meta, "spec": spec(**more)}


# --- what a worker says -------------------------------------------------------------------------------------


def worker_message(kind, name, good=True):
    """(exit code, termination message) of the Job of that kind for a run of that name."""
    if not good:
        return 10, json.dumps({"result": "Failed", "reason": "Neo4jUnavailable", "message": "refused", "exitCode": 10,
                               "retriable": True})  # fmt: skip
    said = {"result": "Succeeded", "reason": "Succeeded", "message": "done", "exitCode": 0}
    if kind == "backup":
        said.update(manifestKey=name + ".manifest.json", sizeBytes=1000, engine="Cypher", serverVersion="5.26.0",
                    retention={"healthy": True, "reason": "Healthy", "message": ""},
                    verification={"level": "Checksum", "result": "Succeeded"})  # fmt: skip
    return 0, json.dumps(said)


def worker_log(pod):
    """The log of that pod, as GET pods/log?timestamps gives it."""
    run = re.sub(r"-\w{5}$", "", pod)
    lines = [
        {"event": "progress", "stage": "Exporting", "database": "neo4j", "percent": 50, "nodes": 10},
        {"event": "artifact", "database": "neo4j", "key": run, "manifestKey": run + ".manifest.json", "sizeBytes": 1000,
         "newBytes": 900, "consistency": "Closed", "engine": "Cypher", "serverVersion": "5.26.0"},
        {"event": "inventory", "stored": {"count": 1, "totalBytes": 1000}, "points": [
            {"database": "neo4j", "manifestKey": "m", "time": "2026-01-01T00:00:00Z", "sizeBytes": 1000}]},
    ]  # fmt: skip
    return b"".join(b"2026-01-01T00:00:0%d.000000000Z %s\n" % (i, json.dumps(v).encode()) for i, v in enumerate(lines))


class Made:
    """All runs and Jobs that ever were, by UID."""

    def __init__(self):
        self.runs, self.jobs = {}, {}

    def saw_run(self, run):
        meta = run["metadata"]
        self.runs[meta["uid"]] = {"name": meta["name"], "owner": meta["ownerReferences"][0]["uid"],
                                  "token": meta.get("annotations", {}).get("neo4jbackup.dev/token", "")}  # fmt: skip

    def saw_job(self, job):
        meta = job["metadata"]
        self.jobs[meta["uid"]] = (meta["ownerReferences"][0]["uid"], meta["name"])

    def twice(self, gone=()):
        """(made twice, made again for a policy whose UID is in `gone`): a cache that is behind may still show a policy, or a
        run, that is gone; what is made for it goes with it."""
        names = collections.Counter((r["owner"], r["name"]) for r in self.runs.values())
        twice = [n for n, count in names.items() if count > 1]
        twice += [n for n, count in collections.Counter(self.jobs.values()).items() if count > 1]
        late = [pair for pair in twice if pair[0] in gone or self.runs.get(pair[0], {}).get("owner") in gone]
        return [pair for pair in twice if pair not in late], late


class Node:
    """Plays the kubelet: what becomes of a worker pod is said by plan(pod), which returns (seconds, exit code, termination
    message) or None for a pod that is none of its own."""

    def __init__(self, api, plan):
        self.api, self.plan, self.known, self.tasks = api, plan, set(), set()

    async def run(self):
        await self.api.watch("/api/v1/pods?labelSelector=app.kubernetes.io%2Fname%3Dneo4j-backup", self.on_pod)

    def on_pod(self, kind, pod):
        uid = pod["metadata"]["uid"]
        if kind == "DELETED" or uid in self.known or "deletionTimestamp" in pod["metadata"]:
            return
        wanted = self.plan(pod)
        if wanted:
            self.known.add(uid)
            task = asyncio.ensure_future(self.play(pod, *wanted))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def play(self, pod, seconds, code, message):
        path = "%s/%s/status" % (pods_of(pod["metadata"]["namespace"]), pod["metadata"]["name"])
        created = pod["metadata"]["creationTimestamp"]
        worker = {"name": "worker", "image": "worker:1", "imageID": "", "ready": False, "restartCount": 0}
        running = dict(worker, ready=True, state={"running": {"startedAt": created}})
        ended = dict(worker, state={"terminated": {
            "exitCode": code, "reason": "Error" if code else "Completed", "message": message,
            "startedAt": created, "finishedAt": created}})  # fmt: skip
        try:
            await self.api.merge(path, {"status": {"phase": "Running", "startTime": created, "containerStatuses": [running]}})
            await asyncio.sleep(seconds)
            phase = "Failed" if code else "Succeeded"
            await self.api.merge(path, {"status": {"phase": phase, "containerStatuses": [ended]}})
        except Refused as e:
            if e.status not in (404, 409):
                raise

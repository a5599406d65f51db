"""The proxy between a controller and a real API server, and the faults that it plays. See kube_faults.py.

A fault is told of every request before it is forwarded, of every answer before it is given, and of every line of a watch; it
may answer itself, change what passes, or cut. It counts: writes (all but Leases and Events), answers, and events.
"""

import asyncio
import json
import re
import time
import urllib.parse

from kube_api import chunks, read_body, read_head

TEXTS = {
    403: ("Forbidden", "not allowed"),
    409: ("Conflict", "the object has been modified"),
    410: ("Expired", "too old resource version"),
    422: ("Invalid", "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"),
    429: ("TooManyRequests", "too many requests"),
    500: ("InternalError", "an error on the server"),
    503: ("ServiceUnavailable", "the server is currently unable"),
    504: ("Timeout", "the request did not complete within the allotted time"),
}


def abort(writer):
    """Cuts the connection, which may be gone already: the TLS transport of Python 3.11 then has nothing left to cut."""
    try:
        writer.transport.abort()
    except AttributeError:
        pass


class Cut(Exception):
    """The connection ends here: after `data`, by a reset or in order."""

    def __init__(self, data=b"", reset=True):
        super().__init__("cut")
        self.data, self.reset = data, reset


class Answer:
    def __init__(self, status, body, headers=()):
        self.status, self.body, self.headers = status, body, list(headers)

    def bytes(self):
        head = ["HTTP/1.1 %d X" % self.status, "Content-Type: application/json", "Content-Length: %d" % len(self.body)]
        return "\r\n".join(head + self.headers + ["", ""]).encode() + self.body


def status_body(code):
    reason, message = TEXTS[code]
    return json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                       "reason": reason, "code": code}).encode()  # fmt: skip


def refuse(code):
    return Answer(code, status_body(code), ["Retry-After: 1"] if code == 429 else [])


class Request:
    def __init__(self, head, body, controller):
        self.method, self.target = head.first[0], head.first[1]
        self.kind = head.headers.get("content-type", "application/json")
        self.body, self.controller = body, controller
        self.token = head.headers.get("authorization", "").removeprefix("Bearer ")
        self.path, _, query = self.target.partition("?")
        self.query = urllib.parse.parse_qs(query)
        parts = self.path.split("/")
        at = parts.index("namespaces") + 2 if "namespaces" in parts else 3
        self.resource = parts[at] if at < len(parts) else parts[-1]
        self.is_list = self.method == "GET" and parts[-1] == self.resource
        self.is_watch = self.is_list and "watch" in self.query
        self.is_stream = self.is_watch and "sendInitialEvents" in self.query  # begins with a list
        self.lines = 0
        self.is_log = parts[-1] == "log"
        self.is_write = self.method != "GET" and self.resource not in ("leases", "events")
        self.number = 0

    def as_list(self):
        """The target of a list of the same."""
        selector = self.query.get("labelSelector")
        return self.path + "?" + urllib.parse.urlencode({"labelSelector": selector[0]} if selector else {})


class Proxy:
    """One for each controller process; the case has the fault and the counts."""

    def __init__(self, case, controller):
        self.case, self.controller, self.streams, self.server = case, controller, set(), None
        self.tasks = set()

    async def start(self, tls=None):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=16 << 20, ssl=tls)
        return self.server.sockets[0].getsockname()[1]

    def stop(self):
        self.server.close()
        for task in list(self.tasks):
            task.cancel()

    async def serve(self, reader, writer):
        task = asyncio.current_task()
        self.tasks.add(task)
        upstream = []
        try:
            while True:
                head = await read_head(reader)
                if head is None:
                    break
                request = Request(head, await read_body(reader, head), self.controller)
                if request.is_watch:
                    await self.stream(request, writer)
                    continue
                answer = await self.answer(request, upstream)
                writer.write(answer.bytes())
                await writer.drain()
        except Cut as cut:
            writer.write(cut.data)
            if cut.reset:
                abort(writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            abort(writer)
        finally:
            self.tasks.discard(task)
            for pair in upstream:
                pair[1].close()
            writer.close()

    def server_of(self, request):
        return (self.case.world.admin if request.resource == "leases" else self.case.world.controller).server

    async def answer(self, request, upstream):
        case = self.case
        if request.is_log:
            return Answer(200, case.log_of(request))
        if request.is_list:
            case.lists.setdefault(request.resource, request.as_list())
        case.answers += 1
        if request.is_write:
            case.writes += 1
            request.number = case.writes
            case.last_write = time.monotonic()
        early = await case.fault.before(request)
        if early is not None:
            return early
        target, body = case.fault.outward(request)
        if request.resource == "leases" or not upstream:
            for pair in upstream:
                pair[1].close()
            upstream[:] = [await self.server_of(request).connect()]
        reader, writer = upstream[0]
        self.server_of(request).write(writer, request.method, target, body, request.kind)
        head = await read_head(reader)
        if head is None:
            raise Cut()
        data = await read_body(reader, head)
        if request.resource == "leases":
            upstream.pop()[1].close()
        extra = ["Retry-After: " + head.headers["retry-after"]] if "retry-after" in head.headers else []
        return await case.fault.after(request, Answer(int(head.first[1]), case.fault.inward(data), extra))

    async def stream(self, request, writer):
        case = self.case
        if request.is_stream:
            case.lists.setdefault(request.resource, request.as_list())
        early = await case.fault.before(request)
        if early is None and request.is_stream and not case.fault.streams:
            early = refuse(422)
        if early is not None:
            writer.write(early.bytes())
            return
        self.streams.add(writer)
        reader, up = await self.server_of(request).connect()
        try:
            self.server_of(request).write(up, "GET", case.fault.outward(request)[0])
            head = await read_head(reader)
            if head.first[1] != "200":
                writer.write(Answer(int(head.first[1]), await read_body(reader, head)).bytes())
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            for line in case.fault.first_part(request):
                self.send(writer, line + b"\n")
            pump = asyncio.ensure_future(self.pump(request, reader, writer))
            gone = asyncio.ensure_future(self.closed(writer))
            self.tasks.update((pump, gone))
            await asyncio.wait((pump, gone), return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if pump.done():
                pump.result()
            pump.cancel()
            self.tasks.difference_update((pump, gone))
        finally:
            self.streams.discard(writer)
            abort(up)

    @staticmethod
    async def closed(writer):
        while not writer.transport.is_closing():
            await asyncio.sleep(0.05)

    async def pump(self, request, reader, writer):
        rest = b""
        async for chunk in chunks(reader):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                line = self.case.fault.inward(line)
                request.lines += 1
                if b'"type":"BOOKMARK"' not in line[:40]:
                    self.case.events += 1
                for out in await self.case.fault.line(request, line):
                    self.send(writer, out + b"\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    @staticmethod
    def send(writer, data):
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end_streams(self, gone=False):
        """All watches end: with a 410 in them, or cut."""
        event = b'{"type":"ERROR","object":%s}\n' % status_body(410)
        for writer in list(self.streams):
            if gone:
                self.send(writer, event)
                writer.write(b"0\r\n\r\n")
                writer.close()
            else:
                abort(writer)


class Fault:
    """None, and the base of all."""

    at = "writes"  # what `k` counts
    streams = True  # the server offers lists as streams

    def __init__(self, k, rng):
        self.k, self.rng, self.case, self.hits, self.over = k, rng, None, 0, True

    def hit(self):
        self.hits += 1
        self.case.last_fault = time.monotonic()

    async def before(self, request):
        return None

    async def after(self, request, answer):
        return answer

    async def line(self, request, line):
        return [line]

    def first_part(self, request):
        """Lines of a stream before those of the server."""
        return []

    def outward(self, request):
        return request.target, request.body

    def inward(self, data):
        return data


class Window(Fault):
    """Writes k to k + n - 1."""

    def __init__(self, k, rng):
        super().__init__(k, rng)
        self.n = rng.randint(1, 6)
        self.code = rng.choice((500, 503, 504, 429))

    def inside(self, request):
        if request.is_write and self.k <= request.number < self.k + self.n:
            self.hit()
            return True
        return False


class Crash(Fault):
    """kill -9 when the k-th write is about to be done, or was done and not answered."""

    def __init__(self, k, rng):
        super().__init__(k, rng)
        self.applied = rng.random() < 0.6

    async def crash(self, request):
        self.hit()
        await self.case.crash(request.controller)
        raise Cut()

    async def before(self, request):
        if request.is_write and request.number == self.k and not self.applied:
            await self.crash(request)

    async def after(self, request, answer):
        if request.is_write and request.number == self.k and self.applied:
            await self.crash(request)
        return answer


class Stale(Crash):
    """A crash; and the caches are then filled from answers of earlier, before the j-th write, and catch up late."""

    def __init__(self, k, rng):
        super().__init__(max(k, 2), rng)
        self.j, self.pages, self.late = rng.randint(1, max(k, 2) - 1), {}, 0

    async def before(self, request):
        if request.is_write and request.number == self.j and not self.pages:
            for resource, target in list(self.case.lists.items()):
                self.pages[resource] = json.dumps(await self.case.world.admin.call("GET", target)).encode()
        if self.hits and request.is_list and not request.is_watch and request.resource in self.pages:
            self.late = self.late or time.monotonic() + self.rng.choice((0, 0.5, 2))
            return Answer(200, self.pages.pop(request.resource))
        return await super().before(request)

    def is_old(self, request):
        return self.hits and request.is_stream and request.resource in self.pages

    def outward(self, request):
        if not self.is_old(request):
            return request.target, request.body
        version = json.loads(self.pages[request.resource])["metadata"]["resourceVersion"]
        return request.as_list() + "&watch=true&allowWatchBookmarks=true&resourceVersion=" + version, request.body

    def first_part(self, request):
        if not self.is_old(request):
            return []
        self.late = self.late or time.monotonic() + self.rng.choice((0, 0.5, 2))
        page = json.loads(self.pages.pop(request.resource))
        events = [("ADDED", o) for o in page["items"]]
        meta = {"resourceVersion": page["metadata"]["resourceVersion"], "annotations": {"k8s.io/initial-events-end": "true"}}
        events.append(("BOOKMARK", {"metadata": meta}))
        return [json.dumps({"type": kind, "object": o}).encode() for kind, o in events]

    async def line(self, request, line):
        if self.late > time.monotonic():
            self.hit()
            await asyncio.sleep(self.late - time.monotonic())
        return [line]


class Drop(Fault):
    """The k-th event is not delivered; a while later the positions of all watches are gone."""

    at = "events"

    async def line(self, request, line):
        if self.case.events != self.k or self.hits:
            return [line]
        self.hit()
        asyncio.get_running_loop().call_later(self.rng.choice((0.1, 0.7, 2)), self.end)
        return []

    def end(self):
        self.hit()
        for proxy in self.case.proxies:
            proxy.end_streams(gone=True)


class Hold(Fault):
    """From the k-th event on nothing is delivered for a while."""

    at = "events"
    until = 0

    async def line(self, request, line):
        if self.case.events >= self.k and not self.until:
            self.until = time.monotonic() + self.rng.choice((0.2, 1, 4))
        if self.until > time.monotonic():
            await asyncio.sleep(self.until - time.monotonic())
            self.hit()
        return [line]


class Gone(Fault):
    """410 in the stream at the k-th event, at the start of the next watches, and in the next pages."""

    at = "events"

    def __init__(self, k, rng):
        super().__init__(k, rng)
        self.starts, self.pages = rng.randint(0, 6), rng.randint(0, 3)

    async def before(self, request):
        if not self.hits:
            return None
        if request.is_watch and self.starts:
            self.starts -= 1
            self.hit()
            return refuse(410)
        if request.is_list and "continue" in request.query and self.pages:
            self.pages -= 1
            self.hit()
            return refuse(410)
        return None

    def outward(self, request):
        target = re.sub(r"limit=\d+", "limit=1", request.target) if self.hits else request.target
        return target, request.body

    async def line(self, request, line):
        if self.case.events != self.k or self.hits:
            return [line]
        self.hit()
        for proxy in self.case.proxies:
            proxy.end_streams(gone=True)
        return []


class Half(Fault):
    """At the k-th event all positions are gone; and the next lists that come as streams are refused, or break off before their
    end: cut, in order, with an error in them, or without the bookmark that would say that they are whole."""

    at = "events"

    def __init__(self, k, rng):
        super().__init__(k, rng)
        self.left, self.place = rng.randint(1, 6), rng.randint(1, 4)

    async def before(self, request):
        if not self.hits or not self.left or not request.is_stream or self.rng.random() < 0.7:
            return None
        self.left -= 1
        self.hit()
        return refuse(self.rng.choice((403, 422, 429, 503)))

    async def line(self, request, line):
        if not self.hits and self.case.events >= self.k:
            self.hit()
            for proxy in self.case.proxies:
                proxy.end_streams(gone=True)
            return []
        is_end = b"k8s.io/initial-events-end" in line
        if not self.hits or not self.left or not request.is_stream or not (is_end or request.lines == self.place):
            return [line]
        self.left -= 1
        self.hit()
        mode = self.rng.choice(("fin", "reset", "410", "no end") if is_end else ("fin", "reset", "410"))
        if mode == "410":
            return [b'{"type":"ERROR","object":%s}' % status_body(410)]
        if mode == "no end":
            return []
        raise Cut(b"0\r\n\r\n" if mode == "fin" else b"", reset=mode != "fin")


class Torn(Fault):
    """The k-th answer, or event, ends at some byte: cut, or as if it were all."""

    def __init__(self, k, rng):
        super().__init__(k, rng)
        self.at = "events" if rng.random() < 0.5 else "answers"
        self.share = rng.random()

    async def after(self, request, answer):
        if self.at != "answers" or self.hits or self.case.answers < self.k or request.resource == "leases":
            return answer
        self.hit()
        whole = answer.body
        answer.body = whole[: int(len(whole) * self.share)]
        if self.rng.random() < 0.5:
            return answer
        raise Cut(answer.bytes().replace(b"Content-Length: %d" % len(answer.body), b"Content-Length: %d" % len(whole)),
                  reset=self.rng.random() < 0.5)  # fmt: skip

    async def line(self, request, line):
        if self.at != "events" or self.hits or self.case.events < self.k:
            return [line]
        self.hit()
        part = line[: int(len(line) * self.share)]
        if self.rng.random() < 0.5:
            return [part]  # a line that is no JSON
        raise Cut(b"%x\r\n%s" % (len(line) + 1, part), reset=self.rng.random() < 0.5)


class End(Fault):
    """At the k-th event all streams end: in order, cut, or silent for a while first."""

    at = "events"

    async def line(self, request, line):
        if self.case.events != self.k or self.hits:
            return [line]
        self.hit()
        mode = self.rng.choice(("fin", "reset", "stall"))
        if mode == "stall":
            await asyncio.sleep(3)
            self.hit()
        for proxy in self.case.proxies:
            proxy.end_streams()
        raise Cut(b"0\r\n\r\n" if mode == "fin" else b"", reset=mode != "fin")


class Conflict(Window):
    """409 for some writes in a row."""

    def __init__(self, k, rng):
        super().__init__(k, rng)
        self.n = rng.randint(1, 12)

    async def before(self, request):
        return refuse(409) if self.inside(request) else None


class Refused(Window):
    """429, 500, 503 or 504 for some writes in a row, which are not done."""

    async def before(self, request):
        return refuse(self.code) if self.inside(request) else None


class Lost(Window):
    """Some writes in a row are done, and the answer is an error or none."""

    async def after(self, request, answer):
        if not self.inside(request):
            return answer
        if self.rng.random() < 0.4:
            raise Cut()
        return refuse(self.code)


class Back(Fault):
    """Resource versions are higher than they should be until the k-th write: then they go back, as after a restored etcd;
    positions of before are too high for the server, which says so."""

    OFFSET = 1000000000
    VERSION = re.compile(rb'("resourceVersion":")(\d+)')

    def shifted(self, by):
        return lambda m: m.group(1) + b"%d" % max(int(m.group(2)) + by, 1)

    def outward(self, request):
        if self.hits:
            return request.target, request.body
        target = re.sub(r"(resourceVersion=)(\d+)", lambda m: m.group(1) + str(max(int(m.group(2)) - self.OFFSET, 0)),
                        request.target)  # fmt: skip
        return target, self.VERSION.sub(self.shifted(-self.OFFSET), request.body)

    def inward(self, data):
        return data if self.hits else self.VERSION.sub(self.shifted(self.OFFSET), data)

    async def before(self, request):
        if request.is_write and request.number >= self.k and not self.hits:
            self.hit()
            for proxy in self.case.proxies:
                proxy.end_streams()
        version = request.query.get("resourceVersion", ["0"])[0]
        if self.hits and request.is_watch and int(version) >= self.OFFSET:
            self.hit()
            return refuse(410)
        return None


class Clock(Fault):
    """At the k-th write the controller's clock jumps by most of an hour, and perhaps back a while later. (By an hour, and a pod
    that waits to be started is given up: that is how long it may.)"""

    def __init__(self, k, rng):
        super().__init__(k, rng)
        self.by, self.back = rng.choice((-3500, 3500)), rng.random() < 0.5

    async def before(self, request):
        if request.is_write and request.number == self.k:
            self.hit()
            self.case.shift_clock(self.by)
            if self.back:
                asyncio.get_running_loop().call_later(1.5, self.jump_back)

    def jump_back(self):
        self.hit()
        self.case.shift_clock(-self.by)


class Frozen(Fault):
    """Two controllers: the one that leads is frozen at its k-th write, which is done now or only when the other one leads;
    then it goes on."""

    def __init__(self, k, rng):
        super().__init__(k, rng)
        self.late = rng.random() < 0.5

    async def before(self, request):
        if not request.is_write or request.number != self.k:
            return None
        self.hit()
        thaw = asyncio.ensure_future(self.case.freeze(request.controller))
        if self.late:
            await thaw
            self.hit()
        return None


CLASSES = {
    "crash": Crash, "drop": Drop, "hold": Hold, "stale": Stale, "gone": Gone, "torn": Torn, "end": End,
    "conflict": Conflict, "refused": Refused, "lost": Lost, "back": Back, "clock": Clock, "frozen": Frozen,
    "recreated": Fault, "half": Half,
}  # fmt: skip

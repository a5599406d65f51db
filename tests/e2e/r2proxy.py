#!/usr/bin/env python3
"""An R2-shaped reverse proxy before a strict S3 server, for tests.

MinIO and versitygw check signatures, hashes and conditions as S3 does, but have none of the ways
in which Cloudflare R2 differs. This proxy adds them, so that an uploader which passes here can
be trusted with R2:

  * all parts of an upload but the last are equal and the last is no larger; found only at
    CompleteMultipartUpload: 400 InvalidPart
  * a PUT or POST without Content-Length: 411 MissingContentLength
  * `Expect: 100-continue` is never answered by an interim response
  * 501 NotImplemented: aws-chunked bodies, unknown x-amz-* headers (tagging, acl, object lock, KMS,
    request payer, ...), sub-resources that R2 lacks
  * more than one write a second to one key: 429 TooManyRequests
  * a failed condition at CreateMultipartUpload is 412; at CompleteMultipartUpload it is 412 and
    the upload is gone
  * keys under a locked prefix are neither overwritten nor deleted: 403 ObjectLockedByBucketPolicy
  * metadata beyond 8192 bytes, keys beyond 1024, regions that R2 does not know: 400

Everything else, ETags too, passes through unchanged, with the client's own Host header: its
signature covers that, and the server behind verifies it.

Control, at /_control: GET answers counters as JSON. POST takes one JSON object or a list of them:

  {"down": true}                          503 for everything, until {"down": false}
  {"lock": ["prefix/"]}                   locked prefixes, "bucket/prefix"; [] for none
  {"clear": true}                         no faults any more, counters at zero
  {"fault": KIND, "op": OP, "match": REGEX, "times": N, "after": M, ...}

A fault hits the first N (default 1; 0: all) requests of operation OP (default: any) whose
"bucket/key" REGEX is found in, after M such requests passed. KIND is one of

  "500", "503", "429"        that status with an S3 error; with "forward": true the request is
                             carried out first, so that only its answer is lost
  "200-with-error"           200 and an <Error> in the body; "forward" as above
  "reset"                    the connection is reset; "forward" as above
  "stall"                    nothing happens for "seconds" (default 3600), then all goes on
  "cut-after-bytes"          reset after "bytes" of the body, of the request if it has one
  "slow-bytes-per-second"    bodies pass at "bytes" a second
  "corrupt"                  the byte at "bytes" of the answer's body is flipped

For its own requests (existence, abort) it signs with S3_ACCESS_KEY and S3_SECRET_KEY.
Only the standard library is used. Bounds: 64 KiB of head, 4 MiB of a body that must be understood.
"""

import argparse
import asyncio
import collections
import datetime
import hashlib
import hmac
import json
import os
import re
import socket
import struct
import sys
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

HEAD_LIMIT = 64 * 1024
DOCUMENT_LIMIT = 4 * 1024 * 1024
CHUNK = 256 * 1024
WRITES_PER_KEY_SECONDS = 1.0
METADATA_LIMIT = 8192
KEY_LIMIT = 1024

REGIONS = {"auto", "us-east-1", "", "wnam", "enam", "weur", "eeur", "apac", "oc"}

KNOWN_AMZ_HEADERS = re.compile(
    r"x-amz-(date|content-sha256|security-token|storage-class|user-agent|metadata-directive"
    r"|copy-source(-if-[a-z-]+|-range|-server-side-encryption-customer-[a-z0-9-]+)?"
    r"|server-side-encryption-customer-[a-z0-9-]+"
    r"|checksum-(crc32|crc32c|crc64nvme|sha1|sha256|mode|type|algorithm)"
    r"|sdk-checksum-algorithm|meta-.+|max-parts|object-attributes)$"
)
MISSING_SUBRESOURCES = {
    "accelerate", "acl", "analytics", "attributes", "intelligent-tiering", "inventory",
    "legal-hold", "logging", "metrics", "notification", "object-lock", "ownershipControls",
    "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore",
    "retention", "select", "tagging", "torrent", "versioning", "versions", "website",
}  # fmt: skip
WRITES = {"PutObject", "CopyObject", "CompleteMultipartUpload"}
STATUS_TEXT = {
    200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 411: "Length Required",
    412: "Precondition Failed", 429: "Too Many Requests", 500: "Internal Server Error",
    501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
}  # fmt: skip


class Refusal(Exception):
    """An answer that the proxy gives itself."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def document(self):
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message>'
            "<RequestId>r2proxy</RequestId></Error>" % (self.code, escape(self.message))
        ).encode()


class ConnectionCut(Exception):
    """The client's connection must be reset now."""


class Head:
    """First line and headers of a request or an answer; names in lower case, order kept."""

    def __init__(self, raw):
        lines = raw.decode("latin-1").split("\r\n")
        self.first = lines[0]
        self.headers = []
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(":")
                self.headers.append((name.strip().lower(), value.strip()))

    def get(self, name, default=None):
        for known, value in self.headers:
            if known == name:
                return value
        return default

    def without(self, *names):
        return [(name, value) for name, value in self.headers if name not in names]


async def read_head(reader):
    """The next head, or None when the peer closed between two messages."""
    try:
        return Head(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise ConnectionError("closed inside a head") from None
        return None


class Request:
    """What a request is about: operation, bucket, key, query."""

    def __init__(self, head):
        self.head = head
        self.method, self.target, _ = head.first.split(" ", 2)
        path, _, query = self.target.partition("?")
        self.path = path
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        bucket, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
        self.bucket, self.key = bucket, key
        self.name = bucket + "/" + key
        self.length = int(head.get("content-length") or 0)
        self.chunked = "chunked" in (head.get("transfer-encoding") or "").lower()
        self.upload_id = self.query.get("uploadId")
        self.operation = self._operation()

    def _operation(self):
        query, copies = self.query, self.head.get("x-amz-copy-source") is not None
        if not self.bucket:
            return "ListBuckets"
        if not self.key:
            if self.method == "GET":
                if "uploads" in query:
                    return "ListMultipartUploads"
                if "list-type" in query:
                    return "ListObjectsV2"
                return "GetBucketLocation" if "location" in query else "ListObjects"
            if self.method == "POST":
                return "DeleteObjects"
            return {"PUT": "CreateBucket", "HEAD": "HeadBucket"}.get(self.method, "DeleteBucket")
        if self.method == "PUT":
            if "partNumber" in query:
                return "UploadPartCopy" if copies else "UploadPart"
            return "CopyObject" if copies else "PutObject"
        if self.method == "POST":
            return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
        if self.method == "DELETE":
            return "AbortMultipartUpload" if self.upload_id else "DeleteObject"
        if self.method == "GET" and self.upload_id:
            return "ListParts"
        return "HeadObject" if self.method == "HEAD" else "GetObject"


class Fault:
    """One fault that was asked for, and how often it may still happen."""

    KINDS = {
        "500", "503", "429", "200-with-error", "reset", "stall", "cut-after-bytes",
        "slow-bytes-per-second", "corrupt",
    }  # fmt: skip

    def __init__(self, order):
        self.kind = str(order["fault"])
        if self.kind not in self.KINDS:
            raise ValueError("no fault is called '%s'" % self.kind)
        self.operation = order.get("op") or "*"
        self.match = re.compile(order.get("match") or "")
        self.left = int(order.get("times", 1)) or -1
        self.after = int(order.get("after", 0))
        self.forward = bool(order.get("forward"))
        self.seconds = float(order.get("seconds", 3600))
        self.bytes = int(order.get("bytes", 0))

    def hits(self, request):
        if self.left == 0 or self.operation not in ("*", request.operation):
            return False
        if not self.match.search(request.name):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.left -= 1
        return True

    def refusal(self):
        return {
            "500": Refusal(500, "InternalError", "We encountered an internal error."),
            "503": Refusal(503, "ServiceUnavailable", "Please reduce your request rate."),
            "429": Refusal(429, "TooManyRequests", "Reduce your request rate."),
            "200-with-error": Refusal(200, "InternalError", "We encountered an internal error."),
        }.get(self.kind)

    def as_json(self):
        return {
            "fault": self.kind,
            "op": self.operation,
            "match": self.match.pattern,
            "times": self.left,
        }


class Counters:
    def __init__(self):
        self.requests = collections.Counter()
        self.statuses = collections.Counter()
        self.faults = collections.Counter()
        self.violations = []
        self.parts = []
        self.bytes_in = 0
        self.bytes_out = 0

    def as_json(self):
        return {
            "requests": dict(self.requests),
            "statuses": {str(k): v for k, v in self.statuses.items()},
            "faults_done": dict(self.faults),
            "violations": self.violations[-1000:],
            "parts": self.parts[-10000:],
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
        }


class Body:
    """The body of a request: read once, by whoever needs it."""

    def __init__(self, request, reader, counters):
        self.request, self.reader, self.counters = request, reader, counters
        self.left = request.length

    async def next(self):
        """The next bytes; empty at the end."""
        if self.left == 0:
            return b""
        data = await self.reader.read(min(CHUNK, self.left))
        if not data:
            raise ConnectionError("the client closed inside a body")
        self.left -= len(data)
        self.counters.bytes_in += len(data)
        return data

    async def drain(self):
        """Unread bytes at a close would make the kernel reset the connection, answer and all."""
        if self.request.chunked:
            while True:
                size = int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16)
                await self.reader.readexactly(size + 2)
                if size == 0:
                    return
        while await self.next():
            pass

    async def whole(self):
        if self.request.length > DOCUMENT_LIMIT:
            raise Refusal(400, "MaxMessageLengthExceeded", "Your request was too big.")
        data = b""
        while more := await self.next():
            data += more
        return data


class Signer:
    """Signature version 4 for the proxy's own requests."""

    def __init__(self, host):
        self.host = host
        self.access_key = os.environ.get("S3_ACCESS_KEY", "e2e-access-key")
        self.secret_key = os.environ.get("S3_SECRET_KEY", "e2e-secret-key-0123456789")

    def headers(self, method, path, query, body, extra=()):
        moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        headers = {"host": self.host, "x-amz-date": moment, "x-amz-content-sha256": digest}
        headers.update(extra)
        pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
        canonical_query = "&".join(
            "%s=%s" % (urllib.parse.quote(k, safe="-_.~"), urllib.parse.quote(v, safe="-_.~"))
            for k, v in pairs
        )
        names = ";".join(sorted(headers))
        lines = "".join("%s:%s\n" % (name, headers[name]) for name in sorted(headers))
        canonical = "\n".join([method, path, canonical_query, lines, names, digest])
        scope = "/".join([moment[:8], "auto", "s3", "aws4_request"])
        to_sign = "\n".join(
            ["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()]
        )
        key = ("AWS4" + self.secret_key).encode()
        for word in scope.split("/"):
            key = hmac.new(key, word.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (
            "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s"
            % (self.access_key, scope, names, signature)
        )
        return headers


class Rules:
    """R2's rules, and what they must remember of earlier requests."""

    def __init__(self, now=time.monotonic):
        self.now = now
        self.last_write = {}
        self.part_sizes = collections.defaultdict(dict)
        self.locked = []

    def check_head(self, request):
        self._check_length(request)
        self._check_chunked_signing(request)
        self._check_headers(request)
        self._check_region(request)
        missing = MISSING_SUBRESOURCES.intersection(request.query)
        if missing:
            raise Refusal(501, "NotImplemented", "'%s' is not implemented" % sorted(missing)[0])
        if len(request.key.encode("utf-8", "replace")) > KEY_LIMIT:
            raise Refusal(400, "KeyTooLongError", "Your key is too long.")

    def _check_length(self, request):
        if request.method in ("PUT", "POST") and (
            request.chunked or request.head.get("content-length") is None
        ):
            raise Refusal(
                411, "MissingContentLength", "You must provide the Content-Length HTTP header."
            )

    def _check_chunked_signing(self, request):
        head = request.head
        if (
            "aws-chunked" in (head.get("content-encoding") or "")
            or (head.get("x-amz-content-sha256") or "").startswith("STREAMING-")
            or head.get("x-amz-trailer") is not None
        ):
            raise Refusal(
                501, "NotImplemented", "aws-chunked bodies and trailers are not implemented"
            )

    def _check_headers(self, request):
        size = 0
        for name, value in request.head.headers:
            if name.startswith("x-amz-") and not KNOWN_AMZ_HEADERS.match(name):
                raise Refusal(501, "NotImplemented", "Header '%s' not implemented" % name)
            if name == "x-amz-storage-class" and value not in ("STANDARD", "STANDARD_IA"):
                raise Refusal(501, "NotImplemented", "Storage class '%s' not implemented" % value)
            if name.startswith("x-amz-meta-"):
                size += len(name) - len("x-amz-meta-") + len(value)
        if size > METADATA_LIMIT:
            raise Refusal(400, "MetadataTooLarge", "Your metadata headers exceed 8192 bytes.")

    def _check_region(self, request):
        scope = re.search(
            r"Credential=[^/]*/[^/]*/([^/]*)/s3/", request.head.get("authorization") or ""
        )
        if scope and scope.group(1) not in REGIONS:
            raise Refusal(
                400, "InvalidRegionName", "The region name '%s' is not valid." % scope.group(1)
            )

    def check_hot_key(self, request):
        if request.operation in WRITES:
            last = self.last_write.get(request.name)
            if last is not None and self.now() - last < WRITES_PER_KEY_SECONDS:
                raise Refusal(
                    429,
                    "TooManyRequests",
                    "Reduce your concurrent request rate for the same object.",
                )

    def written(self, request):
        self.last_write[request.name] = self.now()

    def is_locked(self, name):
        return any(name.startswith(prefix) for prefix in self.locked)

    def check_parts(self, request, body):
        """At CompleteMultipartUpload: all parts equal but the last, which is no larger."""
        numbers = sorted(int(part.text) for part in xml_all(body, "PartNumber"))
        seen = self.part_sizes[request.upload_id]
        sizes = [seen[number] for number in numbers if number in seen]
        if len(set(sizes[:-1])) > 1 or (len(sizes) > 1 and sizes[-1] > sizes[0]):
            raise Refusal(
                400, "InvalidPart", "All non-trailing parts must have the same length. (10048)"
            )


def xml_all(body, name):
    try:
        tree = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise Refusal(400, "MalformedXML", "The XML you provided was not well-formed.") from None
    return [element for element in tree.iter() if element.tag.rpartition("}")[2] == name]


def locked_refusal():
    return Refusal(403, "ObjectLockedByBucketPolicy", "The object is locked by the bucket policy.")


class Throttle:
    """Lets bytes pass at a rate; None lets all pass."""

    def __init__(self, bytes_per_second=None):
        self.rate = bytes_per_second
        self.begin = time.monotonic()
        self.passed = 0

    async def take(self, count):
        if self.rate:
            self.passed += count
            await asyncio.sleep(max(0.0, self.passed / self.rate - (time.monotonic() - self.begin)))

    def slice(self):
        return max(1, min(CHUNK, self.rate // 10)) if self.rate else CHUNK


class Proxy:
    def __init__(self, backend):
        self.backend = backend
        self.signer = Signer("%s:%d" % backend)
        self.rules = Rules()
        self.counters = Counters()
        self.faults = []
        self.down = False

    # --- control --------------------------------------------------------------------------

    def order(self, order):
        if "down" in order:
            self.down = bool(order["down"])
        if "lock" in order:
            self.rules.locked = [str(prefix) for prefix in order["lock"]]
        if order.get("clear"):
            self.faults, self.counters = [], Counters()
        if "fault" in order:
            self.faults.append(Fault(order))

    async def control(self, request, body, writer):
        status, answer = 200, None
        try:
            if request.method != "GET":
                orders = json.loads(await body.whole() or b"{}")
                for order in orders if isinstance(orders, list) else [orders]:
                    self.order(order)
        except (ValueError, KeyError, TypeError, AttributeError, re.error) as error:
            status, answer = 400, {"error": str(error)}
        if answer is None:
            answer = self.counters.as_json()
            answer.update(down=self.down, locked=self.rules.locked)
            answer["faults"] = [fault.as_json() for fault in self.faults if fault.left]
        document = json.dumps(answer, indent=1).encode() + b"\n"
        await self.write_answer(writer, status, document, "application/json")

    # --- one connection -------------------------------------------------------------------

    async def serve(self, reader, writer):
        try:
            while (head := await read_head(reader)) is not None:
                if not await self.serve_one(head, reader, writer):
                    break
        except ConnectionCut:
            reset(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass
        except ValueError as error:
            print("cannot read a request: %s" % error, flush=True)
        finally:
            writer.close()

    async def serve_one(self, head, reader, writer):
        request = Request(head)
        body = Body(request, reader, self.counters)
        if request.path == "/_control":
            await self.control(request, body, writer)
            return True
        began = time.monotonic()
        self.counters.requests[request.operation] += 1
        try:
            status = await self.answer(request, body, writer)
        except Refusal as refusal:
            status = refusal.status
            if status in (400, 411, 429, 501):
                self.counters.violations.append(
                    "%d %s: %s %s: %s"
                    % (status, refusal.code, request.operation, request.name, refusal.message)
                )
            await body.drain()
            await self.write_answer(
                writer, status, refusal.document(), "application/xml", request.method
            )
        self.counters.statuses[status] += 1
        print(
            "%s %s %s %d %d bytes %.3f s"
            % (
                request.operation,
                request.method,
                request.name,
                status,
                request.length,
                time.monotonic() - began,
            ),
            flush=True,
        )
        return (head.get("connection") or "").lower() != "close"

    async def write_answer(self, writer, status, document, content_type, method="GET"):
        writer.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\nserver: r2proxy\r\n\r\n"
            % (status, STATUS_TEXT[status].encode(), content_type.encode(), len(document))
        )
        if method != "HEAD":
            writer.write(document)
        await writer.drain()

    # --- one request ----------------------------------------------------------------------

    async def answer(self, request, body, writer):
        if self.down:
            raise Refusal(503, "ServiceUnavailable", "Please try again later.")
        fault = next((fault for fault in self.faults if fault.hits(request)), None)
        if fault:
            self.counters.faults[fault.kind] += 1
            if fault.kind == "stall":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "reset" or fault.refusal():
                return await self.answer_by_fault(request, body, fault)
        self.rules.check_head(request)
        self.rules.check_hot_key(request)
        document = await self.check_state(request, body)
        return await self.forward(request, body, writer, fault, document)

    async def answer_by_fault(self, request, body, fault):
        if fault.forward:
            document = await self.check_state(request, body)
            await self.forward(request, body, None, None, document)
        elif fault.kind != "reset":
            await body.drain()
        if fault.kind == "reset":
            raise ConnectionCut
        raise fault.refusal()

    async def check_state(self, request, body):
        """Rules that need the body or the bucket. Returns the body if it was read."""
        operation, document = request.operation, None
        if operation == "CompleteMultipartUpload":
            document = await body.whole()
            self.rules.check_parts(request, document)
        if operation == "CreateMultipartUpload" and request.head.get("if-none-match") == "*":
            if await self.exists(request.path):
                raise Refusal(412, "PreconditionFailed", "At least one precondition did not hold.")
        if self.rules.is_locked(request.name):
            if operation == "DeleteObject" or (
                operation in WRITES and await self.exists(request.path)
            ):
                raise locked_refusal()
        if operation == "DeleteObjects" and self.rules.locked:
            document = await body.whole()
        return document

    async def forward(self, request, body, writer, fault, document):
        """Passes a request on and its answer back (to nobody when writer is None)."""
        if request.operation == "DeleteObjects" and document is not None:
            keys = [key.text for key in xml_all(document, "Key")]
            if any(self.rules.is_locked(request.bucket + "/" + key) for key in keys):
                return await self.delete_unlocked(request, keys, writer)
        reader, backend = await self.connect()
        try:
            headers = request.head.without("connection", "expect", "keep-alive")
            self.write_head(backend, request.head.first, headers + [("connection", "close")])
            try:
                await self.send_body(request, body, backend, fault, document)
            except ConnectionError:
                # The server answered before it had read everything, and its answer is what counts.
                await body.drain()
            answer = await read_head(reader)
            if answer is None:
                raise Refusal(
                    502, "BadGateway", "The server behind the proxy closed the connection."
                )
            status = int(answer.first.split(" ")[1])
            await self.note(request, status)
            await self.send_answer(request, answer, status, reader, writer, fault)
            return status
        finally:
            backend.close()

    async def connect(self):
        try:
            return await asyncio.open_connection(*self.backend, limit=HEAD_LIMIT)
        except OSError as error:
            raise Refusal(
                502, "BadGateway", "The server behind the proxy is away: %s" % error
            ) from None

    @staticmethod
    def write_head(writer, first, headers):
        lines = [first] + ["%s: %s" % pair for pair in headers]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def send_body(self, request, body, backend, fault, document):
        if document is not None:
            backend.write(document)
            await backend.drain()
            return
        cut = fault.bytes if fault and fault.kind == "cut-after-bytes" and request.length else None
        throttle = throttle_of(fault)
        sent = 0
        while data := await body.next():
            if cut is not None and sent + len(data) >= cut:
                raise ConnectionCut
            for piece in pieces(data, throttle.slice()):
                backend.write(piece)
                await backend.drain()
                await throttle.take(len(piece))
            sent += len(data)

    async def note(self, request, status):
        """What the rules must remember of a request that was carried out."""
        if 200 <= status < 300:
            if request.operation == "UploadPart":
                number = int(request.query["partNumber"])
                self.rules.part_sizes[request.upload_id][number] = request.length
                self.counters.parts.append(
                    {"key": request.name, "number": number, "bytes": request.length}
                )
            if request.operation in WRITES:
                self.rules.written(request)
            if request.operation in ("CompleteMultipartUpload", "AbortMultipartUpload"):
                self.rules.part_sizes.pop(request.upload_id, None)
        if status == 412 and request.operation == "CompleteMultipartUpload":
            await self.own(
                "DELETE", request.path, urllib.parse.urlencode({"uploadId": request.upload_id})
            )
            self.rules.part_sizes.pop(request.upload_id, None)

    async def send_answer(self, request, answer, status, reader, writer, fault):
        length, chunked = (
            answer.get("content-length"),
            "chunked" in (answer.get("transfer-encoding") or ""),
        )
        empty = request.method == "HEAD" or status in (204, 304) or length == "0"
        framed = empty or chunked or length is not None
        if writer is not None:
            headers = answer.without("connection", "keep-alive")
            if not framed:
                headers.append(("connection", "close"))
            self.write_head(writer, answer.first, headers)
        if not empty:
            # With "Connection: close" the end of the body is the end of the stream, chunked or not.
            await self.send_answer_body(reader, writer, None if chunked else length, fault, request)
        if writer is not None:
            await writer.drain()
            if not framed:
                raise ConnectionError("the answer ends with the connection")

    async def send_answer_body(self, reader, writer, length, fault, request):
        left = None if length is None else int(length)
        mine = fault if fault and (request.length == 0 or fault.kind == "corrupt") else None
        throttle = throttle_of(mine)
        sent = 0
        while left is None or left > 0:
            data = await reader.read(
                throttle.slice() if left is None else min(throttle.slice(), left)
            )
            if not data:
                if left:
                    raise ConnectionError("the server behind closed inside a body")
                return
            if mine and mine.kind == "corrupt" and sent <= mine.bytes < sent + len(data):
                at = mine.bytes - sent
                data = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
            if mine and mine.kind == "cut-after-bytes" and sent + len(data) >= mine.bytes:
                if writer is not None:
                    writer.write(data[: mine.bytes - sent])
                    await writer.drain()
                raise ConnectionCut
            sent += len(data)
            left = None if left is None else left - len(data)
            self.counters.bytes_out += len(data)
            if writer is not None:
                writer.write(data)
                await writer.drain()
            await throttle.take(len(data))

    # --- the proxy's own requests ---------------------------------------------------------

    async def own(self, method, path, query="", body=b"", extra=()):
        """A signed request of the proxy itself; returns status and body."""
        headers = self.signer.headers(method, path, query, body, extra)
        reader, writer = await self.connect()
        try:
            target = path + ("?" + query if query else "")
            pairs = list(headers.items()) + [
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            self.write_head(writer, "%s %s HTTP/1.1" % (method, target), pairs)
            writer.write(body)
            await writer.drain()
            head = await read_head(reader)
            if head is None:
                raise Refusal(
                    502, "BadGateway", "The server behind the proxy closed the connection."
                )
            return int(head.first.split(" ")[1]), b"" if method == "HEAD" else await reader.read()
        finally:
            writer.close()

    async def exists(self, path):
        status, _ = await self.own("HEAD", path)
        return status == 200

    async def delete_unlocked(self, request, keys, writer):
        """DeleteObjects answers for each key: locked ones are errors, the others are deleted."""
        answer = '<?xml version="1.0" encoding="UTF-8"?>\n<DeleteResult>'
        for key in keys:
            if self.rules.is_locked(request.bucket + "/" + key):
                refusal = locked_refusal()
                answer += "<Error><Key>%s</Key><Code>%s</Code><Message>%s</Message></Error>" % (
                    escape(key),
                    refusal.code,
                    refusal.message,
                )
            else:
                await self.own(
                    "DELETE", "/%s/%s" % (request.bucket, urllib.parse.quote(key, safe="/-_.~"))
                )
                answer += "<Deleted><Key>%s</Key></Deleted>" % escape(key)
        answer += "</DeleteResult>"
        if writer is not None:
            await self.write_answer(writer, 200, answer.encode(), "application/xml")
        return 200


def throttle_of(fault):
    slow = fault is not None and fault.kind == "slow-bytes-per-second"
    return Throttle(max(1, fault.bytes) if slow else None)


def pieces(data, size):
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


def reset(writer):
    """Closes so that the peer sees a reset and not an end."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


async def main():
    parser = argparse.ArgumentParser(description="An R2-shaped proxy before an S3 server.")
    parser.add_argument(
        "--listen", type=address, required=True, help="HOST:PORT; port 0 takes a free one"
    )
    parser.add_argument("--backend", type=address, required=True, help="HOST:PORT of the S3 server")
    parser.add_argument("--lock", action="append", default=[], help="a locked bucket/prefix")
    options = parser.parse_args()
    proxy = Proxy(options.backend)
    proxy.rules.locked = options.lock
    server = await asyncio.start_server(proxy.serve, *options.listen, limit=HEAD_LIMIT)
    print("listening on %s:%d" % server.sockets[0].getsockname()[:2], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)

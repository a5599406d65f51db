#!/usr/bin/env python3
"""Proves the rules and the faults of r2proxy.py against a running one.

    r2proxy_test.py ENDPOINT       of the proxy, as http://HOST:PORT; S3_ACCESS_KEY, S3_SECRET_KEY

Ends with "N passed, N failed".
"""

import hashlib
import http.client
import json
import os
import socket
import sys
import time
import urllib.parse

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

PART = 5 << 20
PASSED, FAILED = [], []
ACCESS_KEY = os.environ.get("S3_ACCESS_KEY", "e2e-access-key")
SECRET_KEY = os.environ.get("S3_SECRET_KEY", "e2e-secret-key-0123456789")


def check(what, got, wanted):
    (PASSED if got == wanted else FAILED).append(what)
    if got != wanted:
        print("FAILED  %s: %r, not %r" % (what, got, wanted))


class Proxy:
    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.host = urllib.parse.urlparse(endpoint).netloc
        self.s3 = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="auto",
            config=Config(
                retries={"total_max_attempts": 1},
                read_timeout=5,
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def control(self, *orders):
        connection = http.client.HTTPConnection(self.host, timeout=10)
        if orders:
            connection.request("POST", "/_control", json.dumps(list(orders)))
        else:
            connection.request("GET", "/_control")
        return json.loads(connection.getresponse().read())

    def outcome(self, operation, **parameters):
        """The status, and the error code if there is one."""
        try:
            answer = getattr(self.s3, operation)(**parameters)
            if "Body" in answer:
                answer["Body"].read()
            return answer["ResponseMetadata"]["HTTPStatusCode"]
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return status, error.response["Error"]["Code"]
        except BotoCoreError as error:
            return type(error).__name__

    def signed(self, method, path, body=b"", **headers):
        """The head of a signed request, for what no client library would send."""
        request = AWSRequest(method, self.endpoint + path, data=body)
        request.headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "auto").add_auth(request)
        lines = ["%s: %s" % pair for pair in request.headers.items() if pair[0] != "Content-Length"]
        return "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (
            method,
            path,
            self.host,
            "\r\n".join(lines),
        )

    def raw(self, head, body=b"", wait=0.0):
        """Sends bytes; returns what came while it waited before the body, and the answer."""
        host, _, port = self.host.partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head.encode() + b"\r\n")
            early = b""
            if wait:
                connection.settimeout(wait)
                try:
                    early = connection.recv(1000)
                except TimeoutError:
                    pass
                connection.settimeout(10)
            connection.sendall(body)
            return early, connection.recv(1000).split(b"\r\n")[0]


def upload(proxy, bucket, key, sizes):
    """Starts an upload and sends parts; returns what CompleteMultipartUpload wants."""
    upload_id = proxy.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    parts = []
    for number, size in enumerate(sizes, 1):
        answer = proxy.s3.upload_part(
            Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=b"x" * size
        )
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    return {
        "Bucket": bucket,
        "Key": key,
        "UploadId": upload_id,
        "MultipartUpload": {"Parts": parts},
    }


def test_passing_through(proxy, bucket):
    body = os.urandom(3 << 20)
    put = proxy.s3.put_object(Bucket=bucket, Key="a/b c+é", Body=body, Metadata={"a": "1"})
    check("the ETag passes", put["ETag"].strip('"'), hashlib.md5(body).hexdigest())
    got = proxy.s3.get_object(Bucket=bucket, Key="a/b c+é")
    check("the body comes back", got["Body"].read() == body, True)
    check("metadata comes back", got["Metadata"], {"a": "1"})
    listed = proxy.s3.list_objects_v2(Bucket=bucket, Prefix="a/")["KeyCount"]
    check("it is listed", listed, 1)
    complete = upload(proxy, bucket, "multi", [PART, PART, 1000])
    check("a good upload", proxy.outcome("complete_multipart_upload", **complete), 200)
    size = proxy.s3.head_object(Bucket=bucket, Key="multi")["ContentLength"]
    check("its size", size, 2 * PART + 1000)


def test_rules(proxy, bucket):
    for what, sizes, wanted in (
        ("unequal parts", [PART, PART + 1, 10], (400, "InvalidPart")),
        ("a larger last part", [PART, PART + 1], (400, "InvalidPart")),
        ("a last part of the same size", [PART, PART], 200),
        ("one part", [10], 200),
    ):
        key = what.replace(" ", "-")
        complete = upload(proxy, bucket, key, sizes)
        check(what, proxy.outcome("complete_multipart_upload", **complete), wanted)
    for what, parameters in (
        ("tags", {"Tagging": "a=b"}),
        ("an ACL", {"ACL": "private"}),
        ("an owner", {"ExpectedBucketOwner": "1"}),
        ("KMS", {"ServerSideEncryption": "aws:kms"}),
        ("a lock", {"ObjectLockLegalHoldStatus": "ON"}),
        ("a storage class", {"StorageClass": "GLACIER"}),
    ):
        got = proxy.outcome("put_object", Bucket=bucket, Key="odd", Body=b"x", **parameters)
        check(what, got, (501, "NotImplemented"))
    for operation in ("get_object_tagging", "get_object_acl"):
        got = proxy.outcome(operation, Bucket=bucket, Key="a/b c+é")
        check(operation, got, (501, "NotImplemented"))
    got = proxy.outcome("put_object", Bucket=bucket, Key="m", Body=b"", Metadata={"a": "b" * 9000})
    check("large metadata", got[0], 400)
    proxy.outcome("put_object", Bucket=bucket, Key="hot", Body=b"1")
    got = proxy.outcome("put_object", Bucket=bucket, Key="hot", Body=b"2")
    check("two writes in a second", got, (429, "TooManyRequests"))
    time.sleep(1.1)
    check("later", proxy.outcome("put_object", Bucket=bucket, Key="hot", Body=b"2"), 200)


def test_raw(proxy, bucket):
    path = "/%s/raw" % bucket
    head = proxy.signed("PUT", path, b"data")
    chunks = b"4\r\ndata\r\n0\r\n\r\n"
    _, answer = proxy.raw(head + "Transfer-Encoding: chunked\r\n", chunks)
    check("chunked", answer, b"HTTP/1.1 411 Length Required")
    _, answer = proxy.raw(head)
    check("no length", answer, b"HTTP/1.1 411 Length Required")
    early, answer = proxy.raw(
        head + "Content-Length: 4\r\nExpect: 100-continue\r\n", b"data", wait=1.0
    )
    check("no interim answer", (early, answer), (b"", b"HTTP/1.1 200 OK"))
    head = proxy.signed("PUT", path, b"data", Content_Encoding="aws-chunked")
    _, answer = proxy.raw(head + "Content-Length: 4\r\n", b"data")
    check("aws-chunked", answer, b"HTTP/1.1 501 Not Implemented")


def test_conditions(proxy, bucket):
    proxy.s3.put_object(Bucket=bucket, Key="there", Body=b"1")
    time.sleep(1.1)
    failed = (412, "PreconditionFailed")
    there = {"Bucket": bucket, "Key": "there", "IfNoneMatch": "*"}
    check("a condition at put", proxy.outcome("put_object", Body=b"2", **there), failed)
    complete = upload(proxy, bucket, "there", [10])
    got = proxy.outcome("complete_multipart_upload", IfNoneMatch="*", **complete)
    check("a condition at complete", got, failed)
    of_upload = {name: complete[name] for name in ("Bucket", "Key", "UploadId")}
    check("the upload is gone", proxy.outcome("list_parts", **of_upload), (404, "NoSuchUpload"))


def test_locks(proxy, bucket):
    proxy.s3.put_object(Bucket=bucket, Key="kept/1", Body=b"1")
    proxy.s3.put_object(Bucket=bucket, Key="free/1", Body=b"1")
    time.sleep(1.1)
    proxy.control({"lock": [bucket + "/kept/"]})
    locked = (403, "ObjectLockedByBucketPolicy")
    kept = {"Bucket": bucket, "Key": "kept/1"}
    check("deleting a locked key", proxy.outcome("delete_object", **kept), locked)
    check("overwriting it", proxy.outcome("put_object", Body=b"2", **kept), locked)
    check(
        "a new key under it",
        proxy.outcome("put_object", Bucket=bucket, Key="kept/2", Body=b""),
        200,
    )
    keys = [{"Key": "kept/1"}, {"Key": "free/1"}]
    answer = proxy.s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    errors = [(error["Key"], error["Code"]) for error in answer.get("Errors", [])]
    check("deleting several", errors, [("kept/1", "ObjectLockedByBucketPolicy")])
    check("the free one", [item["Key"] for item in answer["Deleted"]], ["free/1"])
    proxy.control({"lock": []})
    check("unlocked", proxy.outcome("delete_object", **kept), 204)


def test_faults(proxy, bucket):
    proxy.control({"clear": True})
    key = {"Bucket": bucket, "Key": "fault"}

    def get():
        return proxy.outcome("get_object", **key)

    proxy.s3.put_object(Body=b"x" * 100000, **key)
    proxy.control({"fault": "503", "times": 2}, {"fault": "500", "after": 1, "op": "GetObject"})
    check("503", get(), (503, "ServiceUnavailable"))
    check("503 again", get(), (503, "ServiceUnavailable"))
    check("then it passes once", get(), 200)
    check("then 500", get(), (500, "InternalError"))
    proxy.control({"fault": "429", "match": "/other$"})
    check("another key is free", get(), 200)
    proxy.control({"clear": True}, {"fault": "reset"})
    check("reset", get(), "ConnectionClosedError")
    proxy.control({"fault": "cut-after-bytes", "bytes": 50000})
    check("cut", get() in ("ResponseStreamingError", "IncompleteReadError"), True)
    proxy.control({"fault": "stall", "seconds": 0.5})
    began = time.monotonic()
    check("stall", (get(), time.monotonic() - began >= 0.5), (200, True))
    proxy.control({"fault": "slow-bytes-per-second", "bytes": 200000})
    began = time.monotonic()
    check("slow", (get(), time.monotonic() - began >= 0.4), (200, True))
    proxy.control({"fault": "corrupt", "bytes": 7})
    body = proxy.s3.get_object(**key)["Body"].read()
    check("corrupt", [i for i, byte in enumerate(body) if byte != ord("x")], [7])
    proxy.control({"down": True})
    check("down", get(), (503, "ServiceUnavailable"))
    proxy.control({"down": False})
    check("up", get(), 200)
    complete = upload(proxy, bucket, "lost", [10])
    proxy.control({"fault": "200-with-error", "op": "CompleteMultipartUpload", "forward": True})
    status, code = proxy.outcome("complete_multipart_upload", **complete)
    # the client library looks into the body and calls it a 500
    check("200 with an error", (status, code), (500, "InternalError"))
    check("as 200", proxy.control()["statuses"]["200"] > 0, True)
    check("but carried out", proxy.outcome("head_object", Bucket=bucket, Key="lost"), 200)
    proxy.control({"fault": "reset", "op": "PutObject", "forward": True})
    got = proxy.outcome("put_object", Bucket=bucket, Key="silent", Body=b"1")
    check("an answer lost", got, "ConnectionClosedError")
    check("the object is there", proxy.outcome("head_object", Bucket=bucket, Key="silent"), 200)
    proxy.control({"fault": "cut-after-bytes", "op": "PutObject", "bytes": 1 << 20})
    got = proxy.outcome("put_object", Bucket=bucket, Key="half", Body=b"1" * (4 << 20))
    check("a body cut", got, "ConnectionClosedError")
    check("nothing is there", proxy.outcome("head_object", Bucket=bucket, Key="half")[0], 404)
    state = proxy.control()
    check("faults are used up", state["faults"], [])
    check("faults are counted", state["faults_done"]["cut-after-bytes"], 2)
    check("requests are counted", state["requests"]["CompleteMultipartUpload"], 1)
    check("parts are counted", [part["bytes"] for part in state["parts"]], [10])


def main():
    proxy = Proxy(sys.argv[1].rstrip("/"))
    bucket = "probe-" + os.urandom(4).hex()
    proxy.control({"clear": True, "down": False, "lock": []})
    proxy.s3.create_bucket(Bucket=bucket)
    tests = (test_passing_through, test_rules, test_raw, test_conditions, test_locks, test_faults)
    for test in tests:
        test(proxy, bucket)
    for item in proxy.s3.list_objects_v2(Bucket=bucket)["Contents"]:
        proxy.s3.delete_object(Bucket=bucket, Key=item["Key"])
    proxy.s3.delete_bucket(Bucket=bucket)
    print("%d passed, %d failed" % (len(PASSED), len(FAILED)))
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())

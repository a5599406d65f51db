#!/usr/bin/env python3
"""Random S3 requests, signed by botocore: one JSON object a line.

    botocore_cases.py COUNT [SEED] > cases.jsonl
    build/release/tests/unit/s3/test_sign cases.jsonl      # signs each again and compares

botocore.jsonl beside this script is the output for 300 and seed 1; the unit test reads that."""
import datetime
import hashlib
import json
import random
import sys

import botocore.auth
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import percent_encode

ODD = list(" +=&?#%/~-_.!*'()$,:;@[]{}|^`\"<>\\") + ["..", "/./", "//", "é", "備份", "\u1234", "🎉", "a\u0301", "%2F", "%20"]


def text(rng, low, high, odd=0.35):
    out = []
    for _ in range(rng.randint(low, high)):
        out.append(rng.choice(ODD) if rng.random() < odd else rng.choice("abcXYZ0189"))
    return "".join(out)


def header_value(rng):
    value = "".join(rng.choice("abc XYZ 09-_=/;,\"'") for _ in range(rng.randint(1, 30)))
    return value if value.strip() else "x"


def case(rng):
    host = rng.choice(["abc.r2.cloudflarestorage.com", "localhost:9000", "b.s3.eu-west-1.amazonaws.com", "[::1]:8080"])
    scheme = "http" if ":" in host else "https"
    path = "/" + text(rng, 1, 40)
    names = ["partNumber", "uploadId", "prefix", "list-type", "delimiter", "uploads", "start-after", "x y", "a", "A", "a-b", "ä"]
    query = [[n, text(rng, 0, 20)] for n in rng.sample(names, rng.randint(0, 5))]
    if query and rng.random() < 0.2:
        query.append([query[0][0], text(rng, 0, 5)])
    headers = [[n, header_value(rng)] for n in rng.sample(
        ["content-type", "Content-MD5", "x-amz-meta-owner", "X-Amz-Meta-Nodes", "if-none-match", "If-Match", "range", "x-amz-meta-a-b"],
        rng.randint(0, 5))]
    body = bytes(rng.getrandbits(8) for _ in range(rng.randint(0, 64)))
    token = "".join(rng.choice("abcXYZ0123456789+/=") for _ in range(60)) if rng.random() < 0.3 else None
    key = "".join(rng.choice("0123456789abcdef") for _ in range(32))
    secret = "".join(rng.choice("abcXYZ0123456789+/") for _ in range(rng.choice([40, 64])))
    region = rng.choice(["auto", "us-east-1", "eu-central-1"])
    when = rng.randint(946684800, 4102444799)
    method = rng.choice(["GET", "PUT", "POST", "HEAD", "DELETE"])
    url = f"{scheme}://{host}" + percent_encode(path, safe="/~")
    if query:
        url += "?" + "&".join(percent_encode(n, safe="-._~") + "=" + percent_encode(v, safe="-._~") for n, v in query)
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    moment = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
    botocore.auth.get_current_datetime = lambda *a, **k: moment
    S3SigV4Auth(Credentials(key, secret, token), "s3", region).add_auth(request)
    payload = request.headers["X-Amz-Content-SHA256"]
    assert payload == hashlib.sha256(body).hexdigest()
    return {"method": method, "host": host, "path": path, "query": query, "headers": headers, "payload": payload, "region": region,
            "time": when, "key": key, "secret": secret, "token": token, "authorization": request.headers["Authorization"]}


def main():
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    for _ in range(int(sys.argv[1])):
        print(json.dumps(case(rng), ensure_ascii=False))


main()

#!/usr/bin/env python3
"""A bucket, looked at with the standard client and not with the project's own.

s3.py make BUCKET | ls BUCKET [PREFIX] | get BUCKET KEY FILE | put BUCKET KEY FILE | rm BUCKET KEY
      | uploads BUCKET | head BUCKET KEY | sweep BUCKET PREFIX | recopy BUCKET

`recopy` stores the bytes of every dump and chunk anew in parts, as another tool copies a bucket: their ETags are others then.

Environment: S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY. `ls` prints "SIZE KEY" lines, sorted by key.
"""

import json
import os
import sys

import boto3
from botocore.config import Config


def client():
    return boto3.client(
        "s3",
        endpoint_url=os.environ["S3_ENDPOINT"],
        aws_access_key_id=os.environ["S3_ACCESS_KEY"],
        aws_secret_access_key=os.environ["S3_SECRET_KEY"],
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def keys(s3, bucket, prefix):
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


def recopy(s3, bucket):
    for item in list(keys(s3, bucket, "")):
        if item["Key"].endswith((".json", ".pin")):
            continue
        where = {"Bucket": bucket, "Key": item["Key"]}
        body = s3.get_object(**where)["Body"].read()
        upload = {**where, "UploadId": s3.create_multipart_upload(**where)["UploadId"]}
        part = s3.upload_part(**upload, PartNumber=1, Body=body)
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})


def main():
    verb, bucket, *rest = sys.argv[1:]
    s3 = client()
    if verb == "make":
        try:
            s3.create_bucket(Bucket=bucket)
        except (s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
            pass
    elif verb == "ls":
        for item in sorted(keys(s3, bucket, rest[0] if rest else ""), key=lambda x: x["Key"]):
            print(item["Size"], item["Key"])
    elif verb == "get":
        s3.download_file(bucket, rest[0], rest[1])
    elif verb == "put":
        s3.upload_file(rest[1], bucket, rest[0])
    elif verb == "rm":
        s3.delete_object(Bucket=bucket, Key=rest[0])
    elif verb == "sweep":
        for item in list(keys(s3, bucket, rest[0])):
            s3.delete_object(Bucket=bucket, Key=item["Key"])
    elif verb == "recopy":
        recopy(s3, bucket)
    elif verb == "uploads":
        for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            print(upload["Key"], upload["UploadId"])
    elif verb == "head":
        answer = s3.head_object(Bucket=bucket, Key=rest[0])
        print(json.dumps({"size": answer["ContentLength"], "metadata": answer["Metadata"]}))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()

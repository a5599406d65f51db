#!/usr/bin/env python3
"""The stack that the project replaces: the official Python driver, one CREATE a node, one MATCH and
CREATE a relationship, the gzip module, boto3. Usage: sidecar.py URI BUCKET KEY LEVEL
(NEO4J_PASSWORD, S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY in the environment). Prints the stored size."""
import gzip
import os
import sys
import tempfile

import boto3
import neo4j
from neo4j.spatial import Point
from neo4j.time import Date, DateTime, Duration, Time


def name(text):
    return "`" + text.replace("`", "``") + "`"


def literal(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        body = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
        return f"'{body}'"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, bytes, bytearray)):
        return "[" + ", ".join(literal(v) for v in value) + "]"
    if isinstance(value, DateTime):
        return f"{'datetime' if value.tzinfo else 'localdatetime'}('{value.iso_format()}')"
    if isinstance(value, Date):
        return f"date('{value.iso_format()}')"
    if isinstance(value, Time):
        return f"{'time' if value.tzinfo else 'localtime'}('{value.iso_format()}')"
    if isinstance(value, Duration):
        return f"duration('{value.iso_format()}')"
    if isinstance(value, Point):
        axes = ", ".join(f"{k}: {v!r}" for k, v in zip("xyz", value))
        return f"point({{srid: {value.srid}, {axes}}})"
    raise TypeError(type(value))


def properties(entity):
    return "{" + ", ".join(f"{name(k)}: {literal(v)}" for k, v in entity.items()) + "}"


def main():
    uri, bucket, key, level = sys.argv[1:5]
    driver = neo4j.GraphDatabase.driver(uri, auth=("neo4j", os.environ["NEO4J_PASSWORD"]))
    with tempfile.NamedTemporaryFile(suffix=".cypher.gz") as tmp:
        with driver.session() as session, gzip.open(tmp.name, "wt", compresslevel=int(level), encoding="utf-8") as out:
            for record in session.run("MATCH (n) RETURN n"):
                node = record["n"]
                labels = "".join(":" + name(x) for x in node.labels)
                out.write(f"CREATE (n:`_Backup`{labels} {properties(node)}) SET n._id = '{node.element_id}';\n")
            for record in session.run("MATCH (a)-[r]->(b) RETURN elementId(a) AS a, elementId(b) AS b, r"):
                rel = record["r"]
                out.write(
                    f"MATCH (a:`_Backup` {{_id: '{record['a']}'}}), (b:`_Backup` {{_id: '{record['b']}'}}) "
                    f"CREATE (a)-[:{name(rel.type)} {properties(rel)}]->(b);\n"
                )
        client().upload_file(tmp.name, bucket, key)
        print(os.path.getsize(tmp.name))


def client():
    return boto3.client(
        "s3",
        endpoint_url=os.environ["S3_ENDPOINT"],
        aws_access_key_id=os.environ["S3_ACCESS_KEY"],
        aws_secret_access_key=os.environ["S3_SECRET_KEY"],
        region_name="us-east-1",
    )


if __name__ == "__main__":
    main()

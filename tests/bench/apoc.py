#!/usr/bin/env python3
"""APOC's streaming export, gzip level 6, boto3. Usage: apoc.py URI BUCKET KEY FORMAT OPTIMISATION
(environment as for sidecar.py). Prints the stored size."""
import gzip
import os
import sys
import tempfile

import neo4j

from sidecar import client


def main():
    uri, bucket, key, fmt, optimisation = sys.argv[1:6]
    config = {"stream": True, "format": fmt, "batchSize": 1000}
    if optimisation != "NONE":
        config["useOptimizations"] = {"type": optimisation, "unwindBatchSize": 100}
    else:
        config["useOptimizations"] = {"type": "NONE"}
    driver = neo4j.GraphDatabase.driver(uri, auth=("neo4j", os.environ["NEO4J_PASSWORD"]))
    with tempfile.NamedTemporaryFile(suffix=".cypher.gz") as tmp:
        with driver.session(fetch_size=1) as session, gzip.open(tmp.name, "wb", compresslevel=6) as out:
            query = "CALL apoc.export.cypher.all(null, $c) YIELD cypherStatements RETURN cypherStatements"
            for record in session.run(query, c=config):
                out.write((record[0] or "").encode())
        client().upload_file(tmp.name, bucket, key)
        print(os.path.getsize(tmp.name))


if __name__ == "__main__":
    main()

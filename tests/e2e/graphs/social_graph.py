#!/usr/bin/env python3
"""Adds a social graph to a database: people, companies and cities with every property type that
Neo4j stores, constraints and indexes of every kind that the server has, names that need
quoting, and relationships in parallel, to oneself and without properties. Servers 4.4, 5, 2026.

    social_graph.py URI [--people N] [--rels N] [--seed N] [--byte-arrays] [--no-schema]
"""

import itertools
import time

from common import Server, Source, arguments

# Each value becomes a node of its own; text, because the server makes the value.
VALUES = [
    "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775807 - 1",
    "0.0", "-0.0", "1.0", "0.1", "1e300 * 1e300", "-1e300 * 1e300", "0.0 / 0.0", "4.9E-324",
    "1.7976931348623157E308", "2.2250738585072014E-308", "123456789012345680.0", "1e22",
    "''", "' '", "'it\\'s'", "'\"quoted\" \\\\ back'",
    "'two\\nlines\\r\\n\\ttabbed'", "'; :begin // not a comment'", "'€ 😀 e\\u0301 ñ 東京'",
    "'\\\\u0041 is no A'", "'`back` $param {map}'", "'null'", "'NaN'",
    "'\\u0001 \\u007F \\u2028'", "'a,b;c|d\\te'",
    "date('2024-02-29')", "date('-0001-01-01')", "date('+12345-06-07')",
    "date('-999999999-01-01')", "date('+999999999-12-31')",
    "localtime('00:00')", "localtime('23:59:59.999999999')",
    "time('12:00+00:00')", "time('06:07:08.000000009+05:30')", "time('23:59-18:00')",
    "localdatetime('2024-05-06T07:08:09.123456789')", "localdatetime('-0044-03-15T12:00')",
    "datetime('2024-05-06T07:08:09Z')", "datetime('2024-05-06T07:08:09.5+05:45')",
    "datetime('1900-01-01T00:00:00-12:00')",
    "datetime('2024-07-01T12:30[Europe/Stockholm]')",
    "datetime('2024-10-27T02:30:00+02:00[Europe/Stockholm]')",
    "datetime('2024-10-27T02:30:00+01:00[Europe/Stockholm]')",
    "datetime('2024-03-10T12:00[America/New_York]')",
    "duration('P0D')", "duration('P14M3DT4S')", "duration({months: -1, days: 40, seconds: -1})",
    "duration({seconds: -1, nanoseconds: 1})", "duration({nanoseconds: 999999999})",
    "duration({days: -9, hours: 25})",
    "point({x: 1.5, y: -0.0})", "point({x: 1.0, y: 2.0, z: 3.0})",
    "point({longitude: 12.5, latitude: 55.7})",
    "point({longitude: -180.0, latitude: -90.0, height: 11.5})",
    "[]", "[true, false]", "[1, 2, 3]", "[-0.0, 0.5, 0.0 / 0.0]", "['a', '', 'b,c', 'd\"e']",
    "[date('2024-01-01'), date('-0001-12-31')]", "[localtime('01:02')]",
    "[time('01:02+03:00'), time('01:02-03:00')]", "[localdatetime('2024-01-01T00:00')]",
    "[datetime('2024-01-01T00:00Z'), datetime('2024-01-01T00:00[Asia/Tokyo]')]",
    "[duration('P1M'), duration('PT-1S')]", "[point({x: 1, y: 2}), point({x: 3, y: 4})]",
    "[point({longitude: 1, latitude: 2})]",
]  # fmt: skip

LABELS = ["We``ird Label", "with space", "日本", "MATCH", "a.b", "1st", "'quoted'", "back\\\\slash"]
KEYS = ["strange key", "tick``ed", "ключ", "RETURN", "dotted.key", "0", "'", '"', "$", "{}"]
TYPES = ["LIVES IN", "tick``ed", "友達", "WHERE", "x-y"]

# (first version that takes it, statement)
SCHEMA = [
    ((4, 4), "CREATE CONSTRAINT person_id FOR (p:Person) REQUIRE p.id IS UNIQUE"),
    ((4, 4), "CREATE CONSTRAINT city_key FOR (c:City) REQUIRE (c.name, c.country) IS UNIQUE"),
    ((4, 4), "CREATE INDEX person_age FOR (p:Person) ON (p.age)"),
    ((4, 4), "CREATE INDEX person_name_age FOR (p:Person) ON (p.name, p.age)"),
    ((4, 4), "CREATE INDEX company_cid FOR (c:Company) ON (c.cid)"),
    ((4, 4), "CREATE INDEX city_cid FOR (c:City) ON (c.cid)"),
    ((4, 4), "CREATE TEXT INDEX person_name_text FOR (p:Person) ON (p.name)"),
    ((4, 4), "CREATE INDEX knows_since FOR ()-[r:KNOWS]-() ON (r.since)"),
    (
        (4, 4),
        "CREATE FULLTEXT INDEX person_bio FOR (p:Person|Company) ON EACH [p.bio, p.name]"
        " OPTIONS {indexConfig: {`fulltext.analyzer`: 'english',"
        " `fulltext.eventually_consistent`: false}}",
    ),
    ((4, 4), "CREATE FULLTEXT INDEX knows_note FOR ()-[r:KNOWS]-() ON EACH [r.note]"),
    ((4, 4), "CREATE INDEX `weird idx ``1``` FOR (n:`We``ird Label`) ON (n.`strange key`)"),
    (
        (5, 0),
        "CREATE POINT INDEX person_home FOR (p:Person) ON (p.home)"
        " OPTIONS {indexConfig: {`spatial.wgs-84.min`: [-180.0, -90.0]}}",
    ),
    ((5, 7), "CREATE CONSTRAINT works_uid FOR ()-[r:WORKS_AT]-() REQUIRE r.uid IS UNIQUE"),
    (
        (5, 13),
        "CREATE VECTOR INDEX person_taste FOR (p:Person) ON (p.taste)"
        " OPTIONS {indexConfig: {`vector.dimensions`: 8,"
        " `vector.similarity_function`: 'euclidean'}}",
    ),
]


def people(source, count):
    random = source.random
    endings = ["", '\n"quoted" \\ back', " it's; 'so'", "\t€ 😀"]
    for i in range(count):
        person = {
            "id": i,
            "name": source.text(2).title(),
            "age": random.randrange(10, 95),
            "score": random.random() * 1000,
            "active": random.random() < 0.5,
            "bio": source.text(random.randrange(5, 25)) + random.choice(endings),
            "tags": [source.text(1) for _ in range(random.randrange(0, 5))],
        }
        if i % 17 == 0:
            person["numbers"] = [random.randrange(-(2**62), 2**62) for _ in range(5)]
            person["values"] = [random.gauss(0, 1) for _ in range(5)]
        day = "%02d-%02d" % (random.randrange(1, 13), random.randrange(1, 29))
        clock = "%02d:%02d:%02d" % tuple(random.randrange(top) for top in (24, 60, 60))
        yield {
            "plain": person,
            "born": "%d-%s" % (random.randrange(1930, 2015), day),
            "created": "2024-%sT%s.%09dZ" % (day, clock, random.randrange(10**9)),
            "seen": "2024-05-06T07:08:09.123456789" if i % 5 == 0 else None,
            "wakes": "06:%02d+05:30" % random.randrange(60) if i % 5 == 0 else None,
            "local": "2024-%sT%s[Europe/Stockholm]" % (day, clock) if i % 11 == 0 else None,
            "tenure": "P%dM%dDT%dS" % (i % 50, i % 40, i) if i % 7 == 0 else None,
            "home": [random.uniform(-180, 180), random.uniform(-90, 90)] if i % 3 == 0 else None,
            "place": [random.random(), random.random(), -random.random()] if i % 13 == 0 else None,
            "taste": [random.uniform(-1, 1) for _ in range(8)],
        }


# A property that is set to null is not stored.
CREATE_PEOPLE = """
UNWIND $rows AS row
CREATE (p:Person) SET p = row.plain
SET p.born = date(row.born), p.created = datetime(row.created),
    p.seen = localdatetime(row.seen), p.wakes = time(row.wakes), p.local = datetime(row.local),
    p.tenure = duration(row.tenure),
    p.home = point({longitude: row.home[0], latitude: row.home[1], crs: 'WGS-84'}),
    p.place = point({x: row.place[0], y: row.place[1], z: row.place[2], crs: 'cartesian-3D'})
"""
# What GraphiTi calls too: the server stores 32 bit floats, and Bolt shows 64 bit ones.
SET_TASTE = " WITH p, row CALL db.create.setNodeVectorProperty(p, 'taste', row.taste)"


def create_nodes(server, source, options):
    people_count = max(1, options.people)
    vectors = server.version >= (5, 13)
    server.in_batches(
        CREATE_PEOPLE + (SET_TASTE if vectors else ""), people(source, people_count), options.batch
    )
    server.run("MATCH (p:Person) WHERE p.id % 10 = 0 SET p:Employee")
    weird = "Plain" if options.no_odd_ones else "`We``ird Label`"
    server.run(f"MATCH (p:Person) WHERE p.id % 50 = 0 SET p:Employee:{weird}:`日本`")
    server.run(f"MATCH (p:{weird}) SET p.`strange key` = 'x' + p.id")
    companies = max(2, people_count // 50)
    rows = (
        {"name": source.text(3), "cid": i, "founded": 1900 + i % 125, "bio": source.text(10)}
        for i in range(companies)
    )
    server.in_batches("UNWIND $rows AS row CREATE (c:Company) SET c = row", rows, options.batch)
    cities = max(2, people_count // 100)
    rows = (
        {"name": "City%d" % i, "country": source.random.choice(["SE", "JP", "日本"]), "cid": i}
        for i in range(cities)
    )
    server.in_batches("UNWIND $rows AS row CREATE (c:City) SET c = row", rows, options.batch)
    return people_count, companies, cities


def create_relationships(server, source, options, people_count, companies, cities):
    random = source.random

    def knows():
        while True:
            yield {
                "a": random.randrange(people_count),
                "b": random.randrange(people_count),
                "since": "%d-%02d-01" % (2000 + random.randrange(25), 1 + random.randrange(12)),
                "weight": random.random(),
                "note": source.text(1),
            }

    def works():
        for uid in itertools.count():
            ends = random.randrange(people_count), random.randrange(companies)
            yield {"a": ends[0], "b": ends[1], "uid": uid, "role": source.text(2)}

    def lives():
        while True:
            yield {"a": random.randrange(people_count), "b": random.randrange(cities)}

    count_knows, count_works = options.rels * 7 // 10, options.rels * 2 // 10
    for rows, count, query in (
        (
            knows(),
            count_knows,
            "MATCH (a:Person {id: row.a}), (b:Person {id: row.b})"
            " CREATE (a)-[r:KNOWS {since: date(row.since)}]->(b)"
            " SET r.weight = row.weight, r.note = row.note",
        ),
        (
            works(),
            count_works,
            "MATCH (a:Person {id: row.a}), (b:Company {cid: row.b})"
            " CREATE (a)-[:WORKS_AT {uid: row.uid, role: row.role}]->(b)",
        ),
        (
            lives(),
            options.rels - count_knows - count_works,
            "MATCH (a:Person {id: row.a}), (b:City {cid: row.b}) CREATE (a)-[:`LIVES IN`]->(b)",
        ),
    ):
        limited = itertools.islice(rows, count)
        server.in_batches("UNWIND $rows AS row " + query, limited, options.batch)


def create_odd_ones(server, options):
    """What hand-made graphs rarely have, and backups lose."""
    rows = ", ".join("[%d, %s]" % numbered for numbered in enumerate(VALUES))
    server.run(
        "UNWIND [%s] AS row CREATE (v:Value {number: row[0], value: row[1]})"
        " CREATE (v)-[:ALSO {value: row[1]}]->(v)" % rows
    )
    server.run(
        "CREATE "
        + ", ".join(
            "(:`%s` {`%s`: 1, `%s`: 'two'})" % (label, key, key + " too")
            for label, key in itertools.zip_longest(LABELS, KEYS, fillvalue="x")
        )
    )
    server.run(
        "CREATE "
        + ", ".join("({end: 1})-[:`%s` {`odd key`: 1}]->({end: 2})" % kind for kind in TYPES)
    )
    server.run("CREATE (), (), (:Empty), (:Empty:AlsoEmpty)")
    server.run("CREATE (a:Knot) CREATE (a)-[:LOOP]->(a), (a)-[:LOOP]->(a), (a)-[:LOOP {n: 1}]->(a)")
    server.run(
        "CREATE (a:End {n: 1}), (b:End {n: 2}) WITH a, b UNWIND range(1, 5) AS i"
        " CREATE (a)-[:SAME]->(b), (b)-[:SAME]->(a)"
    )
    server.run("UNWIND range(1, 7) AS i CREATE (:Ring {i: i % 1})")
    server.run("CREATE (:Long {text: $text})", text="0123456789abcdef" * 8192)
    # shapes without any content: only who is joined to whom tells these apart
    server.run("CREATE (a:N)-[:R]->(b:N)-[:R]->(c:N)-[:R]->(a), (d:N)-[:R]->(e:N)-[:R]->(:N)")
    if options.byte_arrays:
        for size in (0, 1, 3, 300):
            data = bytes(i % 256 for i in range(size))
            server.run("CREATE (:Bytes {size: $size, data: $data})", size=size, data=data)


def main():
    parser = arguments("Adds a social graph to a Neo4j database.")
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--rels", type=int, default=1500)
    parser.add_argument(
        "--byte-arrays", action="store_true", help="plain Cypher cannot bring these back"
    )
    parser.add_argument(
        "--no-odd-ones", action="store_true", help="nothing that other programs break on: years beyond 9999 (the Python driver), backticks in names (APOC)"
    )
    parser.add_argument("--no-schema", action="store_true", help="only the lookups it needs itself")
    options = parser.parse_args()
    started = time.monotonic()
    source, server = Source(options.seed), Server(options.uri)
    # without these the relationships would take a scan each
    needed = ("person_id", "company_cid", "city_cid")
    for since, statement in SCHEMA:
        name = statement.split(" FOR ")[0].split()[-1]
        if options.no_odd_ones and "``" in statement:
            continue
        if server.version >= since and (not options.no_schema or name in needed):
            server.run(statement)
    sizes = create_nodes(server, source, options)
    create_relationships(server, source, options, *sizes)
    if not options.no_odd_ones:
        create_odd_ones(server, options)
    server.run("CALL db.awaitIndexes(300)")
    print("social graph: %s in %.1f s" % (server.counts(), time.monotonic() - started))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Adds to a database what breaks exporters: every property type at its extremes, names that want to leave
their quotes, shapes that nobody draws, sizes that nobody expects, and schema of every kind and option that the server has.

    torture_graph.py URI [--byte-arrays] [--portable] [--seed N]

What it made is looked at before it ends: a name that the server took for another one would prove nothing.
"""

import math
import struct
import sys
import time

from common import Server, Source, arguments, quoted
from social_graph import VALUES as COMMON_VALUES
from social_graph import create_odd_ones

# Text, because the server makes the value. (social_graph.py has the usual ones.)
VALUES = [
    # years of more than four digits, and the ends of all calendars
    "date('+10000-01-01')", "date('-10000-12-31')", "date('+999999999-12-31')", "date('-999999999-01-01')",
    "localdatetime('-999999999-01-01T00:00')", "localdatetime('+999999999-12-31T23:59:59.999999999')",
    "localdatetime('+292278995-01-01T00:00:00.000000001')",
    "datetime('-999999999-01-01T00:00:00Z')", "datetime('+999999999-12-31T23:59:59.999999999Z')",
    "datetime('+292278994-08-17T07:12:55.807Z')", "datetime('+292278995-01-01T00:00:00+01:00')",
    "datetime('+12345-06-07T01:02:03[Europe/Stockholm]')", "datetime('-0044-03-15T12:00[Europe/Rome]')",
    # both sides of the doubled hour, of one of half an hour, and around the hour that is not
    "datetime('2024-10-27T02:00:00+02:00[Europe/Stockholm]')", "datetime('2024-10-27T02:00:00+01:00[Europe/Stockholm]')",
    "datetime('2024-10-27T02:59:59.999999999+02:00[Europe/Stockholm]')",
    "datetime('2024-10-27T02:59:59.999999999+01:00[Europe/Stockholm]')",
    "datetime('2024-11-03T01:30:00-04:00[America/New_York]')", "datetime('2024-11-03T01:30:00-05:00[America/New_York]')",
    "datetime('2024-04-07T01:45:00+11:00[Australia/Lord_Howe]')", "datetime('2024-04-07T01:45:00+10:30[Australia/Lord_Howe]')",
    "datetime('2024-03-31T03:00:00[Europe/Stockholm]')", "datetime('2024-03-31T01:59:59.999999999[Europe/Stockholm]')",
    "datetime('1850-01-01T00:00[Europe/Stockholm]')",  # an offset with seconds
    "datetime('2024-05-06T07:08:09[Etc/GMT+12]')", "datetime('2024-05-06T07:08:09[Pacific/Kiritimati]')",
    "datetime('2024-05-06T07:08:09-18:00')", "datetime('2024-05-06T07:08:09+18:00')",
    "datetime({year: 2024, month: 5, day: 6, hour: 7, minute: 8, second: 9, nanosecond: 1, timezone: '+05:30:15'})", "datetime({epochSeconds: 0})", "datetime({epochSeconds: -1, nanosecond: 1})",
    "time('00:00:00+18:00')", "time('23:59:59.999999999-18:00')", "time({hour: 6, minute: 7, second: 8, nanosecond: 9, timezone: '+05:30:15'})",
    "localtime('00:00:00.000000001')", "localtime('23:59:59.999999999')",
    # durations: each part with its own sign, beyond what a double counts
    "duration({months: 1, days: -1, seconds: 1})", "duration({months: -1, days: 1, seconds: -1, nanoseconds: -1})",
    "duration({seconds: 9007199254740993})", "duration({seconds: -9007199254740993, nanoseconds: 999999999})",
    "duration({days: 99999999999})", "duration({months: 99999999999})", "duration({nanoseconds: -1})", "duration({nanoseconds: 1})",
    # points
    "point({x: -0.0, y: 0.0})", "point({x: 1.7976931348623157E308, y: -4.9E-324})", "point({x: 0.1, y: 1e22, z: -0.0})",
    "point({longitude: 180.0, latitude: 90.0})", "point({longitude: -180.0, latitude: -90.0, height: -1e300})",
    # numbers
    "2.2250738585072011E-308", "9007199254740993", "9007199254740993.0", "1e23", "5e-324", "0.30000000000000004", "-1e-7", "1e16", "1e17",
    "123456789012345678",
    # lists: empty, of one, of empties, of all that can stand in a list
    "[]", "['']", "['', '']", "['null']", "[',']", "[false]", "[0]", "[-9223372036854775807 - 1, 9223372036854775807]",
    "[0.0 / 0.0]", "[-0.0]", "[1e300 * 1e300, -1e300 * 1e300]",
    "[date('+999999999-12-31'), date('-999999999-01-01')]", "[localtime('23:59:59.999999999')]", "[time({hour: 6, timezone: '-05:30:15'})]",
    "[localdatetime('-999999999-01-01T00:00')]",
    "[datetime('2024-10-27T02:30:00+02:00[Europe/Stockholm]'), datetime('2024-10-27T02:30:00+01:00[Europe/Stockholm]'), datetime('2024-10-27T02:30:00Z')]",
    "[duration({months: 1, days: -1, seconds: 1}), duration({seconds: -9007199254740993})]",
    "[point({x: -0.0, y: 1}), point({x: 1, y: -0.0})]", "[point({x: 1, y: 2, z: 3})]", "[point({longitude: 1, latitude: 2, height: 3})]",
]  # fmt: skip

# Strings by parameter: what a literal may want to end with, or be undone from.
MARKS = "\x1c\x1d\x1e\x1f"
STRINGS = [
    "'", "\\", "\\'", "\\\\'", "'; MATCH (n) DETACH DELETE n; //", "\\u0027", "\\\\u0027", "\\u005C'", "\\u0060", "u0027", "\\u", "\\uZZZZ",
    "`", "``", '"', '\\"', "/*", "*/", "//", "--", ";", ":begin\n", "\n:commit\n", ":exit\n", "\n:source /etc/passwd\n", "$x", "{x}", "{{",
    "\x00", "\x00\x00", "a\x00b", "\r", "\n", "\r\n", "\n\r", "\t", "\b\f\v", "\x7f", "\x85", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff",
    "\U0010ffff", "\U0001f600", "e\u0301", "\u202e rtl \u202c", "\u200d", " ", "  ", "\u00a0", "",
    MARKS, MARKS * 3, "\x1c0", "\x1c1\x1c4", "\x1e\n", "a\x1fb\x1ec", "\x1c", "'\x1c'",
    "1", "true", "NaN", "null", "2024-01-01", "P1D", "toInteger(c[0])", "c[1]", "','\\u001e\\n') AS r",
    "".join(map(chr, range(1, 32))), "".join(map(chr, range(32, 256))),
]  # fmt: skip

NAMES = [
    "`", "``", "a`b", "`a`", "a\\u0060", "\\u0060", "\\u0060) DETACH DELETE n //", "\\\\u0060", "\\", "a\\", "\\`", "`\\", "'", '"', "it's",
    "; :begin", "\n", "a\nb", "\t", "\r\n", "\x01", "\x1f\x1e\x1d\x1c", "\x7f", "\u2028", "\ufeff", " ", "  lead", "trail  ", "0", "-1", "1e5",
    "null", "true", "MATCH", "n", "r", "c", "x", "a", "b", "id", "_nb_", "_nb_12345678x", "$x", "{}", "[0]", "a.b", "a:b", "a|b", "&", "!", "%",
    "日本", "ключ", "😀", "e\u0301", "\u202e", "very " * 400,
]  # fmt: skip


def create_values(server):
    values = [v for v in VALUES if v not in COMMON_VALUES]
    rows = ", ".join("[%d, %s]" % numbered for numbered in enumerate(values))
    server.run(
        f"UNWIND [{rows}] AS row CREATE (v:Extreme {{number: row[0], value: row[1]}})"
        " CREATE (v)-[:ALSO {value: row[1]}]->(v)"
    )
    rows = [{"number": i, "text": text} for i, text in enumerate(STRINGS)]
    server.run(
        "UNWIND $rows AS row CREATE (:Text {number: row.number, one: row.text, list: [row.text, '', row.text], last: row.text})"
        "-[:SAYS {text: row.text}]->(:Text {list: [row.text]})",
        rows=rows,
    )
    # each type under one key, in one label: as many columns
    server.run(f"UNWIND [{', '.join(COMMON_VALUES + values)}] AS v CREATE (:Mixed {{v: v}})")


def create_names(server):
    for number, name in enumerate(NAMES):
        q = quoted(name)
        server.run(
            f"CREATE (a:{q} {{number: $number}})-[r:{q} {{number: $number}}]->(b:Named:{q}) SET a.{q} = $name, r.{q} = 1, b += $map",
            number=number, name=name, map={name: [name], name + "2": number},
        )  # fmt: skip
        row = server.run(
            f"MATCH (a:{q} {{number: $number}})-[r]->(b) RETURN labels(a) AS l, type(r) AS t, a[$name] AS v, keys(b) AS k",
            number=number, name=name,
        )  # fmt: skip
        if len(row) != 1 or (row[0]["l"], row[0]["t"], row[0]["v"]) != ([name], name, name) or name not in row[0]["k"]:
            sys.exit(f"the server took the name {name!r} for another one: {row}")


def embedding(source, size):
    """Floats that 32 bits hold exactly."""
    values = (source.random.gauss(0, 1 / math.sqrt(size)) for _ in range(size))
    return [struct.unpack("<f", struct.pack("<f", value))[0] for value in values]


def create_large(server, source):
    text = "".join(source.random.choice("0123456789abcdef'\\`\n\x1c\x1fé東😀") for _ in range(1 << 16))
    server.run("CREATE (:Large {name: 'ten megabytes', text: $text})", text=(text * 160)[: 10 << 20])
    server.run("CREATE (:Large {name: 'a million quotes', text: $text})", text="'" * 1000000)
    server.run("CREATE (n:Large {name: 'five thousand keys'}) SET n += $map", map={"key %d" % i: i for i in range(5000)})
    server.run(
        "CREATE (:Wide)-[r:WIDE]->(:Wide) SET r += $map",
        map={"key %d" % i: [i, "text", 1.5, True, [i], ["a"]][i % 6] for i in range(600)},
    )
    server.run("CREATE (:%s {name: 'sixty labels'})" % ":".join("Label%02d" % i for i in range(60)))
    for n in (15, 16, 1024, 4096, 4097):
        server.run("CREATE (:Vector {size: $n, exact: $exact, double: $double})",
                   n=n, exact=embedding(source, n), double=[source.random.gauss(0, 1) for _ in range(n)])  # fmt: skip
    if server.version >= (5, 13):
        for n in (1, 8, 4096):
            server.run(
                "CREATE (a:Vector {size: $n})-[r:NEAR]->(a) WITH a, r CALL db.create.setNodeVectorProperty(a, 'procedure', $v)"
                " CALL db.create.setRelationshipVectorProperty(r, 'procedure', $v)",
                n=n, v=embedding(source, n),
            )  # fmt: skip
    server.run("CREATE (:Large {name: 'long lists', numbers: range(1, 100000), texts: [i IN range(1, 20000) | ''], flags: [i IN range(1, 20000) | i % 3 = 0]})")


def create_shapes(server):
    server.run("CREATE (h:Hub) WITH h UNWIND range(1, 3000) AS i CREATE (h)-[:SPOKE]->(:Rim {i: i}) CREATE (h)-[:SPOKE]->(h)")
    server.run("CREATE (a:Twin), (b:Twin) WITH a, b UNWIND range(1, 300) AS i CREATE (a)-[:SAME]->(b) CREATE (b)-[:SAME {i: i % 2}]->(a)")
    server.run("UNWIND range(1, 200) AS i CREATE ()-[:BARE]->()")
    server.run("CREATE (a:First) WITH a UNWIND range(1, 500) AS i CREATE (:Link {i: i})")
    server.run("MATCH (a:Link), (b:Link {i: a.i + 1}) CREATE (a)-[:NEXT]->(b)")
    for start in range(0, 300, 50):
        server.run("CREATE " + ", ".join(
            "(:Shape:`S %d` {`k %d`: %d})-[:`T %d` {`k %d`: 'v'}]->(:Shape)" % ((i,) * 5) for i in range(start, start + 50)))  # fmt: skip
    # ids that were used once: gaps
    server.run("MATCH (n:Link) WHERE n.i % 3 = 0 DETACH DELETE n")


ODD = quoted("odd `\\u0060` ; 'name'")
POINT = "`spatial.cartesian.min`: [-5.5, -5.0], `spatial.cartesian.max`: [5.0, 5.5], `spatial.wgs-84.min`: [-180.0, -90.0]"
POINT_3D = (
    "`spatial.cartesian-3d.min`: [-1.0, -2.0, -3.5], `spatial.cartesian-3d.max`: [1.0, 2.0, 1e6],"
    " `spatial.wgs-84-3d.min`: [-90.5, -45.0, -1000.0], `spatial.wgs-84-3d.max`: [90.5, 45.0, 1000.0]"
)

# (first version, first version without it, goes into a later generation, statement)
SCHEMA = [
    ((4, 4), (9999, 0), True, "CREATE INDEX t_one FOR (n:Text) ON (n.number)"),
    ((4, 4), (9999, 0), True, "CREATE INDEX t_three FOR (n:Text) ON (n.number, n.none, n.`key 1`)"),
    ((4, 4), (9999, 0), True, f"CREATE INDEX {ODD} FOR (n:{ODD}) ON (n.{ODD})"),
    ((4, 4), (9999, 0), True, f"CREATE INDEX {quoted('rel ' + NAMES[5])} FOR ()-[r:{quoted(NAMES[5])}]-() ON (r.number, r.{quoted(NAMES[5])})"),
    ((4, 4), (9999, 0), True, "CREATE TEXT INDEX t_text FOR (n:Rim) ON (n.text)"),
    ((4, 4), (9999, 0), True, "CREATE TEXT INDEX t_text_rel FOR ()-[r:SPOKE]-() ON (r.text)"),
    ((4, 4), (9999, 0), True, f"CREATE FULLTEXT INDEX {quoted('full `text`; 2')} FOR (n:Rim|Hub|{ODD}) ON EACH [n.one, n.two, n.{ODD}]"
     " OPTIONS {indexConfig: {`fulltext.analyzer`: 'swedish', `fulltext.eventually_consistent`: true}}"),
    ((4, 4), (9999, 0), True, "CREATE FULLTEXT INDEX t_full_rel FOR ()-[r:SPOKE|NEXT]-() ON EACH [r.one, r.two]"
     " OPTIONS {indexConfig: {`fulltext.analyzer`: 'standard-no-stop-words', `fulltext.eventually_consistent`: false}}"),
    ((4, 4), (9999, 0), True, "CREATE CONSTRAINT t_unique FOR (n:Rim) REQUIRE n.i IS UNIQUE"),
    ((4, 4), (9999, 0), True, f"CREATE CONSTRAINT {quoted('unique ``')} FOR (n:{ODD}) REQUIRE (n.{ODD}, n.two) IS UNIQUE"),
    ((4, 4), (5, 0), False, "CREATE BTREE INDEX t_btree FOR (n:Hub) ON (n.p) OPTIONS {indexConfig: {" + POINT + "}, indexProvider: 'native-btree-1.0'}"),
    ((4, 4), (5, 0), False, "CREATE BTREE INDEX t_lucene FOR (n:Hub) ON (n.q) OPTIONS {indexProvider: 'lucene+native-3.0'}"),
    ((4, 4), (5, 0), False, "CREATE CONSTRAINT t_unique_lucene FOR (n:Hub) REQUIRE n.u IS UNIQUE OPTIONS {indexProvider: 'lucene+native-3.0'}"),
    ((4, 4), (5, 0), True, "CREATE RANGE INDEX t_range4 FOR (n:Hub) ON (n.r)"),
    ((4, 4), (9999, 0), True, "CREATE POINT INDEX t_point FOR (n:Hub) ON (n.at) OPTIONS {indexConfig: {" + POINT + "}}"),
    ((4, 4), (9999, 0), True, "CREATE POINT INDEX t_point_3d FOR (n:Rim) ON (n.at) OPTIONS {indexConfig: {" + POINT_3D + "}, indexProvider: 'point-1.0'}"),
    ((4, 4), (9999, 0), True, "CREATE POINT INDEX t_point_rel FOR ()-[r:SPOKE]-() ON (r.at)"),
    ((5, 0), (9999, 0), True, "CREATE RANGE INDEX t_range FOR ()-[r:SPOKE]-() ON (r.a, r.b) OPTIONS {indexProvider: 'range-1.0'}"),
    ((5, 0), (9999, 0), False, "CREATE TEXT INDEX t_text1 FOR (n:Hub) ON (n.text) OPTIONS {indexProvider: 'text-1.0'}"),
    ((5, 7), (9999, 0), True, "CREATE CONSTRAINT t_unique_rel FOR ()-[r:NEXT]-() REQUIRE (r.a, r.b) IS UNIQUE"),
    ((5, 7), (9999, 0), True, f"CREATE CONSTRAINT {quoted('rel unique `')} FOR ()-[r:{ODD}]-() REQUIRE r.{ODD} IS UNIQUE OPTIONS {{indexProvider: 'range-1.0'}}"),
    ((5, 13), (9999, 0), True, "CREATE VECTOR INDEX t_vector FOR (n:Vector) ON (n.procedure)"
     " OPTIONS {indexConfig: {`vector.dimensions`: 4096, `vector.similarity_function`: 'euclidean'}}"),
    ((5, 18), (9999, 0), True, "CREATE VECTOR INDEX t_vector_rel FOR ()-[r:NEAR]-() ON (r.procedure)"
     " OPTIONS {indexConfig: {`vector.dimensions`: 8, `vector.similarity_function`: 'cosine'}}"),
    ((5, 23), (9999, 0), True, "CREATE VECTOR INDEX t_vector_hnsw FOR (n:Vector) ON (n.exact) OPTIONS {indexConfig: {`vector.dimensions`: 1024,"
     " `vector.similarity_function`: 'cosine', `vector.quantization.enabled`: false, `vector.hnsw.m`: 8, `vector.hnsw.ef_construction`: 50}}"),
    ((5, 23), (9999, 0), True, "CREATE VECTOR INDEX t_vector_any FOR (n:Vector) ON (n.double)"),
    ((5, 18), (2026, 0), True, "CREATE VECTOR INDEX t_vector_first FOR (n:Rim) ON (n.v) OPTIONS {indexProvider: 'vector-1.0',"
     " indexConfig: {`vector.dimensions`: 2048, `vector.similarity_function`: 'cosine'}}"),
    ((5, 18), (9999, 0), True, "CREATE VECTOR INDEX t_vector_second FOR (n:Rim) ON (n.w) OPTIONS {indexProvider: 'vector-2.0',"
     " indexConfig: {`vector.dimensions`: 4096, `vector.similarity_function`: 'euclidean'}}"),
    ((2026, 1), (9999, 0), True, "CYPHER 25 CREATE VECTOR INDEX t_vector_labels FOR (n:Vector|Hub) ON n.v WITH [n.size, n.name]"
     " OPTIONS {indexConfig: {`vector.dimensions`: 8}}"),
    ((2026, 1), (9999, 0), True, f"CYPHER 25 CREATE VECTOR INDEX {quoted('vector ``')} FOR ()-[r:NEAR|{ODD}]-() ON r.{ODD} WITH [r.two]"),
]  # fmt: skip


def create_schema(server, options):
    for since, until, portable, statement in SCHEMA:
        if since <= server.version < until and (portable or not options.portable):
            server.run(statement)


def main():
    parser = arguments("Adds to a Neo4j database what breaks exporters.")
    parser.add_argument("--byte-arrays", action="store_true", help="plain Cypher cannot bring these back")
    parser.add_argument("--portable", action="store_true", help="only schema that a later generation of servers takes")
    options = parser.parse_args()
    options.no_odd_ones = False
    started = time.monotonic()
    server = Server(options.uri)
    create_odd_ones(server, options)
    create_values(server)
    create_names(server)
    create_large(server, Source(options.seed))
    create_shapes(server)
    if options.byte_arrays:
        for data in (b"", b"\0", bytes(range(256)), b"'\\\x1c\x1f" * 1000, bytes(1 << 20)):
            server.run("CREATE (:Bytes {data: $data})-[:BYTES {data: $data}]->(:Bytes {list: [1, 2], data: $data})", data=data)
    create_schema(server, options)
    server.run("CALL db.awaitIndexes(300)")
    print("torture graph: %s in %.1f s" % (server.counts(), time.monotonic() - started))


if __name__ == "__main__":
    main()

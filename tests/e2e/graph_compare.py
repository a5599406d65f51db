#!/usr/bin/env python3
"""Tells whether two Neo4j databases hold exactly the same graph and schema.

    graph_compare.py A_URI B_URI            exit 0: equal; 1: they differ, and how; 2: cannot tell
    graph_compare.py A_URI --keep FILE      what A is now, into a file that may stand for it from then on
    graph_compare.py file:FILE B_URI

The password of user neo4j comes from E2E_NEO4J_PASSWORD (or NEO4J_PASSWORD; --password-a and
--password-b where they differ). Servers 4.4, 5 and 2026, of the same version or not.

It shares no code with the project: the official driver reads, and this judges.

What is compared: every node with all labels, every relationship with its type and ends, every
property with the type of its value (1 and 1.0 differ, so do 0.0 and -0.0, a byte array and a list
of integers, a zone and an offset of the same instant; any NaN equals any NaN; arrays of 32 and
64 bit floats look the same over Bolt and compare by value), every constraint and every index.
With --lists-for-bytes the byte arrays of A are lists of integers in B, as plain Cypher has to leave them.

No property is taken for an identity. Nodes get a colour from labels and properties, and then,
again and again, from the colours of their neighbours (Weisfeiler and Leman 1968), until no more
nodes can be told apart; then the multisets of colours are compared. Graphs that this calls
equal but are not must be highly regular and without any content that tells nodes apart.

Between servers of different versions the schema is compared by what both versions have:
BTREE indexes of 4.4 count as RANGE, provider versions and new settings are left out.
"""

import argparse
import collections
import hashlib
import logging
import os
import pickle
import struct
import sys

FETCH_SIZE = 2000
SHOWN_DIFFERENCES = 20


# --- values -------------------------------------------------------------------------------


class Exact(tuple):
    """A value as it was on the wire: a kind, then its fields. The driver's own classes would lose
    seconds of an offset, years beyond 9999, and zones that this machine does not know."""

    __slots__ = ()

    def __repr__(self):
        return "%s(%s)" % (self[0], ", ".join(str(field) for field in self[1:]))


def float_bits(value):
    return b"nan" if value != value else struct.pack(">d", value)


def canonical(value):
    """Bytes that are equal exactly for equal values of the same type."""
    if isinstance(value, bool):
        return b"b1" if value else b"b0"
    if isinstance(value, int):
        return b"i%d" % value
    if isinstance(value, float):
        return b"f" + float_bits(value)
    if isinstance(value, str):
        return b"s" + value.encode("utf-8", "surrogatepass")
    if isinstance(value, (bytes, bytearray)):
        return b"y" + bytes(value)
    if isinstance(value, Exact):
        return b"x" + framed(
            float_bits(field) if isinstance(field, float) else repr(field).encode()
            for field in value
        )
    if isinstance(value, (list, tuple)):
        return b"l" + framed(canonical(item) for item in value)
    if value is None:
        return b"n"
    raise TypeError("a value of type '%s' cannot be compared" % type(value).__name__)


def framed(parts):
    """Parts with their lengths before them, so that no two lists of parts give the same bytes."""
    return b"".join(b"%d:%s" % (len(part), part) for part in parts)


def digest(data):
    return int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "big")


def properties_digest(properties):
    return framed(
        part
        for key in sorted(properties)
        for part in (key.encode("utf-8", "surrogatepass"), canonical(properties[key]))
    )


def type_name(value):
    if isinstance(value, Exact):
        return value[0]
    if isinstance(value, list):
        return "list of " + (type_name(value[0]) if value else "nothing")
    names = {bool: "boolean", int: "integer", float: "float", str: "string", bytes: "byte array"}
    return names.get(type(value), type(value).__name__)


def in_words(value):
    text = repr(value)
    return "%s (%s)" % (text if len(text) <= 80 else text[:77] + "...", type_name(value))


# --- a graph and its colours --------------------------------------------------------------


class Graph:
    """Nodes and relationships as digests; their contents are read again if they must be shown."""

    def __init__(self):
        self.number = {}
        self.node_ids = []
        self.node_base = []
        self.ends = []
        self.relationship_base = []

    def add_node(self, identity, labels, properties):
        self.number[identity] = len(self.node_ids)
        self.node_ids.append(identity)
        names = framed(label.encode("utf-8", "surrogatepass") for label in sorted(labels))
        self.node_base.append(digest(framed([names, properties_digest(properties)])))

    def add_relationship(self, start, end, kind, properties):
        self.ends.append((self.number[start], self.number[end]))
        name = kind.encode("utf-8", "surrogatepass")
        self.relationship_base.append(digest(framed([name, properties_digest(properties)])))

    def refine(self, colours):
        """One round: every node's colour from its own and from those of its neighbours."""
        around = [0] * len(colours)
        mask = (1 << 128) - 1
        for (start, end), base in zip(self.ends, self.relationship_base):
            around[start] += digest(b"out%d,%d" % (base, colours[end]))
            around[end] += digest(b"in%d,%d" % (base, colours[start]))
        return [
            digest(b"%d,%d" % (colour, neighbours & mask))
            for colour, neighbours in zip(colours, around)
        ]

    def relationship_colours(self, colours):
        return [
            digest(b"%d,%d,%d" % (base, colours[start], colours[end]))
            for (start, end), base in zip(self.ends, self.relationship_base)
        ]


def multiset_difference(ours, theirs):
    """Indexes of what is only in ours, and of what is only in theirs."""
    surplus = collections.Counter(ours)
    surplus.subtract(theirs)
    only_ours, only_theirs = [], []
    for index, colour in enumerate(ours):
        if surplus[colour] > 0:
            surplus[colour] -= 1
            only_ours.append(index)
    for index, colour in enumerate(theirs):
        if surplus[colour] < 0:
            surplus[colour] += 1
            only_theirs.append(index)
    return only_ours, only_theirs


class Verdict:
    """How two graphs differ: indexes of nodes and relationships that only one of them has."""

    def __init__(self):
        self.nodes = ([], [])
        self.relationships = ([], [])
        self.structure = ([], [])

    def equal(self):
        return not any(any(pair) for pair in (self.nodes, self.relationships, self.structure))


def compare_graphs(a, b):
    verdict = Verdict()
    verdict.nodes = multiset_difference(a.node_base, b.node_base)
    verdict.relationships = multiset_difference(a.relationship_base, b.relationship_base)
    if not verdict.equal():
        return verdict
    colours_a, colours_b = a.node_base, b.node_base
    distinct = len(set(colours_a))
    while True:
        next_a, next_b = a.refine(colours_a), b.refine(colours_b)
        if collections.Counter(next_a) != collections.Counter(next_b):
            verdict.structure = multiset_difference(next_a, next_b)
            return verdict
        colours_a, colours_b = next_a, next_b
        if len(set(next_a)) == distinct:
            break
        distinct = len(set(next_a))
    verdict.relationships = multiset_difference(
        a.relationship_colours(colours_a), b.relationship_colours(colours_b)
    )
    return verdict


# --- schema -------------------------------------------------------------------------------

CONSTRAINT_TYPES = {
    "NODE_PROPERTY_UNIQUENESS": "UNIQUENESS",
    "RELATIONSHIP_PROPERTY_UNIQUENESS": "RELATIONSHIP_UNIQUENESS",
}


def constraint_as_words(row):
    return {
        "type": CONSTRAINT_TYPES.get(row["type"], row["type"]),
        "on": row["entityType"],
        "labels or types": row["labelsOrTypes"],
        "properties": row["properties"],
        "property type": row.get("propertyType"),
        "enforced labels": row.get("enforcedLabel"),
    }


def index_name(row, exact):
    """Every database has lookup indexes from its beginning, with names that versions differ in."""
    if row["type"] == "LOOKUP" and not exact:
        return "lookup of " + row["entityType"].lower()
    return row["name"]


def index_as_words(row, exact):
    options = row.get("options") or {}
    settings = dict(options.get("indexConfig") or {})
    provider = options.get("indexProvider") or row.get("indexProvider") or ""
    kind = row["type"]
    if not exact:
        provider = provider.rpartition("-")[0]
        if kind == "BTREE" or provider == "range":
            kind, provider, settings = "RANGE", "range", {}
    return {
        "type": kind,
        "on": row["entityType"],
        "labels or types": row["labelsOrTypes"] or [],
        "properties": row["properties"] or [],
        "provider": provider,
        "settings": settings,
        "state": row["state"],
    }


def compare_settings(ours, theirs, exact):
    if exact:
        return canonical_json(ours) == canonical_json(theirs)
    return all(
        canonical_json(ours[key]) == canonical_json(theirs[key]) for key in ours if key in theirs
    )


def canonical_json(value):
    if isinstance(value, dict):
        return sorted((key, canonical_json(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)) and not isinstance(value, Exact):
        return [canonical_json(item) for item in value]
    return canonical(value)


def compare_schema(what, ours, theirs, exact):
    """Differences, in words, of two maps from a name to what is known of it."""
    differences = []
    for name in sorted(set(ours) | set(theirs)):
        if name not in ours or name not in theirs:
            side, known = ("A", ours) if name in ours else ("B", theirs)
            differences.append("%s '%s' is only in %s: %s" % (what, name, side, known[name]))
            continue
        for field, mine in ours[name].items():
            other = theirs[name][field]
            if field == "settings":
                same = compare_settings(mine, other, exact)
            else:
                same = mine == other
            if not same:
                differences.append(
                    "%s '%s', %s: A has %r, B has %r" % (what, name, field, mine, other)
                )
    return differences


# --- reading a database -------------------------------------------------------------------


def keep_wire_values():
    """Makes the driver hand out temporal values and points as they were on the wire."""
    from neo4j._codec.hydration.bolt.v1 import spatial
    from neo4j._codec.hydration.bolt.v1 import temporal as temporal_local
    from neo4j._codec.hydration.bolt.v2 import temporal as temporal_utc

    def moment(kind_local, kind_zoned):
        def hydrate(*fields):
            return Exact((kind_zoned if len(fields) == 3 else kind_local, *fields))

        return hydrate

    temporal_local.hydrate_date = lambda days: Exact(("date", days))
    temporal_local.hydrate_time = lambda nanoseconds, offset=None: (
        Exact(("local time", nanoseconds))
        if offset is None
        else Exact(("time", nanoseconds, offset))
    )
    temporal_local.hydrate_datetime = moment("local datetime", "datetime by clock")
    temporal_utc.hydrate_datetime = moment("local datetime", "datetime")
    temporal_local.hydrate_duration = lambda *fields: Exact(("duration", *fields))
    spatial.hydrate_point = lambda srid, *coordinates: Exact(
        ("point", srid, *map(float, coordinates))
    )


class Side:
    """One of the two: rows of nodes and relationships, and what they make."""

    def graph(self):
        graph = Graph()
        for row in self.nodes():
            graph.add_node(row["id"], row["labels"], row["properties"])
        for row in self.relationships():
            graph.add_relationship(row["start"], row["end"], row["type"], row["properties"])
        return graph


class Database(Side):
    def __init__(self, uri, password):
        import neo4j

        self.uri = uri
        self.driver = neo4j.GraphDatabase.driver(uri, auth=("neo4j", password))
        rows = self.rows("CALL dbms.components() YIELD name, versions RETURN name, versions")
        self.version = next(row["versions"][0] for row in rows if row["name"] == "Neo4j Kernel")
        self.generation = self.version.split(".")[0]
        self.identity = "toString(id(%s))" if self.generation == "4" else "elementId(%s)"

    def rows(self, query):
        with self.driver.session(default_access_mode="READ", fetch_size=FETCH_SIZE) as session:
            for record in session.run(query):
                yield dict(record)

    def nodes(self):
        return self.rows(
            "MATCH (n) RETURN %s AS id, labels(n) AS labels, properties(n) AS properties"
            % (self.identity % "n")
        )

    def relationships(self):
        return self.rows(
            "MATCH (a)-[r]->(b) RETURN %s AS start, %s AS end, type(r) AS type,"
            " properties(r) AS properties" % (self.identity % "a", self.identity % "b")
        )

    def constraints(self):
        return {
            row["name"]: constraint_as_words(row) for row in self.rows("SHOW CONSTRAINTS YIELD *")
        }

    def indexes(self, exact):
        list(self.rows("CALL db.awaitIndexes(300)"))
        return {
            index_name(row, exact): index_as_words(row, exact)
            for row in self.rows("SHOW INDEXES YIELD *")
        }

    def close(self):
        self.driver.close()

    def keep(self, path):
        known = {
            "uri": self.uri, "version": self.version, "nodes": list(self.nodes()),
            "relationships": list(self.relationships()), "constraints": self.constraints(),
            "indexes": {exact: self.indexes(exact) for exact in (True, False)},
        }  # fmt: skip
        with open(path, "wb") as file:
            pickle.dump(known, file)
        return known


class Kept(Side):
    """A database as Database.keep() found it."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.known = pickle.load(file)
        self.uri, self.version = self.known["uri"] + " as kept", self.known["version"]

    def nodes(self):
        return iter(self.known["nodes"])

    def relationships(self):
        return iter(self.known["relationships"])

    def constraints(self):
        return self.known["constraints"]

    def indexes(self, exact):
        return self.known["indexes"][exact]

    def close(self):
        pass


class ListsForBytes(Side):
    """A side as it comes back through a script in plain Cypher, which has no byte arrays."""

    def __init__(self, side):
        self.side = side
        self.uri, self.version = side.uri, side.version
        self.constraints, self.indexes, self.close = side.constraints, side.indexes, side.close

    @staticmethod
    def lists(rows):
        for row in rows:
            properties = {
                key: list(value) if isinstance(value, (bytes, bytearray)) else value
                for key, value in row["properties"].items()
            }
            yield dict(row, properties=properties)

    def nodes(self):
        return self.lists(self.side.nodes())

    def relationships(self):
        return self.lists(self.side.relationships())


# --- showing what differs -----------------------------------------------------------------


def show_node(row):
    names = "".join(":`%s`" % label for label in sorted(row["labels"]))
    return "(%s %s)" % (names, show_properties(row["properties"]))


def show_properties(properties, limit=200):
    text = "{%s}" % ", ".join("%s: %r" % pair for pair in sorted(properties.items()))
    return text if len(text) <= limit else text[: limit - 3] + "..."


def closest(row, others):
    """The one of others that shares most properties with row: its likely counterpart."""

    def likeness(other):
        mine, its = row["properties"], other["properties"]
        equal = sum(1 for key in mine if key in its and canonical(mine[key]) == canonical(its[key]))
        return equal * 2 + (names_of(row) == names_of(other))

    return max(others, key=likeness, default=None)


def names_of(row):
    return sorted(row["labels"]) if "labels" in row else [row["type"]]


def differences_of_pair(what, mine, other):
    """What makes one item of A differ from its likely counterpart in B."""
    lines = []
    if names_of(mine) != names_of(other):
        lines.append("%s: A has %s, B has %s" % (what, names_of(mine), names_of(other)))
    ours, theirs = mine["properties"], other["properties"]
    for key in sorted(set(ours) | set(theirs)):
        if key not in theirs:
            lines.append("%s: property '%s' is only in A: %s" % (what, key, in_words(ours[key])))
        elif key not in ours:
            lines.append("%s: property '%s' is only in B: %s" % (what, key, in_words(theirs[key])))
        elif canonical(ours[key]) != canonical(theirs[key]):
            lines.append(
                "%s: property '%s': A has %s, B has %s"
                % (what, key, in_words(ours[key]), in_words(theirs[key]))
            )
    return lines


def pick(rows, indexes, limit=200):
    """The rows of those indexes, at most limit of them. Rows are read in the same order again."""
    wanted = set(indexes[:limit])
    return [row for index, row in enumerate(rows) if index in wanted]


def show_items(what, rows_a, rows_b, show):
    """Pairs up what is only in A with what is only in B, and says how they differ."""
    lines = []
    left = list(rows_b)
    for row in rows_a:
        if len(lines) >= SHOWN_DIFFERENCES:
            return lines
        other = closest(row, left)
        if other is None:
            lines.append("%s is only in A: %s" % (what, show(row)))
            continue
        left.remove(other)
        lines += differences_of_pair("%s %s" % (what, show(row)[:120]), row, other) or [
            "%s: the same content, but other ends: %s" % (what, show(row))
        ]
    return lines + ["%s is only in B: %s" % (what, show(row)) for row in left]


def show_relationship(row):
    return "-[:`%s` %s]->" % (row["type"], show_properties(row["properties"]))


def explain(a, b, verdict):
    lines = []
    for what, pair, read, show in (
        ("node", verdict.nodes, lambda side: side.nodes(), show_node),
        ("relationship", verdict.relationships, lambda side: side.relationships(), show_relationship),
    ):
        if any(pair):
            lines.append("%d %ss are only in A, %d only in B" % (len(pair[0]), what, len(pair[1])))
            lines += show_items(what, pick(read(a), pair[0]), pick(read(b), pair[1]), show)
    if any(verdict.structure):
        lines.append(
            "%d nodes of A and %d of B have equal content but other neighbours"
            % tuple(map(len, verdict.structure))
        )
        for side, database, indexes in zip("AB", (a, b), verdict.structure):
            for row in pick(database.nodes(), indexes, 3):
                lines.append("  %s: %s" % (side, show_node(row)))
    return lines


def side_open(name, password):
    given = password or os.environ.get("E2E_NEO4J_PASSWORD") or os.environ.get("NEO4J_PASSWORD")
    if name.startswith("file:"):
        return Kept(name[len("file:") :])
    return Database(name, given or "correct-horse-7")


def parse_arguments():
    parser = argparse.ArgumentParser(description="Compares two Neo4j databases exactly.")
    parser.add_argument("a", metavar="A_URI")
    parser.add_argument("b", metavar="B_URI", nargs="?")
    parser.add_argument("--password-a")
    parser.add_argument("--password-b")
    parser.add_argument("--no-schema", action="store_true", help="constraints and indexes aside")
    parser.add_argument("--keep", metavar="FILE", help="only look at A, for later")
    parser.add_argument("--lists-for-bytes", action="store_true", help="B came from plain Cypher")
    options = parser.parse_args()
    if (options.b is None) != (options.keep is not None):
        parser.error("B_URI, or --keep")
    return options


def main():
    options = parse_arguments()
    # Servers remark that what 4.4 needs is deprecated.
    logging.getLogger("neo4j").setLevel(logging.ERROR)
    keep_wire_values()
    a = side_open(options.a, options.password_a)
    if options.keep:
        known = a.keep(options.keep)
        a.close()
        print("kept: %d nodes, %d relationships" % (len(known["nodes"]), len(known["relationships"])))
        return 0
    if options.lists_for_bytes:
        a = ListsForBytes(a)
    b = side_open(options.b, options.password_b)
    graph_a, graph_b = a.graph(), b.graph()
    lines = explain(a, b, compare_graphs(graph_a, graph_b))
    constraints, indexes = a.constraints(), {}
    if not options.no_schema:
        exact = a.version == b.version
        indexes = a.indexes(exact)
        lines += compare_schema("constraint", constraints, b.constraints(), exact)
        lines += compare_schema("index", indexes, b.indexes(exact), exact)
    a.close()
    b.close()
    if lines:
        print("different: A is %s (%s), B is %s (%s)" % (a.uri, a.version, b.uri, b.version))
        for line in lines[:SHOWN_DIFFERENCES]:
            print("  " + line)
        if len(lines) > SHOWN_DIFFERENCES:
            print("  ... and %d lines more" % (len(lines) - SHOWN_DIFFERENCES))
        return 1
    print(
        "equal: %d nodes, %d relationships, %d constraints, %d indexes"
        % (len(graph_a.node_ids), len(graph_a.ends), len(constraints), len(indexes))
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:
        print("graph_compare: %s: %s" % (type(error).__name__, error), file=sys.stderr)
        sys.exit(2)

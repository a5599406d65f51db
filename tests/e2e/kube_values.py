"""Values for the fields of a definition, made from its schema: most of them such as the API server takes, so that they get as far
as a Job. See kube_jobs.py. (kube_specs.py has a harsher maker of its own; case numbers in its ledger mean what that one makes.)
"""

import copy

AGE, KEY = "age1" + "q" * 58, "MCowBQYDK2VwAyEA" + "A" * 43 + "="
ODD = ["", " ", "x", "-1", "é世界\U0001f4be", "a" * 300, "../../etc", "$(HOME)", "a\nb", "\u202e", "\\\"'`", "a,b", "a=b", "1e999"]
GOOD = {
    "schedule": ["* * * * *", "@daily", "0 0 31 2 *", "0 2 * * 7", "@every 90m"], "timeZone": ["Europe/Berlin", "Mars/Olympus", "Etc/UTC"],
    "uri": ["bolt://h:1", "neo4j+s://a", "bolt://[::1]:7687", "neo4j://h?policy=$(HOME)", "bolt+ssc://h/"],
    "name": ["a", "a.b-c", "x" * 253], "bucket": ["abc", "a.b-c", "b" * 63], "prefix": ["a", "team-a/x_(1)*!", "p" * 512],
    "endpoint": ["https://h", "http://minio:9000/"], "region": ["auto", "eu-1"], "accountId": ["f" * 32],
    "owner": ["team/x", "a.b_c"], "neo4jImage": ["neo4j:5.26", "r.example:5000/a/b@sha256:" + "0" * 64, "x::y", "A@"],
    "serverName": ["h.example", "*.h"], "priorityClassName": ["none", "a.b"], "recipients": [AGE], "publicKeys": [KEY],
    "trustedKeys": [KEY], "databases": ["neo4j", "*", "a.b-*"], "excludeDatabases": ["x?"], "channel": ["ops"],
    "key": ["k", "p/d_1.manifest.json", "a-b.c", ".", "..", "..x", "K" * 253], "confirm": ["neo4j"], "from": ["neo4j", "a b"], "to": ["other", "ö"],
    "beforeTime": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+02:00", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z",
                   "2026-01-01t00:00:00z", "2026-01-01T00:00:00,5Z", "9999-12-31T23:59:59-12:00", "2026-01-01T24:00:00Z", "2026-12-31T23:59:60Z"],
    "value": ["v", "x" * 253],
}  # fmt: skip
GOOD["scheduledTime"] = GOOD["beforeTime"]
GOOD_KEYS = ["k", "user.name-1_2", ".", "..", "..x", "K" * 253]
QUANTITIES = ["100m", "1Gi", 1, "0", "0.5", "1e3", "-1", "1E", "64Mi", "1.5", "3n", "9" * 20]
STRINGS = [
    {"a": "b"}, {"a.b/c": "d"}, {"neo4jbackup.dev/job": "x", "ok": "1"}, {"app.kubernetes.io/name": "x"}, {"": "x"}, {"k": "é"},
    {"a/b/c": "x"}, {"job-name": "x", "controller-uid": "y"}, {"batch.kubernetes.io/job-name": "x"}, {"k": "v" * 64}, {"k": "$(HOME)"},
    {"k%02d" % i: "v" for i in range(64)}, {}, {"x": "v" * 253}, {"sidecar.istio.io/inject": "false"},
]  # fmt: skip
AFFINITIES = [
    {}, {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}]}}},
    {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": {
        "topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}}}]}},
    {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "zone", "operator": "Near", "values": ["a"]}]}]}}},
    {"nodeAffinty": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}, "note": "misspelt"}, {"nodeAffinity": "x"}, {"podAffinity": {"prefered": 1}},
    {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": ""}]}}, {"podAffinity": [1]},
]  # fmt: skip


def fields(schema, path=()):
    """(path, schema) of every field, objects and lists too; 0 stands for an item of a list."""
    for name, sub in sorted(schema.get("properties", {}).items()):  # as the API server has it
        yield path + (name,), sub
        yield from fields(sub, path + (name,))
        if "items" in sub:
            yield from fields(sub["items"], path + (name, 0))


def strings(name, rng):
    if name in ("limits", "requests"):
        keys = ("cpu", "memory", "ephemeral-storage", "hugepages-2Mi", "example.com/gpu", "bad key!", "cpus")
        return {k: rng.choice(QUANTITIES) for k in rng.sample(keys, rng.choice((0, 1, 1, 2)))}
    return rng.choice(STRINGS)


def word(schema, rng, name):
    limit = schema.get("maxLength", 9)
    good = GOOD_KEYS if name.endswith("Key") else GOOD.get(name, ["x", "x" * limit])
    return rng.choice(good if rng.random() < 0.7 else ODD + ["x" * limit, "x" * (limit + 1)])


def value(schema, rng, name):
    if "enum" in schema:
        return rng.choice(schema["enum"])
    kind = schema.get("type")
    if name == "affinity":
        return copy.deepcopy(rng.choice(AFFINITIES))
    if kind == "object" and "additionalProperties" in schema:
        return dict(strings(name, rng))
    if kind == "object":
        need, have = schema.get("required", []), schema.get("properties", {})
        return {k: value(v, rng, k) for k, v in sorted(have.items()) if k in need or rng.random() < 0.3}
    if kind == "array":
        return [value(schema["items"], rng, name) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    if kind == "boolean":
        return rng.random() < 0.5
    if schema.get("x-kubernetes-int-or-string"):
        return rng.choice((1, 9, "adaptive", 5, "6", 0, 10))
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", -(2**31)), schema.get("maximum", 2**53)
        return rng.choice((low, high, low, high, low + 1, high - 1, (low + high) // 2, low - 1, high + 1))
    return word(schema, rng, name)


def good_one(schema, name):
    """What the API server takes, for what goes with a field."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return {k: good_one(schema["properties"][k], k) for k in schema.get("required", [])}
    if schema.get("type") == "array":
        return [good_one(schema["items"], name)]
    return GOOD["name"][0] if name == "name" else GOOD.get(name, ["x"])[0]


# What a field needs elsewhere to be taken.
PARTNERS = [
    (("storage", "s3"), {"storage": {"r2": None}}), (("connection", "tls"), {"connection": {"uri": "bolt+s://neo4j:7687"}}),
    (("target", "connection", "tls"), {"target": {"connection": {"uri": "bolt+s://neo4j:7687"}}}),
    (("incremental",), {"type": "Incremental"}), (("source", "runRef"), {"source": {"backupRef": None, "storage": None, "key": None}}),
    (("source", "backupRef"), {"source": {"runRef": None, "storage": None, "key": None}}),
    (("source", "storage"), {"source": {"runRef": None, "backupRef": None, "key": "k"}}),
    (("source", "storage", "s3"), {"source": {"storage": {"r2": None}}}),
    (("source", "key"), {"source": {"runRef": None, "backupRef": None}}), (("source", "beforeTime"), {"source": {"backupRef": {"name": "base"}, "runRef": None, "storage": None, "key": None}}),
    (("safetyBackup",), {"overwritePolicy": "Wipe", "confirm": "neo4j"}), (("confirm",), {"overwritePolicy": "Wipe"}),
]  # fmt: skip


def merged(base, change):
    """RFC 7386."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    out = dict(base) if isinstance(base, dict) else {}
    for k, v in change.items():
        if v is None:
            out.pop(k, None)
        else:
            out[k] = merged(out.get(k), v)
    return out


def nested(path, leaf, schema=None):
    """The leaf at that path; with what the objects on the way require where the schema is given."""
    if not path:
        return leaf
    step, rest = path[0], path[1:]
    if step == 0:
        return [nested(rest, leaf, schema and schema["items"])]
    sub = schema and schema["properties"][step]
    need = {k: good_one(schema["properties"][k], k) for k in (schema or {}).get("required", []) if k != step}
    return {**need, step: nested(rest, leaf, sub)}


def change_of(schema, path, sub, rng, base):
    """What is merged over the spec `base` to change the field of that path."""
    leaf = value(sub, rng, str(path[-1] if path[-1] != 0 else path[-2]))
    if rng.random() < 0.06:
        leaf = rng.choice((None, "x", 7, True, [], {}, [{}]))
    if rng.random() < 0.1:
        return nested(path, leaf)
    out = {}
    for prefix, needs in PARTNERS:
        if any(path[i:i + len(prefix)] == prefix and (i == 0 or path[0] == "template") for i in range(2)):
            out = merge_changes(out, {"template": needs} if path[0] == "template" else needs)
    wanted = nested(path, leaf, schema)
    return merge_changes(out, without_known(wanted, base, path))


def without_known(change, base, path):
    """What the base has already of what is only required is left as it is."""
    if not isinstance(change, dict) or not isinstance(base, dict) or not path:
        return change
    return {k: without_known(v, base.get(k), path[1:]) if k == path[0] else v for k, v in change.items()
            if k == path[0] or k not in base}  # fmt: skip


def merge_changes(a, b):
    """Two changes as one, with their nulls."""
    out = dict(a)
    for k, v in b.items():
        out[k] = merge_changes(out[k], v) if isinstance(v, dict) and isinstance(out.get(k), dict) else v
    return out

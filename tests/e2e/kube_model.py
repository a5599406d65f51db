"""The Job that a spec stands for, as docs/worker-environment.md and docs/api.md say it: written down a second way, for tests.

expected_job() makes it of a spec as the API server keeps it (with its defaults); differences() holds the Job that was made
against it. Nothing is left out: a field that is in one of them and not in the other is a difference, but for what the API server
itself sets, which is dropped.
"""

import json
import re

MOUNTS = "/run/secrets/neo4j-backup/"
OURS = ("app.kubernetes.io/name", "app.kubernetes.io/managed-by", "app.kubernetes.io/component", "job-name", "controller-uid")
SUFFIXES = {"": 1, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
            "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}  # fmt: skip
FINAL = (2, 3, 10, 11, 12, 20, 21, 22, 31, 40, 50, 51)  # exit codes that no other try mends

# Where each field of a template goes: (field, variable). What is computed from several is in the functions below.
BACKUP_ENV = [
    ("includeSystem", "NEO4J_INCLUDE_SYSTEM"), ("databases", "NEO4J_DATABASES"), ("excludeDatabases", "NEO4J_EXCLUDE_DATABASES"),
    ("databaseFailurePolicy", "BACKUP_DATABASE_FAILURE_POLICY"), ("export.engine", "BACKUP_ENGINE"),
    ("export.consistency", "BACKUP_CONSISTENCY"), ("export.parallelism", "BACKUP_PARALLELISM"),
    ("export.fetchSize", "BACKUP_FETCH_SIZE"), ("export.statementBatchSize", "BACKUP_STATEMENT_BATCH_SIZE"),
    ("export.maxBytesPerSecond", "BACKUP_MAX_BYTES_PER_SECOND"), ("type", "BACKUP_TYPE"),
    ("incremental.maxChain", "BACKUP_INCREMENTAL_MAX_CHAIN"), ("encryption.recipients", "BACKUP_AGE_RECIPIENTS"),
    ("verification.timeoutSeconds", "BACKUP_VERIFY_TIMEOUT_SECONDS"), ("signing.publicKeys", "BACKUP_VERIFY_KEY"),
]  # fmt: skip
RETENTION_ENV = [("keepLast", "BACKUP_KEEP_LAST"), ("keepHourly", "BACKUP_KEEP_HOURLY"), ("keepDaily", "BACKUP_KEEP_DAILY"),
                 ("keepWeekly", "BACKUP_KEEP_WEEKLY"), ("keepMonthly", "BACKUP_KEEP_MONTHLY"),
                 ("keepYearly", "BACKUP_KEEP_YEARLY"), ("minimumSuccessful", "BACKUP_MINIMUM_SUCCESSFUL")]  # fmt: skip
STORAGE_ENV = [
    ("credentialsSecretRef.name", "R2_CREDENTIALS_SECRET"), ("credentialsSecretRef.accessKeyIdKey", "R2_ACCESS_KEY_ID_KEY"),
    ("credentialsSecretRef.secretAccessKeyKey", "R2_SECRET_ACCESS_KEY_KEY"),
    ("credentialsSecretRef.sessionTokenKey", "R2_SESSION_TOKEN_KEY"), ("credentialsSecretRef.accountIdKey", "R2_ACCOUNT_ID_KEY"),
    ("accountId", "R2_ACCOUNT_ID"), ("jurisdiction", "R2_JURISDICTION"), ("endpoint", "R2_ENDPOINT"), ("region", "R2_REGION"),
    ("forcePathStyle", "R2_FORCE_PATH_STYLE"), ("partSizeBytes", "R2_PART_SIZE_BYTES"), ("bucket", "R2_BUCKET_NAME"),
    ("prefix", "BACKUP_PREFIX"),
]  # fmt: skip
RESTORE_ENV = [("databases", "RESTORE_DATABASES"), ("overwritePolicy", "RESTORE_OVERWRITE_POLICY"), ("confirm", "RESTORE_CONFIRM"),
               ("verify", "RESTORE_VERIFY"), ("trustedKeys", "BACKUP_VERIFY_KEY")]  # fmt: skip


def at(value, path):
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def text(value):
    """As the environment has it; "": not there."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        if any("," in v for v in value):
            raise ValueError("a comma in an item of a list with commas: %s" % value)
        return ",".join(value)
    return str(value)


class Pod:
    """What is collected on the way: variables and mounts."""

    def __init__(self):
        self.env, self.mounts = {}, {}

    def set(self, name, value):
        if text(value):
            self.env[name] = text(value).replace("$", "$$")

    def set_all(self, table, source):
        for path, name in table:
            self.set(name, at(source, path))

    def mount(self, volume, ref, key=None, file=None):
        if ref:
            secret = {"secretName": ref["name"], "defaultMode": 0o440, "optional": True}
            if key:
                secret["items"] = [{"key": key, "path": file or key}]
            self.mounts[volume] = {"name": volume, "secret": secret}

    def add_neo4j(self, c):
        auth, ca = c.get("authSecretRef"), at(c, "tls.caSecretRef")
        self.set("NEO4J_URI", c["uri"])
        self.set("NEO4J_TLS_SERVER_NAME", at(c, "tls.serverName"))
        if auth:
            self.set("NEO4J_AUTH_DIR", MOUNTS + "neo4j")
            self.set_all([("name", "NEO4J_AUTH_SECRET"), ("usernameKey", "NEO4J_USERNAME_KEY"),
                          ("passwordKey", "NEO4J_PASSWORD_KEY"), ("bearerTokenKey", "NEO4J_BEARER_TOKEN_KEY")], auth)  # fmt: skip
        else:
            self.set("NEO4J_AUTH", "none")
        if ca:
            self.set("NEO4J_CA_FILE", MOUNTS + "neo4j-ca/ca.crt")
        self.mount("neo4j", auth)
        self.mount("neo4j-ca", ca, ca and ca["key"], "ca.crt")

    def add_storage(self, storage):
        one = storage.get("r2") or storage["s3"]
        ca = at(one, "tls.caSecretRef")
        self.set_all(STORAGE_ENV, one)
        self.set("R2_CREDENTIALS_DIR", MOUNTS + "storage")
        if ca:
            self.set("R2_CA_FILE", MOUNTS + "storage-ca/ca.crt")
        self.mount("storage", one["credentialsSecretRef"])
        self.mount("storage-ca", ca, ca and ca["key"], "ca.crt")

    def add_key(self, volume, ref, file, secret):
        if ref:
            self.set(file, MOUNTS + volume + "/" + ref["key"])
            self.set(secret, ref["name"])
            self.mount(volume, ref, ref["key"])


def backup_pod(p, t, run, policy):
    meta, spec = run["metadata"], run["spec"]
    p.add_neo4j(t["connection"])
    p.add_storage(t["storage"])
    p.set("BACKUP_OWNER", t["storage"].get("owner") or "%s/%s" % (meta["namespace"], policy["metadata"]["name"]))
    p.set("BACKUP_OWNER_UID", policy["metadata"]["uid"])
    p.set("BACKUP_ADOPT", t["storage"]["adopt"])
    p.set("BACKUP_RUN_ID", meta["uid"])
    p.set("BACKUP_RUN_NAME", meta["name"])
    p.set("BACKUP_SCHEDULED_TIME", scheduled_time(run))
    p.set("BACKUP_TRIGGER", spec["trigger"])
    p.set_all(BACKUP_ENV, t)
    p.set_all(RETENTION_ENV, t["retention"])
    rules = [k for k, _ in RETENTION_ENV[:-1] if k in t["retention"]]
    p.set("BACKUP_RETENTION_DAYS", t["retention"].get("days", None if rules else 7))
    p.set("BACKUP_COMPRESSION", t["compression"] == "gzip")
    if t["compression"] == "gzip":
        p.set("BACKUP_COMPRESSION_LEVEL", t["compressionLevel"])
    p.add_key("signing", at(t, "signing.keySecretRef"), "BACKUP_SIGNING_KEY_FILE", "BACKUP_SIGNING_KEY_SECRET")
    p.set("BACKUP_VERIFY_LEVEL", "Checksum" if t["verification"].get("schedule") else t["verification"]["level"])
    if p.env["BACKUP_VERIFY_LEVEL"] == "Restore":
        p.set("BACKUP_VERIFY_NEO4J_URI", "bolt://127.0.0.1:7687")
        p.mounts["scratch"] = {"name": "scratch", "emptyDir": {}}


def restore_pod(p, t, restore, source):
    """source: {"keys"} or {"owner"}."""
    spec, meta = restore["spec"], restore["metadata"]
    p.add_neo4j(spec["target"]["connection"])
    p.add_storage(t["storage"])
    p.set("RESTORE_ID", meta["uid"])
    p.set("RESTORE_KEYS", [source["keys"]] if "keys" in source else None)
    p.set("RESTORE_OWNER", source.get("owner"))
    if "owner" in source:
        p.set("RESTORE_BEFORE_TIME", utc(at(spec, "source.beforeTime")))
    p.set_all(RESTORE_ENV, spec)
    p.set("RESTORE_MAPPING", ["%s=%s" % (m["from"], m["to"]) for m in spec.get("mapping", [])])
    if spec["overwritePolicy"] == "Wipe":
        safety = spec.get("safetyBackup", {})
        p.set("RESTORE_SAFETY_BACKUP", safety.get("policy", "Bucket"))
        p.set("RESTORE_SAFETY_BUCKET_NAME", safety.get("bucket"))
        p.set("RESTORE_SAFETY_PREFIX", safety.get("prefix"))
        p.set("BACKUP_SCHEDULED_TIME", meta["creationTimestamp"])
    if spec["allowStatements"]:
        p.set("RESTORE_ALLOW_STATEMENTS", True)
    p.add_key("age", at(spec, "decryption.identitySecretRef"), "BACKUP_AGE_IDENTITY_FILE", "BACKUP_AGE_IDENTITY_SECRET")


def utc(time):
    """RFC 3339 with any offset and fraction, in whole seconds of UTC."""
    if not time:
        return None
    import datetime

    m = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", time)
    if not m:
        return "unreadable " + time
    offset = "+00:00" if m.group(4) in "Zz" else m.group(4)
    try:
        t = datetime.datetime.fromisoformat(m.group(1) + "T" + m.group(2) + offset).astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        return "unreadable " + time
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % t.timetuple()[:6]


def scheduled_time(run):
    return utc(run["spec"].get("scheduledTime")) or run["metadata"]["creationTimestamp"]


def quantities(resources):
    """By their value: the API server writes them in a form of its own."""
    def number(q):
        digits, suffix = re.fullmatch(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)", str(q)).groups()
        return "%.9g" % (float(digits) * SUFFIXES[suffix])

    return {part: {k: number(v) for k, v in (resources.get(part) or {}).items()} for part in ("limits", "requests")
            if resources.get(part)}  # fmt: skip


def foreign(strings):
    """Ours win."""
    return {k: v for k, v in (strings or {}).items()
            if k not in OURS and not k.startswith(("neo4jbackup.dev/", "batch.kubernetes.io/"))}  # fmt: skip


def labels_of(kind, names):
    return {"app.kubernetes.io/name": "neo4j-backup", "app.kubernetes.io/managed-by": "neo4j-backup-controller",
            "app.kubernetes.io/component": "worker", "neo4jbackup.dev/job": kind,
            **{"neo4jbackup.dev/%s-name" % k: v for k, v in names.items()}}  # fmt: skip


def security(read_only, uid=None):
    out = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": read_only, "capabilities": {"drop": ["ALL"]}}
    return {**out, "runAsUser": uid, "runAsGroup": uid} if uid else out


def scratch(image):
    env = {"NEO4J_AUTH": "none", "NEO4J_server_default__listen__address": "127.0.0.1", "NEO4J_server_http_enabled": "false"}
    return {"name": "scratch-neo4j", "image": image, "restartPolicy": "Always", "env": env,
            "securityContext": security(False, 7474), "volumeMounts": [
                {"name": "scratch", "mountPath": "/data", "subPath": "data"},
                {"name": "scratch", "mountPath": "/logs", "subPath": "logs"}]}  # fmt: skip


def expected_job(kind, owner, p, job, names, t, uid=65532, image="worker:1", scratch_image="neo4j:5"):
    """owner: the run or the restore; p: its Pod; job: the options of spec.job; t: the template."""
    merges = kind == "restore" and owner["spec"]["overwritePolicy"] == "Merge"
    codes = [c for c in FINAL if job["retryWindowSeconds"] or c not in (10, 22)]
    rules = [{"action": "FailJob", "onExitCodes": {"containerName": "worker", "operator": "In", "values": codes}}]
    if not merges:
        rules.insert(0, {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]})
    p.set("LOG_LEVEL", "info")
    p.set("LOG_FORMAT", "json")
    p.set("TERMINATION_MESSAGE_FILE", "/dev/termination-log")
    p.set("BACKUP_RETRY_WINDOW_SECONDS", job["retryWindowSeconds"])
    worker = {"name": "worker", "image": image, "args": [kind], "env": p.env, "securityContext": security(True),
              "resources": quantities(job.get("resources", {"requests": {"cpu": "100m", "memory": "128Mi"}})),
              "volumeMounts": [{"name": v, "mountPath": MOUNTS + v, "readOnly": True} for v in p.mounts if v != "scratch"],
              "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}  # fmt: skip
    pod = {"restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False,
           "terminationGracePeriodSeconds": 60, "containers": [worker], "volumes": list(p.mounts.values()),
           "securityContext": {"runAsNonRoot": True, "runAsUser": uid, "runAsGroup": uid, "fsGroup": uid,
                               "seccompProfile": {"type": "RuntimeDefault"}}}  # fmt: skip
    for field in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "imagePullSecrets"):
        pod[field] = job.get(field)
    if "scratch" in p.mounts:
        pod["initContainers"] = [scratch(t["verification"].get("neo4jImage") or scratch_image)]
    spec = {"backoffLimit": 0 if merges else job["backoffLimit"], "completions": 1, "parallelism": 1,
            "podReplacementPolicy": "Failed", "ttlSecondsAfterFinished": job["ttlSecondsAfterFinished"],
            "activeDeadlineSeconds": job.get("activeDeadlineSeconds"), "podFailurePolicy": {"rules": rules},
            "template": {"metadata": {"labels": {**foreign(job.get("podLabels")), **labels_of(kind, names)},
                                      "annotations": foreign(job.get("podAnnotations"))}, "spec": pod}}  # fmt: skip
    return {"metadata": {"labels": labels_of(kind, names), "ownerReferences": [{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}],
        "annotations": {"neo4jbackup.dev/scheduled-time": scheduled_time(owner)} if kind == "backup" else {}},
        "spec": spec}  # fmt: skip


# --- the one that was made ------------------------------------------------------------------------------------------


def own_part(labels):
    """Without what the Job controller's defaults add."""
    return {k: v for k, v in (labels or {}).items() if not k.startswith("batch.kubernetes.io/") and k not in ("job-name", "controller-uid")}


def container(c):
    c = {k: v for k, v in c.items() if (k, v) not in (("imagePullPolicy", "IfNotPresent"), ("terminationMessagePath", "/dev/termination-log"),
                                                      ("terminationMessagePolicy", "File"), ("imagePullPolicy", "Always"))}  # fmt: skip
    env = c.get("env", {})
    if isinstance(env, list):
        if len({e["name"] for e in env}) != len(env) or any(set(e) - {"name", "value"} for e in env):
            raise ValueError("a variable twice, or from elsewhere: %s" % env)
        c["env"] = {e["name"]: e.get("value", "") for e in env}
        c["resources"] = quantities(c.get("resources", {}))
    return c


def plain_job(job):
    """Without what the API server sets; lists of names in order."""
    meta, spec = job["metadata"], dict(job["spec"])
    template, pod = spec["template"], dict(spec["template"]["spec"])
    for field in ("selector", "suspend", "completionMode", "manualSelector"):
        spec.pop(field, None)
    for field, dflt in (("dnsPolicy", "ClusterFirst"), ("schedulerName", "default-scheduler")):
        if pod.get(field) == dflt:
            pod.pop(field)
    for part in ("containers", "initContainers"):
        pod[part] = [container(c) for c in pod.get(part) or []]
    pod["volumes"] = sorted(pod.get("volumes") or [], key=lambda v: v["name"])
    for c in pod["containers"]:
        c["volumeMounts"] = sorted(c.get("volumeMounts") or [], key=lambda v: v["name"])
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items()
                   if not k.startswith("batch.kubernetes.io/") and k != "neo4jbackup.dev/token"}  # fmt: skip
    spec["template"] = {"metadata": {"labels": own_part(template["metadata"].get("labels")),
                                     "annotations": template["metadata"].get("annotations")}, "spec": pod}  # fmt: skip
    return bare({"metadata": {"labels": own_part(meta.get("labels")), "annotations": annotations,
                              "ownerReferences": meta["ownerReferences"]}, "spec": spec})  # fmt: skip


def bare(value):
    """Without what is empty: the API server leaves some of it out and some in."""
    if isinstance(value, dict):
        out = {k: bare(v) for k, v in value.items()}
        return {k: v for k, v in out.items() if v not in (None, {}, [], "") or k in ("emptyDir",)}
    return [bare(v) for v in value] if isinstance(value, list) else value


def paths(value, path=""):
    if isinstance(value, dict) and value:
        for k, v in value.items():
            yield from paths(v, path + "." + k)
    elif isinstance(value, list) and value:
        for i, v in enumerate(value):
            yield from paths(v, "%s[%d]" % (path, i))
    else:
        yield path, value


def differences(expected, job):
    """As text, at most ten; "" where there are none."""
    a, b = dict(paths(plain_job(expected))), dict(paths(plain_job(job)))
    out = ["%s: expected %s, is %s" % (p[1:], json.dumps(a.get(p)), json.dumps(b.get(p)))
           for p in sorted(a.keys() | b.keys()) if a.get(p) != b.get(p)]  # fmt: skip
    return "; ".join(out[:10])

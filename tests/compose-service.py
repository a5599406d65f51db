#!/usr/bin/env python3
"""compose-service.py COMPOSE.json SERVICE [ENV_FILE]: a service as docker compose would start it.

COMPOSE.json is the compose file as JSON (tests/tools/yaml-to-json). Variables come from ENV_FILE alone,
which is read as compose reads .env. Prints the service as JSON, with interpolation done and
`environment` as an object. Knows what our files use: ${X}, ${X-d}, ${X:-d}, ${X:?fault}, $$.
"""

import json
import re
import sys

VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_]\w*)(?:(:?[-?])((?:[^{}])*))?\})")


def read_env(path):
    values = {}
    for line in open(path, encoding="utf-8"):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            sys.exit(f"{path}: no '=' in '{line}'")
        if value[:1] in "'\"" and value[-1:] == value[:1] and len(value) > 1:
            value = value[1:-1]
        else:
            value = re.sub(r"\s+#.*", "", value)
        values[name] = value
    return values


def interpolate(text, env):
    def one(m):
        if m[1]:
            return "$"
        name, how, rest = m[2], m[3] or "", m[4] or ""
        value = env.get(name)
        missing = value is None or (how.startswith(":") and value == "")
        if missing and how.endswith("?"):
            sys.exit(f"{name}: {rest}")
        return (rest if how.endswith("-") else "") if missing else value

    if "$" in VARIABLE.sub("", text):
        sys.exit(f"what is meant by '{text}'?")
    return VARIABLE.sub(one, text)


def walk(value, env):
    if isinstance(value, str):
        return interpolate(value, env)
    if isinstance(value, list):
        return [walk(v, env) for v in value]
    if isinstance(value, dict):
        return {k: walk(v, env) for k, v in value.items()}
    return value


def main():
    compose = json.load(open(sys.argv[1], encoding="utf-8"))
    env = read_env(sys.argv[3]) if len(sys.argv) > 3 else {}
    service = walk(compose["services"][sys.argv[2]], env)
    environment = service.get("environment", {})
    if isinstance(environment, list):
        environment = dict(entry.partition("=")[::2] for entry in environment)
    service["environment"] = {k: "" if v is None else str(v) for k, v in environment.items()}
    json.dump(service, sys.stdout, indent=1)
    print()


main()

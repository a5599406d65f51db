"""Holds answers of ours against those of cronsim, which follows Debian's cron.

Reads the rows of cron-next on standard input; prints how many were the same, how many are different by
a rule of docs/decisions/schedules.md, and those that are simply wrong.
"""
import re
import signal
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

UTC = timezone.utc
FIVE_YEARS = timedelta(days=5 * 365)
MACROS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}
# Of cronsim alone: last day, last weekday, n-th weekday.
BEYOND = re.compile(r"[#L]|W", re.I)


# Of the processor's time: cronsim turns round and round where a clock goes back at one past midnight.
PATIENCE_SECONDS = 1.0

NAMES = {3: "  janfebmaraprmayjunjulaugsepoctnovdec", 4: "sunmontuewedthufrisat"}


def number(i, text):
    """A number or a name of field i, as a number; the text itself where it is neither."""
    if text.isdigit():
        return int(text)
    at = NAMES.get(i, "").find(text.lower())
    return (at + 1) // 3 if i == 3 and at > 0 else at // 3 if at >= 0 else text


class Stuck(Exception):
    pass


def stuck(*_):
    raise Stuck


def as_cronsim(expr):
    """The expression as cronsim says it, and the rules that were needed."""
    rules = set()
    fields = MACROS.get(expr, expr).split()
    if expr in MACROS:
        rules.add("macro")
    if len(fields) != 5:
        return expr, rules
    for i, field in enumerate(fields):
        if "?" in field:
            rules.add("question mark")
            field = field.replace("?", "*")
        items = field.split(",")
        if i in (2, 4):
            # Ours: a star anywhere in the list makes both days count, one with a step does not.
            # cronsim: what begins with a star.
            if any(re.fullmatch(r"\*(/0*1)?", item) for item in items):
                if field != "*":
                    rules.add("star in a list")
                field = "*"
            elif "*/" in field:
                rules.add("star with a step")
                field = re.sub(r"\*/", ("1-31/", None, "0-6/")[i - 2], field)
        if i == 4:
            changed = re.sub(r"(?<![\w-])(0*[0-6]|[a-z]{3})/(\d+)", r"\1-6/\2", field, flags=re.I)
            if changed != field:
                rules.add("day of week N/s ends on Saturday")
                field = changed
        # A range of one is one number to cronsim, so that a step goes on beyond it.
        changed = re.sub(r"(?<![\w-])(\w+)-(\w+)/0*[1-9]\d*(?![\w/-])",
                         lambda m: m[1] if number(i, m[1]) == number(i, m[2]) else m[0], field)
        if changed != field:
            rules.add("range of one with a step")
            field = changed
        fields[i] = field
    return " ".join(fields), rules


def next_after(sim, after):
    """cronsim forgets which of two equal local times it started from."""
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE_SECONDS)
    try:
        while True:
            found = next(sim).astimezone(UTC)
            if found > after:
                return found
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def brute(sim, zone, after, until):
    """Minute by minute through real time: what a star schedule is."""
    at = after.replace(second=0) + timedelta(minutes=1)
    while at <= until:
        local = at.astimezone(zone)
        if (local.minute in sim.minutes and local.hour in sim.hours and local.month in sim.months
                and sim.match_day(local.date())):
            return at
        at += timedelta(minutes=1)
    return None


def compare(after_text, zone_name, expr, ours):
    """(rules, None) or (rules, fault)"""
    if expr.startswith("@every"):
        return {"@every"}, None
    if expr.startswith("@") and expr not in MACROS:
        return set(), None if ours == "refused" else "macro"
    zone = ZoneInfo(zone_name)
    after = datetime.fromtimestamp(int(after_text), UTC)
    text, rules = as_cronsim(expr)
    if ours == "refused":
        text, rules = expr.replace("?", "*"), set()
        if len(text.split()) == 6:
            return {"six fields"}, None
    try:
        sim = CronSim(text, after.astimezone(zone))
    except CronSimError as e:
        if ours == "refused":
            return set(), None
        if ours == "never" and "day-of-month" in str(e):
            return {"date that never comes"}, None
        return rules, f"refused: {e}"
    if ours == "refused":
        if BEYOND.search(expr):
            return {"last and n-th day"}, None
        return rules, "taken"
    try:
        theirs = next_after(sim, after)
    except StopIteration:
        theirs = None
    except Stuck:
        fresh = CronSim(text, after.astimezone(zone))
        got = datetime.fromtimestamp(int(ours), UTC)
        if not sim.fixup_tz and brute(fresh, zone, after, got) == got:
            return {"cronsim does not come back"}, None
        return rules, "cronsim does not come back"
    if ours == "never":
        if theirs is None or theirs - after > FIVE_YEARS:
            return rules | {"nothing within five years"}, None
        return rules, theirs.isoformat()
    got = datetime.fromtimestamp(int(ours), UTC)
    if got == theirs:
        return rules, None
    if not sim.fixup_tz and theirs is not None and abs(got - theirs) < timedelta(days=40):
        fresh = CronSim(text, after.astimezone(zone))
        # Before that time neither found one.
        start = max(after, min(got, theirs) - timedelta(days=1))
        if brute(fresh, zone, start, max(got, theirs)) == got:
            return {"steps of cronsim that lead past a change of the clock"}, None
    return rules, theirs.isoformat() if theirs else "never"


def main():
    signal.signal(signal.SIGVTALRM, stuck)
    rows = same = different = 0
    counts = {}
    for line in sys.stdin:
        _, after, zone, expr, _, ours = line.rstrip("\n").split("\t")
        rules, fault = compare(after, zone, expr, ours)
        rows += 1
        if fault:
            different += 1
            if different <= 20:
                print(f"different, {fault}: {line}", end="")
        elif rules:
            for rule in rules:
                counts[rule] = counts.get(rule, 0) + 1
        else:
            same += 1
    print("cronsim", rows, same, different, ", ".join(f"{k}: {v}" for k, v in sorted(counts.items())),
          sep="\t")
    return 1 if different or not rows else 0


if __name__ == "__main__":
    sys.exit(main())

"""What the service counts, as Prometheus reads it."""

import math
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from preflight.monitoring.contracts import Alarms

BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)

REQUESTS = Counter("preflight_requests", "requests", ["path", "status"])
SECONDS = Histogram("preflight_seconds", "seconds until the answer", ["path"], buckets=BUCKETS)
ROWS = Counter("preflight_rows", "rows", ["found"])  # answered, refused
FLAGGED = Counter("preflight_flagged_rows", "rows with a missing group or an unseen category")
CHAMPION = Gauge("preflight_champion", "1 for the model in use", ["version"])
LOAD_FAILURES = Counter(
    "preflight_champion_failed", "failed attempts to load champion, check or alarms"
)
BLOCKED = Gauge("preflight_blocked", "1 while inputs outside their limits block all answers")
CHALLENGER = Counter("preflight_challenger", "its answers in an experiment", ["found"])  # failed
SHADOW = Counter("preflight_shadow_rows", "rows for the challenger in the shadow", ["found"])
LOGGED = Counter("preflight_log_rows", "rows written to the prediction log")
LOST = Counter("preflight_log_lost_rows", "rows that could not be written, e.g. to a full disk")
ALARM = Gauge("preflight_alarm", "1 while it is raised", ["alarm"])
QUIET = Gauge("preflight_alarm_quiet", "1 if it is silenced or acknowledged", ["alarm"])
EVIDENCE = Gauge("preflight_alarm_evidence", "the largest so far; NaN: not known", ["alarm"])
MONITORED = Gauge("preflight_monitoring_timestamp_seconds", "moment of the last monitoring")


def show_alarms(alarms: Alarms) -> None:
    """Set the gauges of monitoring."""
    MONITORED.set(alarms.moment.timestamp())
    for alarm in alarms.alarms:
        ALARM.labels(alarm.name).set(alarm.raised)
        QUIET.labels(alarm.name).set(alarm.raised and not alarm.calls)
        EVIDENCE.labels(alarm.name).set(math.nan if alarm.evidence is None else alarm.evidence)


def counted(counter: Any, **labels: str) -> float:
    """Return the sum of a counter over its series that have these labels."""
    return sum(
        sample.value
        for family in counter.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and labels.items() <= sample.labels.items()
    )


def latency_ms(path: str, share: float) -> float | None:
    """Return the milliseconds within which a share of the answers was given, as a bucket's bound.

    None: there was no answer, or it took longer than the largest bound.
    """
    samples = [
        (float(sample.labels["le"]), sample.value)
        for family in SECONDS.collect()
        for sample in family.samples
        if sample.name.endswith("_bucket") and sample.labels["path"] == path
    ]
    total = max((value for _, value in samples), default=0.0)
    enough = [bound for bound, value in samples if total and value >= share * total]
    found = min(enough, default=float("inf"))
    return None if found == float("inf") else 1000 * found

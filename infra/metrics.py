"""The closed list of Prometheus metrics: every name, type and label of every role stands here and nowhere else.

Labels take few, known values; a tenant, a webhook, an id or a path is never a label. Hot paths bind a labelled child
once (`INGRESS_REQUESTS.labels("accepted")`) and keep it. Seconds since a commit are
`time() - hookline_…_last_commit_timestamp_seconds`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST
#: 1 while a process leads; for those who are given one.
LeaderGauge = Gauge
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

ANSWER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCH_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
_OUTCOME_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0)
_BATCH_RECORDS = (1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000)


class RelayMetrics(NamedTuple):
    """What every relay of management shows."""

    leader: Gauge
    published: Counter
    publish_seconds: Histogram
    waiting: Gauge
    oldest_seconds: Gauge
    last_published: Gauge


def render() -> bytes:
    """All metrics of this process in the Prometheus text format; its content type is `CONTENT_TYPE`."""
    return generate_latest(REGISTRY)


def observe_many(histogram: Histogram, bucket_counts: Sequence[int], total: float) -> None:
    """Add observations counted elsewhere: one count per bucket (the last one: above every bound) and their sum.

    The library has no public call for this; a hot path counts in a plain list and hands over four times a second.
    """
    for bucket, count in zip(histogram._buckets, bucket_counts, strict=True):
        if count:
            bucket.inc(count)
    histogram._sum.inc(total)


def begin_at_zero(counter: Counter, label_values: Iterable[str]) -> None:
    """Show these at once: a counter that is first seen above 0 has, to Prometheus, not grown. For one label."""
    for value in label_values:
        counter.labels(value)


def _counter(name: str, description: str, *labels: str) -> Counter:
    return Counter(f"hookline_{name}", description, labels, registry=REGISTRY)


def _gauge(name: str, description: str, *labels: str) -> Gauge:
    return Gauge(f"hookline_{name}", description, labels, registry=REGISTRY)


def _histogram(name: str, description: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"hookline_{name}", description, labels, registry=REGISTRY, buckets=buckets)


# Ingress. outcome: accepted, handshake, unauthorized, address_limited, body_too_large, invalid_json, rate_limited,
# unavailable, method_not_allowed, headers_too_large, timed_out, malformed.
INGRESS_REQUESTS = _counter("ingress_requests", "Requests answered, by outcome.", "outcome")
INGRESS_ANSWER_SECONDS = _histogram("ingress_answer_seconds", "From the first byte to the answer.", ANSWER_SECONDS)
INGRESS_IN_FLIGHT_REQUESTS = _gauge("ingress_in_flight_requests", "Requests that wait for the broker.")
INGRESS_IN_FLIGHT_BYTES = _gauge("ingress_in_flight_bytes", "Body bytes that wait for the broker.")
INGRESS_PRODUCE_ERRORS = _counter("ingress_produce_errors", "Requests the broker did not acknowledge.")
INGRESS_PRODUCERS_REPLACED = _counter("ingress_producers_replaced", "Producers replaced after a fatal error.")
INGRESS_REJECTIONS_FOLDED = _counter("ingress_rejections_folded", "Rejections counted into another one's record.")
INGRESS_REJECTIONS_DROPPED = _counter("ingress_rejections_dropped", "Rejection records that were not written.")
INGRESS_ATTESTATIONS_WAITING = _gauge("ingress_attestations_waiting", "Attestations that the broker has not got yet.")
INGRESS_ATTESTATIONS_DROPPED = _counter("ingress_attestations_dropped", "Attestations given up: too many waited.")
INGRESS_KEY_FAILURES = _counter("ingress_key_failures", "Key expressions that failed: accepted without that key.")
INGRESS_RATE_STORE_AWAY = _gauge("ingress_rate_store_away", "1 while each worker counts rates alone.")
INGRESS_RATE_STORE_CALLS = _counter("ingress_rate_store_calls", "Round trips to the store of rate limits.")
INGRESS_RATE_STORE_FAILURES = _counter("ingress_rate_store_failures", "Renewals that the store did not answer.")
INGRESS_WEBHOOKS = _gauge("ingress_webhooks", "Webhooks held in memory.")

# Webhooks. The table of ingress and processors.
WEBHOOK_RECORDS_REFUSED = _counter("webhook_records_refused", "Configuration records that could not be used.")

# Processors. outcome: dispatched, duplicate, filtered, failed, dead_letter.
PROCESSORS_RECORDS = _counter("processors_records", "Request records processed, by outcome.", "outcome")
PROCESSORS_REDELIVERIES = _counter("processors_redeliveries", "Records met again after a crash and emitted again.")
PROCESSORS_BATCH_RECORDS = _histogram("processors_batch_records", "Records per batch.", _BATCH_RECORDS)
PROCESSORS_BATCH_SECONDS = _histogram("processors_batch_seconds", "From hand-out to acknowledged.", _BATCH_SECONDS)
PROCESSORS_LAG_RECORDS = _gauge("processors_lag_records", "Request records not yet processed, by topic.", "topic")
PROCESSORS_LAST_COMMIT = _gauge("processors_last_commit_timestamp_seconds", "When an offset was last committed.")
PROCESSORS_RECOVERY_RECORDS = _counter("processors_recovery_records", "Changelog records read to rebuild tables.")
PROCESSORS_DEDUPE_EXPIRED = _counter("processors_dedupe_entries_expired", "Dedupe entries deleted after their window.")
PROCESSORS_KEYS_RELEASED = _counter("processors_keys_released", "Dedupe entries forgotten after a failed action.")
PROCESSORS_REBALANCES = _counter("processors_rebalances", "Assignments changed by the consumer group.")

# Actions. outcome: dispatched, failed, repeated, dead_letter.
ACTIONS = _counter("actions_applied", "Actions ended, by outcome.", "outcome")
ACTIONS_BATCH_RECORDS = _histogram("actions_batch_records", "Actions per transaction.", _BATCH_RECORDS)
ACTIONS_BATCH_SECONDS = _histogram("actions_batch_seconds", "From hand-out to committed.", _BATCH_SECONDS)
ACTIONS_LAG_RECORDS = _gauge("actions_lag_records", "Actions not yet run, by topic.", "topic")
ACTIONS_LAST_COMMIT = _gauge("actions_last_commit_timestamp_seconds", "When an offset was last committed.")
ACTIONS_RETRIES = _counter("actions_retries", "Batches tried again, by reason.", "reason")
ACTIONS_REBALANCES = _counter("actions_rebalances", "Assignments changed by the consumer group.")

# Outcomes. From the receipt of a request to its outcome, in the role that records the outcome. priority: low, normal,
# high, critical. Tests and replays do not count.
OUTCOME_SECONDS = _histogram("outcome_seconds", "From the receipt to the outcome.", _OUTCOME_SECONDS, "priority")
SLA_BREACHES = _counter("sla_breaches", "Outcomes later than the target of their priority.", "priority")
SLA_TARGET_SECONDS = _gauge("sla_target_seconds", "Seconds to the outcome that are aimed at.", "priority")

# Analytics. consumer: requests, outcomes, rejections, attestations. table: deliveries, rejections, attestations,
# undecodable_records.
ANALYTICS_ROWS = _counter("analytics_rows", "Rows inserted, by table.", "table")
ANALYTICS_BATCH_ROWS = _histogram("analytics_batch_rows", "Rows per insert.", _BATCH_RECORDS, "consumer")
ANALYTICS_BATCH_SECONDS = _histogram("analytics_batch_seconds", "From plan to commit.", _BATCH_SECONDS, "consumer")
ANALYTICS_LAG_RECORDS = _gauge("analytics_lag_records", "Records not yet in ClickHouse.", "consumer")
ANALYTICS_LAST_COMMIT = _gauge("analytics_last_commit_timestamp_seconds", "When an offset was last committed.")
ANALYTICS_PLANS_REPLAYED = _counter("analytics_plans_replayed", "Planned batches found after a restart and inserted.")
ANALYTICS_INSERT_FAILURES = _counter("analytics_insert_failures", "Inserts that failed and were tried again.")
ANALYTICS_UNDECODABLE = _counter("analytics_undecodable_records", "Records kept as bytes only.", "consumer")
ANALYTICS_REBALANCES = _counter("analytics_rebalances", "Assignments changed by the consumer group.", "consumer")
ANALYTICS_ROLLUP_LEADER = _gauge("analytics_rollup_leader", "1 while this process counts the rollups.")
ANALYTICS_ROLLUP_MINUTES = _counter("analytics_rollup_minutes", "Minutes of webhooks counted, anew as well.")
ANALYTICS_ROLLUP_SECONDS = _histogram("analytics_rollup_seconds", "To count all marked minutes.", _BATCH_SECONDS)
ANALYTICS_ROLLUP_FAILURES = _counter("analytics_rollup_failures", "Counts that failed and were begun anew.")
ANALYTICS_ROLLUP_LAST = _gauge("analytics_rollup_last_timestamp_seconds", "When nothing was left to count.")

# The ledger. kind: loss, duplicate, late_pending, exchanged, altered, broken_chain.
LEDGER_DIFFERENCES = _gauge("ledger_differences", "Records that do not agree and are not resolved, by kind.", "kind")
LEDGER_LEADER = _gauge("ledger_leader", "1 while this process keeps the ledger.")
LEDGER_LAST_EXAMINED = _gauge("ledger_last_examined_timestamp_seconds", "When the ledger last examined the log.")
LEDGER_EXAMINATION_SECONDS = _histogram("ledger_examination_seconds", "Time to examine some hours.", _BATCH_SECONDS)
LEDGER_ENTRIES = _counter("ledger_entries", "Entries added, of all tenants.")

# Management. resource: the first part of the path below /api/v1, or other. status: the HTTP status.
MANAGEMENT_REQUESTS = _counter("management_requests", "API requests answered.", "resource", "status")
MANAGEMENT_ANSWER_SECONDS = _histogram("management_answer_seconds", "Time to answer.", ANSWER_SECONDS, "resource")

# Parts. Of every role. part: as /readyz names it.
PART_READY = _gauge("part_ready", "1 while the part is ready.", "part")

# Groups and stores. What management sees from outside, so also of roles that run nowhere; every management process
# shows the same. group: the id of a consumer group. store: kafka, postgres, clickhouse. A group without a backlog has
# an age of 0; one that keeps up loses data in +Inf seconds.
GROUP_MEMBERS = _gauge("group_members", "Members that have joined the consumer group.", "group")
GROUP_UNREAD_TOPICS = _gauge("group_unread_topics", "Topics of the group that no member reads.", "group")
GROUP_LAG_RECORDS = _gauge("group_lag_records", "Records that the group has not committed.", "group", "topic")
GROUP_OLDEST_SECONDS = _gauge("group_oldest_unprocessed_seconds", "Age of the oldest of them.", "group", "topic")
GROUP_RETENTION_LEFT_SECONDS = _gauge(
    "group_retention_left_seconds", "Until that one may be deleted: what is left to a group at rest.", "group", "topic"
)
GROUP_DATA_LOSS_SECONDS = _gauge(
    "group_data_loss_seconds", "Until the group loses records, at its pace of late.", "group", "topic"
)
GROUP_LOST_RECORDS = _gauge("group_lost_records", "Records deleted before the group committed them.", "group", "topic")
GROUP_LAST_COMMIT = _gauge(
    "group_last_commit_timestamp_seconds", "When the group's offsets were last seen to move.", "group"
)
DEAD_LETTERS_KEPT = _gauge("dead_letters_kept", "Dead letters in their topic now.", "topic")
STORE_AWAY = _gauge("store_away", "1 while management gets no answer from the store.", "store")
LAST_WATCH = _gauge("last_watch_timestamp_seconds", "When the broker last told about every group.")

# Relays. Those of management, from an outbox in Postgres to configuration.webhook.changed.v1 and
# domain.event.occurred.v1.
CONFIGURATION_RELAY = RelayMetrics(
    _gauge("configuration_relay_leader", "1 while this process publishes the configuration."),
    _counter("configuration_changes_published", "Changes published."),
    _histogram(
        "configuration_change_seconds", "From the oldest change of a batch to its acknowledgement.", ANSWER_SECONDS
    ),
    _gauge("configuration_changes_waiting", "Committed changes not published yet."),
    _gauge("configuration_oldest_change_seconds", "How long the oldest of them waits."),
    _gauge("configuration_last_published_timestamp_seconds", "When this process last published a change."),
)
EVENT_RELAY = RelayMetrics(
    _gauge("event_relay_leader", "1 while this process publishes domain events."),
    _counter("events_published", "Domain events published."),
    _histogram("event_seconds", "From the oldest event of a batch to its acknowledgement.", ANSWER_SECONDS),
    _gauge("events_waiting", "Committed domain events not published yet."),
    _gauge("oldest_event_seconds", "How long the oldest of them waits."),
    _gauge("events_last_published_timestamp_seconds", "When this process last published a domain event."),
)
EVENTS_DROPPED = _counter("events_dropped", "Domain events too large for their topic: logged and given up.")

# Alerts of Hookline's own, raised by the management process that leads. outcome: ended, failed (some rule was skipped).
ALERTS_LEADER = _gauge("alerts_leader", "1 while this process evaluates the rules.")
ALERT_EVALUATIONS = _counter("alert_evaluations", "Looks at all rules, by outcome.", "outcome")
ALERT_EVALUATION_SECONDS = _histogram("alert_evaluation_seconds", "Time of one look at all rules.", _BATCH_SECONDS)
ALERTS_LAST_EVALUATION = _gauge("alerts_last_evaluation_timestamp_seconds", "When all rules were last looked at.")
ALERTS_RAISED = _counter("alerts_raised", "Alerts opened.")
ALERTS_RESOLVED = _counter("alerts_resolved", "Alerts closed.")
ALERTS_OPEN = _gauge("alerts_open", "Open alerts of all tenants.")
INSTALLATION_ALERTS_OPEN = _gauge("installation_alerts_open", "Open alerts that are the operator's.")

# Replay jobs, gone through by the management process that leads. status: planning, awaiting_confirmation, running,
# paused. outcome: published, present, lost, refused. reason: failures, lag.
REPLAYS_LEADER = _gauge("replays_leader", "1 while this process goes through replay jobs.")
REPLAYS_OPEN = _gauge("replays_open", "Replay jobs that have not ended, by state.", "status")
REPLAY_RECORDS = _counter(
    "replay_records", "Records that replay jobs have dealt with, by what became of them.", "outcome"
)
REPLAY_BATCH_SECONDS = _histogram("replay_batch_seconds", "From reading a batch to its end.", _BATCH_SECONDS)
REPLAY_BATCHES_RESUMED = _counter("replay_batches_resumed", "Batches met half done and brought to their end.")
REPLAY_PAUSES = _counter("replay_pauses", "Jobs that Hookline has paused by itself, by reason.", "reason")

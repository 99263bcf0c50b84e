"""What a worker counts, in plain numbers on the event loop's thread; handed to the metrics a few times a second."""

from bisect import bisect_left

from infra import metrics

OUTCOMES = (
    "accepted",
    "handshake",
    "unauthorized",
    "address_limited",
    "body_too_large",
    "invalid_json",
    "rate_limited",
    "unavailable",
    "method_not_allowed",
    "headers_too_large",
    "timed_out",
    "malformed",
)


class Tally:
    """Counts since the last `hand_over`, and totals since the last `take_period` for the log line."""

    def __init__(self) -> None:
        self._bounds = metrics.ANSWER_SECONDS
        self._children = {outcome: metrics.INGRESS_REQUESTS.labels(outcome) for outcome in OUTCOMES}
        self._period: dict[str, int] = {}
        self._reset()

    def _reset(self) -> None:
        self.answers: dict[str, int] = dict.fromkeys(OUTCOMES, 0)
        self.buckets = [0] * (len(self._bounds) + 1)
        self.answer_seconds = 0.0
        self.produce_errors = 0
        self.key_failures = 0
        self.rejections_folded = 0
        self.rejections_dropped = 0

    def answered(self, outcome: str, seconds: float) -> None:
        """Count one answer."""
        self.answers[outcome] += 1
        self.buckets[bisect_left(self._bounds, seconds)] += 1
        self.answer_seconds += seconds

    def hand_over(self, in_flight_requests: int, in_flight_bytes: int, webhooks: int) -> None:
        """Add everything to the metrics and begin anew."""
        for outcome, count in self.answers.items():
            if count:
                self._children[outcome].inc(count)
                self._period[outcome] = self._period.get(outcome, 0) + count
        metrics.observe_many(metrics.INGRESS_ANSWER_SECONDS, self.buckets, self.answer_seconds)
        metrics.INGRESS_PRODUCE_ERRORS.inc(self.produce_errors)
        metrics.INGRESS_KEY_FAILURES.inc(self.key_failures)
        metrics.INGRESS_REJECTIONS_FOLDED.inc(self.rejections_folded)
        metrics.INGRESS_REJECTIONS_DROPPED.inc(self.rejections_dropped)
        metrics.INGRESS_IN_FLIGHT_REQUESTS.set(in_flight_requests)
        metrics.INGRESS_IN_FLIGHT_BYTES.set(in_flight_bytes)
        metrics.INGRESS_WEBHOOKS.set(webhooks)
        self._reset()

    def take_period(self) -> dict[str, int]:
        """Answers per outcome since the last call."""
        period, self._period = self._period, {}
        return period

"""When a consumer group that falls behind loses records: retention against how far it has got. Pure.

A group reaches through the time of its records: `reached` is the time of the oldest record it has not committed, or now
where nothing waits. At rest it loses that record when the record is as old as the topic's retention. While it moves,
`reached` moves too, at so many seconds of records a second of ours; below one it falls behind, only later.
"""

from collections import deque

from infra.clock import MICROSECONDS

#: Pace is measured over this time at most, and not before it has been watched for the other.
WINDOW_SECONDS = 600
SPAN_SECONDS_MIN = 30
#: A loss that is further away is none: the pace is not known well enough to say so.
LOSS_SECONDS_MAX = 30 * 86_400
_OBSERVATIONS_MAX = 120


class Pace:
    """How fast one group gets through one topic, from what was seen of it. Times in microseconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=_OBSERVATIONS_MAX)

    def note(self, at_us: int, reached_us: int) -> None:
        """At `at_us` everything before `reached_us` was done. Calls must not go back in time."""
        self._seen.append((at_us, reached_us))
        while at_us - self._seen[0][0] > WINDOW_SECONDS * MICROSECONDS:
            self._seen.popleft()

    def rate(self) -> float | None:
        """Seconds of records a second; None before there is enough to tell."""
        if not self._seen:
            return None
        (first_at, first_reached), (last_at, last_reached) = self._seen[0], self._seen[-1]
        if last_at - first_at < SPAN_SECONDS_MIN * MICROSECONDS:
            return None
        return max(0.0, (last_reached - first_reached) / (last_at - first_at))


def retention_left_seconds(oldest_at_us: int | None, retention_seconds: float | None, at_us: int) -> float | None:
    """Until the oldest waiting record may be deleted, 0 when it is due; None: nothing waits, or it is kept for ever."""
    if oldest_at_us is None or retention_seconds is None:
        return None
    return max(0.0, retention_seconds - (at_us - oldest_at_us) / MICROSECONDS)


def data_loss_seconds(left_seconds: float | None, rate: float | None) -> float | None:
    """Until records are lost at this pace; None: not in sight. Of no known pace: as if the group were at rest."""
    if left_seconds is None:
        return None
    gap = 1.0 - (rate or 0.0)
    if gap <= 0 or left_seconds > gap * LOSS_SECONDS_MAX:
        return None
    return left_seconds / gap

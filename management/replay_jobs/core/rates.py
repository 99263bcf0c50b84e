"""How many records a job may publish now: a bucket that fills at the job's rate. Time is an argument, in seconds."""

#: Records that one batch may have: what two transactions, two reads and one publication are made for.
BATCH_RECORDS_MAX = 500
_FULL_SECONDS = 1.0
_WORTHWHILE_SECONDS = 0.25


class TokenBucket:
    """Of one job. It begins empty of debts and is full after a second."""

    def __init__(self, rate_per_second: int, at: float) -> None:
        self._rate = rate_per_second
        self._tokens = rate_per_second * _WORTHWHILE_SECONDS
        self._at = at

    def room(self, at: float) -> int:
        """Records a batch may have now; 0 while waiting makes a better batch."""
        full = max(1.0, self._rate * _FULL_SECONDS)
        self._tokens = min(full, self._tokens + max(0.0, at - self._at) * self._rate)
        self._at = max(at, self._at)
        worthwhile = min(BATCH_RECORDS_MAX, max(1.0, self._rate * _WORTHWHILE_SECONDS))
        return min(BATCH_RECORDS_MAX, int(self._tokens)) if self._tokens >= worthwhile else 0

    def take(self, records: int) -> None:
        """Note what was published."""
        self._tokens -= records

"""Rhythms of all webhooks, learnt some at a time and kept in memory by whoever evaluates.

They are never stored: a leader learns them again, and says nothing of the webhooks it has not got to yet.
"""

from uuid import UUID

from infra.clock import MICROSECONDS
from management.alerting.core.rhythm import HISTORY_HOURS, HOUR_US, Rhythm, learn
from management.alerting.observations import Observations, Webhook

#: Few, because learning holds the interpreter: some 0.4 s for so many that speak in every hour.
_PAGE_WEBHOOKS = 250
#: Rhythms are learnt anew after so long; who has said nothing for `_FORGOTTEN_US` is not learnt any more.
_ROUND_SECONDS = 3_600
_FORGOTTEN_US = 2 * HISTORY_HOURS * HOUR_US
_START: Webhook = (UUID(int=0), UUID(int=0))


class Rhythms:
    """One round goes through all webhooks by pages, one page for each call of `learn_some`."""

    def __init__(self, observations: Observations) -> None:
        self._observations = observations
        self._known: dict[Webhook, Rhythm] = {}
        self._after = _START
        self._round_ended_at_us: int | None = None

    def get(self, webhook: Webhook) -> Rhythm | None:
        """What is known of it; None: nothing, or not yet."""
        return self._known.get(webhook)

    def learn_some(self, now_us: int) -> int:
        """The next page, unless a round ended of late; how many webhooks it had. Raises as ClickHouse does."""
        ended = self._round_ended_at_us
        if ended is not None and now_us - ended < _ROUND_SECONDS * MICROSECONDS:
            return 0
        page = self._observations.speaking(self._after, now_us - _FORGOTTEN_US, _PAGE_WEBHOOKS)
        if page:
            found = self._observations.active_hours(page, now_us - _FORGOTTEN_US - HISTORY_HOURS * HOUR_US)
            for webhook in page:
                rhythm = learn(found.get(webhook, ()))
                if rhythm is None:
                    self._known.pop(webhook, None)
                else:
                    self._known[webhook] = rhythm
        if len(page) < _PAGE_WEBHOOKS:
            self._after, self._round_ended_at_us = _START, now_us
        else:
            self._after, self._round_ended_at_us = page[-1], None
        return len(page)

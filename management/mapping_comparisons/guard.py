"""Saves that are refused when more of the webhook's real requests would fail than now."""

from management.comparing.plans import PlanCompiler
from management.errors import ErrorRateRisesError, Problem
from management.mapping_comparisons.comparing import Compared, LastRequestComparer
from schemas.actions import PATH_PREFIX
from schemas.webhooks import WebhookConfig

_PROBLEMS_MAX = 20


class ErrorRateGuard:
    """Safe to share between threads."""

    def __init__(self, comparer: LastRequestComparer, compiler: PlanCompiler) -> None:
        self._comparer = comparer
        self._compiler = compiler

    def require_no_worse(self, before: WebhookConfig, after: WebhookConfig, last: int) -> int:
        """How many of the last requests could be compared. Raises ErrorRateRisesError, and as the comparer does."""
        compared = self._comparer.compare(self._compiler.compile(before), self._compiler.compile(after), last)
        then, now = compared.error_rate(now=False) or 0.0, compared.error_rate(now=True) or 0.0
        if now > then:
            count = compared.totals.compared
            message = (
                f"of the last {count:,} real requests {now:.1%} would fail, {then:.1%} do so now: nothing was saved"
            )
            raise ErrorRateRisesError(message, details=_problems(compared))
        return compared.totals.compared


def _problems(compared: Compared) -> list[Problem]:
    """Where more fail than before."""
    worse = [one for one in compared.worst() if one.now > one.then][:_PROBLEMS_MAX]
    return [
        Problem(_path_in_body(one.path), f"fails for {one.now:,} requests instead of {one.then:,}: {one.message}")
        for one in worse
    ]


def _path_in_body(path: str) -> str:
    return f"handler_config.{path}" if path.startswith(PATH_PREFIX) else path

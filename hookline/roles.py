"""Roles as processes: which may share one, and the wiring of those that do."""

import signal
import threading
import time
from collections.abc import Sequence

from hookline.errors import UsageError
from infra import log
from infra.clickhouse import ClickHouse, migrate
from infra.health import HealthServer
from infra.role import Role
from infra.settings import Settings
from infra.standstill import Consuming, StandstillWatch

ALONE = ("ingress", "processors")
SHARED = ("management", "actions", "analytics")
_NEED_CLICKHOUSE = frozenset({"management", "analytics"})
_STOP_SECONDS_MAX = 8.0
_STOP_SECONDS_MIN = 0.5

_log = log.get_logger(__name__)


def parse_roles(text: str) -> tuple[str, ...]:
    """`ROLE[,ROLE]` as names in a fixed order. Raises UsageError saying which roles can share a process."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in ALONE + SHARED]
    if unknown or not names:
        asked = ", ".join(unknown) or "nothing"
        raise UsageError(f"unknown role {asked}: the roles are {', '.join(ALONE + SHARED)}")
    alone = [name for name in names if name in ALONE]
    if alone and len(set(names)) > 1:
        raise UsageError(f"{alone[0]} needs a process of its own; only {', '.join(SHARED)} may share one")
    return tuple(name for name in ALONE + SHARED if name in names)


def run_roles(settings: Settings, names: Sequence[str]) -> None:
    """Run the roles until SIGTERM or SIGINT; returns after a clean end. Raises HooklineError.

    Imported here and not above: each role brings clients that the others do not need (Faust, chdb), and a process
    starts faster and stays smaller without them.
    """
    log.configure(role=",".join(names), log_format=settings.log_format, level=settings.log_level)
    if "ingress" in names:
        from ingress.main import run as run_ingress

        run_ingress(settings)
    elif "processors" in names:
        from processors.main import run as run_processors

        run_processors(settings)
    else:
        _run_shared(settings, names)


def _run_shared(settings: Settings, names: Sequence[str]) -> None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    clickhouse = ClickHouse(settings.clickhouse) if _NEED_CLICKHOUSE & set(names) else None
    if clickhouse is not None and settings.clickhouse.path is not None:
        # Only the process that opened a folder of the embedded engine can reach it, so it migrates it too.
        migrate(clickhouse)
    roles = _build_roles(settings, names, clickhouse)
    health = None if "management" in names else HealthServer(settings.health.host, settings.health.port, roles)
    consuming = [role for role in roles if isinstance(role, Consuming)]
    standstill = StandstillWatch(settings, [consumer for role in consuming for consumer in role.consumers()])
    for role in roles:
        role.start()
    standstill.start()
    if health is not None:
        health.start()
    _log.info("roles.started", roles=list(names))
    stopping.wait()
    standstill.stop(_STOP_SECONDS_MIN)
    _stop_in_order(roles)
    if health is not None:
        health.stop(_STOP_SECONDS_MIN)
    if clickhouse is not None:
        clickhouse.close()
    _log.info("roles.stopped", roles=list(names))


def _build_roles(settings: Settings, names: Sequence[str], clickhouse: ClickHouse | None) -> list[Role]:
    """The roles in the order in which they stop; management comes last, since it shows the health of the others."""
    roles: list[Role] = []
    if "actions" in names:
        from sinks.actions.role import ActionsRole

        roles.append(ActionsRole(settings))
    if "analytics" in names and clickhouse is not None:
        from sinks.clickhouse.role import AnalyticsRole

        roles.append(AnalyticsRole(settings, clickhouse))
    if "management" in names and clickhouse is not None:
        from management.role import ManagementRole

        roles.append(ManagementRole(settings, clickhouse, tuple(roles)))
    return roles


def _stop_in_order(roles: Sequence[Role]) -> None:
    deadline = time.monotonic() + _STOP_SECONDS_MAX
    for role in roles:
        role.stop(max(_STOP_SECONDS_MIN, deadline - time.monotonic()))

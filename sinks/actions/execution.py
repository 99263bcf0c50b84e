"""A batch of commands as one Postgres transaction: many rows at once, one bad command never failing its neighbours.

Commands of one tenant that touch different entities run as a set inside one savepoint. A set that fails is rolled back
and halved until the command at fault stands alone; that one is tried again or ends as a stored failure. A deadlock is
another matter: who waits for the batch waits for locks of any of its sets, so the whole batch lets go and starts anew,
and at last each command has a transaction of its own, with its own tries.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from infra.entities.outbox import write_events
from infra.log import get_logger
from infra.postgres import Connection, PostgresFault, fault_of, set_tenant
from schemas.actions import ActionError, ActionResult
from schemas.encoding import record_bytes
from schemas.records import DispatchStatus, ErrorCode
from sinks.actions.command import PendingCommand, moment
from sinks.actions.context import QUERIES, CommandContext, PostgresTransaction
from sinks.actions.errors import BatchContentionError, CommandRaceError
from sinks.actions.ordering import sets_in_order

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended. `body`: handler outcome when dispatched, error when failed. `repeated`: it ran earlier."""

    status: DispatchStatus
    body: dict[str, Any]
    attempts: int = 1
    repeated: bool = False

    @property
    def is_internal(self) -> bool:
        """Whether it failed for a reason of ours and belongs among the dead letters."""
        return self.status is DispatchStatus.FAILED and self.body["code"] == ErrorCode.INTERNAL


@dataclass(frozen=True, slots=True)
class _Fault:
    error: ActionError
    is_race: bool = False


def execute_batch(
    connection: Connection, commands: Sequence[PendingCommand], *, now_us: int, attempts_max: int
) -> list[Outcome]:
    """Run `commands` in one transaction and commit it; outcomes in the same order.

    Raises psycopg.Error when Postgres is away: nothing was written, or all of it was and the same call returns the
    stored outcomes.
    """
    attempts = attempts_max if len(commands) > 1 else 0
    for before in range(attempts):
        try:
            return _execute_together(connection, commands, _Bounds(now_us, attempts_max, before, yields=True))
        except BatchContentionError as error:
            _log.warning("actions.batch.contended", attempt=before + 1, commands=len(commands), reason=str(error))
    alone = _Bounds(now_us, attempts_max, attempts, yields=False)
    return [_execute_together(connection, [command], alone)[0] for command in commands]


@dataclass(frozen=True, slots=True)
class _Bounds:
    """`yields`: contention undoes everything, and not only the set that met it; so it has `attempts_before` times."""

    now_us: int
    attempts_max: int
    attempts_before: int
    yields: bool


def _execute_together(connection: Connection, commands: Sequence[PendingCommand], bounds: _Bounds) -> list[Outcome]:
    by_tenant: dict[UUID, list[int]] = defaultdict(list)
    for position, command in enumerate(commands):
        by_tenant[command.tenant_id].append(position)
    outcomes: dict[int, Outcome] = {}
    with connection.transaction():
        for tenant_id, positions in sorted(by_tenant.items()):
            set_tenant(connection, tenant_id)
            run = _TenantRun(connection, tenant_id, bounds)
            outcomes.update(zip(positions, run.execute([commands[p] for p in positions]), strict=True))
    return [outcomes[position] for position in range(len(commands))]


class _TenantRun:
    """The part of a batch that belongs to one tenant."""

    def __init__(self, connection: Connection, tenant_id: UUID, bounds: _Bounds) -> None:
        self._connection = connection
        self._tx = PostgresTransaction(connection)
        self._tenant_id = tenant_id
        self._bounds = bounds
        self._now = moment(bounds.now_us)

    def execute(self, commands: Sequence[PendingCommand]) -> list[Outcome]:
        if not self._tx.rows(QUERIES["find_tenant"], {"tenant_id": self._tenant_id}):
            error = ActionError(ErrorCode.LOOKUP_MISS, f"tenant {self._tenant_id} does not exist")
            return [_failed(error, attempts=1) for _ in commands]
        outcomes: dict[int, Outcome] = {}
        for positions in sets_in_order(commands):
            outcomes.update(zip(positions, self._run([commands[p] for p in positions]), strict=True))
        return [outcomes[position] for position in range(len(commands))]

    def _run(self, commands: list[PendingCommand]) -> list[Outcome]:
        outcomes = self._attempt(commands)
        if not isinstance(outcomes, _Fault):
            return outcomes
        if len(commands) == 1:
            return [self._run_again(commands[0], outcomes)]
        middle = len(commands) // 2
        return self._run(commands[:middle]) + self._run(commands[middle:])

    def _run_again(self, command: PendingCommand, fault: _Fault) -> Outcome:
        attempts = 1
        while fault.is_race and attempts < self._bounds.attempts_max:
            attempts += 1
            outcomes = self._attempt([command], attempts=attempts)
            if not isinstance(outcomes, _Fault):
                return outcomes[0]
            fault = outcomes
        stored = self._attempt([command], attempts=attempts, verdict=fault.error)
        if isinstance(stored, _Fault):
            _log.error("actions.failure.not_stored", command_id=str(command.command_id), code=stored.error.code)
            return _failed(fault.error, attempts)
        return stored[0]

    def _attempt(
        self, commands: Sequence[PendingCommand], *, attempts: int = 1, verdict: ActionError | None = None
    ) -> list[Outcome] | _Fault:
        try:
            with self._connection.transaction():
                return self._apply(commands, attempts, verdict)
        except ActionError as error:
            return _Fault(error)
        except CommandRaceError as error:
            return _Fault(ActionError(ErrorCode.INTERNAL, f"{error}, in every try"), is_race=True)
        except psycopg.Error as error:
            return _fault_of_database(error, self._bounds)
        except Exception as error:  # noqa: BLE001
            # The one broad catch: a handler of any package may fail in any way, and must not stop its neighbours.
            if len(commands) == 1:
                _log.exception("actions.handler.failed", action=commands[0].request.action)
            return _Fault(ActionError(ErrorCode.INTERNAL, f"unexpected {type(error).__name__} in the action"))

    def _apply(self, commands: Sequence[PendingCommand], attempts: int, verdict: ActionError | None) -> list[Outcome]:
        outcomes = self._stored(commands)
        fresh = [command for command in commands if command.command_id not in outcomes]
        contexts = [CommandContext(command, self._tx, self._bounds.now_us, self._now) for command in fresh]
        results = _results(contexts, verdict)
        for command, result in zip(fresh, results, strict=True):
            outcomes[command.command_id] = _outcome(command, result, self._bounds.attempts_before + attempts)
        told = [event for c, result in zip(contexts, results, strict=True) if _is_success(result) for event in c.events]
        write_events(self._connection, self._tenant_id, self._now, told)
        self._write_applied(fresh, outcomes)
        return [outcomes[command.command_id] for command in commands]

    def _stored(self, commands: Sequence[PendingCommand]) -> dict[UUID, Outcome]:
        parameters = {"tenant_id": self._tenant_id, "command_ids": [command.command_id for command in commands]}
        return {
            row["command_id"]: Outcome(DispatchStatus(row["status"]), row["outcome"], row["attempts"], repeated=True)
            for row in self._tx.rows(QUERIES["read_applied"], parameters)
        }

    def _write_applied(self, commands: Sequence[PendingCommand], outcomes: dict[UUID, Outcome]) -> None:
        """Claim the commands. One that another sink has claimed since `_stored` looked undoes the whole set."""
        if not commands:
            return
        rows = [_applied_row(command, outcomes[command.command_id]) for command in commands]
        parameters = {"tenant_id": self._tenant_id, "applied_at": self._now, "rows": json_text(rows)}
        if self._tx.execute(QUERIES["insert_applied"], parameters) != len(rows):
            raise CommandRaceError("a command was applied by another sink meanwhile")


def _is_success(result: ActionResult | ActionError) -> bool:
    return isinstance(result, ActionResult)


def json_text(rows: Iterable[Any]) -> str:
    """JSON for json_to_recordset."""
    return record_bytes(rows).decode()


def _results(contexts: Sequence[CommandContext], verdict: ActionError | None) -> list[ActionResult | ActionError]:
    if verdict is not None:
        return [verdict]
    runnable = [context for context in contexts if context.command.refusal is None]
    handled = iter(_handle(runnable))
    return [context.command.refusal or next(handled) for context in contexts]


def _handle(contexts: Sequence[CommandContext]) -> list[ActionResult | ActionError]:
    if not contexts:
        return []
    definition = contexts[0].command.definition
    if definition is None:
        raise ValueError("a command without a definition must have a refusal")
    if definition.handle_many is None or len(contexts) == 1:
        return [definition.handle(context, context.command.values) for context in contexts]
    results = definition.handle_many([(context, context.command.values) for context in contexts])
    if len(results) != len(contexts):
        raise ValueError(f"{definition.name} answered {len(results)} of {len(contexts)} commands")
    return results


def _outcome(command: PendingCommand, result: ActionResult | ActionError, attempts: int) -> Outcome:
    if isinstance(result, ActionError):
        return _failed(result, attempts)
    warnings = [*result.metadata.get("warnings", ()), *command.request.warnings]
    body = {
        "action": command.request.action,
        "entity_type": result.entity_type,
        "entity_id": None if result.entity_id is None else str(result.entity_id),
        "external_id": result.external_id,
        "created": result.created,
        "changed": result.changed,
        "message": result.message,
        "metadata": dict(result.metadata) | ({"warnings": warnings} if warnings else {}),
    }
    return Outcome(DispatchStatus.DISPATCHED, body, attempts)


def _failed(error: ActionError, attempts: int) -> Outcome:
    body = {"code": str(error.code), "message": error.message, "path": error.path}
    return Outcome(DispatchStatus.FAILED, body, attempts)


def _fault_of_database(error: psycopg.Error, bounds: _Bounds) -> _Fault:
    """What a database error does to its command; raised on when Postgres is away, or the batch has to start anew."""
    fault = fault_of(error)
    if fault is PostgresFault.UNAVAILABLE:
        raise error
    if fault is PostgresFault.CONTENTION and bounds.yields:
        raise BatchContentionError(type(error).__name__) from error
    if fault is PostgresFault.TIMEOUT:
        return _Fault(ActionError(ErrorCode.TIMEOUT, "a statement of the action ran into its time limit"))
    constraint = error.diag.constraint_name
    message = f"the database refused it: {type(error).__name__}" + (f" ({constraint})" if constraint else "")
    return _Fault(
        ActionError(ErrorCode.INTERNAL, message), is_race=fault in (PostgresFault.RACE, PostgresFault.CONTENTION)
    )


def _applied_row(command: PendingCommand, outcome: Outcome) -> dict[str, Any]:
    return {
        "command_id": command.command_id,
        "delivery_id": command.request.delivery_id,
        "replay_id": command.request.replay_id,
        "action": command.request.action,
        "status": outcome.status,
        "outcome": outcome.body,
        "attempts": outcome.attempts,
        "trace_id": command.trace_id,
    }

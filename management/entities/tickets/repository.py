"""Tickets in Postgres; every statement is for one tenant."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

from infra.entities.documents import Row
from infra.entities.events import Told
from infra.postgres import Connection, Pool
from management.access import Actor
from management.entities.references import References, refuse
from management.entities.repository import EntityRepository, EntityTable
from management.entities.telling import write_told
from management.entities.tickets.fitting import fit_assets, fit_category, fit_parts_of_client
from management.errors import Problem

_TABLE = EntityTable(
    resource="ticket",
    folder=Path(__file__).parent,
    columns=(
        *("number", "title", "description", "client_id", "board_id", "status_id", "is_closed", "priority_id"),
        *("category_id", "subcategory_id", "location_id", "contact_id", "assigned_to", "assigned_team_id", "due_date"),
        *("attributes", "source", "webhook_id", "delivery_id", "trace_id", "closed_at", "asset_ids"),
    ),
    taken={},
    unknown={
        "tickets_tenant_id_client_id_fkey": Problem("client_id", "there is no such client"),
        "tickets_tenant_id_board_id_status_id_is_closed_fkey": Problem("status_id", "the board has no such status"),
        "tickets_tenant_id_priority_id_fkey": Problem("priority_id", "there is no such ticket priority"),
        "tickets_tenant_id_category_id_fkey": Problem("category_id", "there is no such ticket category"),
        "tickets_tenant_id_category_id_subcategory_id_fkey": Problem(
            "subcategory_id", "the category has no such subcategory"
        ),
        "tickets_tenant_id_client_id_location_id_fkey": Problem("location_id", "the client has no such location"),
        "tickets_tenant_id_contact_id_fkey": Problem("contact_id", "there is no such contact"),
        "tickets_tenant_id_assigned_to_fkey": Problem("assigned_to", "there is no such user"),
        "tickets_tenant_id_assigned_team_id_fkey": Problem("assigned_team_id", "there is no such team"),
        "ticket_assets_tenant_id_asset_id_fkey": Problem("asset_ids", "there is no such asset"),
    },
    in_use="time entries are of this ticket",
    told_as="ticket",
    mapped_as="ticket",
    json_columns=("attributes",),
)
_OTHERS = {
    "client_id": "client",
    "board_id": "board",
    "priority_id": "ticket_priority",
    "assigned_to": "user",
    "assigned_team_id": "team",
}
_CREATED = "ticket.created"


class TicketRepository(EntityRepository):
    """Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def completed(self, connection: Connection, actor: Actor, before: Row | None, row: Row) -> Row:
        """On a board, in a status of it, with parts that fit board and client; a new one has defaults and a number."""
        references = References(connection, actor.tenant_id)
        old = before or {}
        references.require_changed(old, row, _OTHERS)
        if before is None:
            row = self._on_board(connection, actor, row)
        row |= self._status(connection, actor, references, old, row)
        row |= fit_category(references, old, row)
        row |= fit_parts_of_client(references, old, row)
        row["asset_ids"] = fit_assets(references, old, row)
        if not row["is_closed"]:
            row["closed_at"] = None
        elif not old.get("is_closed"):
            row["closed_at"] = row["now"]
        if before is None:
            row |= self._first(connection, actor, "next_number") or {}
        return row

    def write(self, connection: Connection, name: str, actor: Actor, row: Row) -> None:
        """With its assets."""
        super().write(connection, name, actor, row)
        links = {"tenant_id": actor.tenant_id, "id": row["id"], "asset_ids": row["asset_ids"]}
        self.execute(connection, "unlink_assets", links)
        self.execute(connection, "link_assets", links)

    def tell(self, connection: Connection, actor: Actor, after: Row, told: list[Told], at: datetime) -> None:
        """Its assets are told of with a new ticket, and later where they change."""
        whole = self.told_document(after)
        columns = {name: value for name, value in whole.items() if name != "asset_ids"}
        listed = [(name, whole if name == _CREATED else columns, changes) for name, changes in told]
        write_told(connection, actor, "ticket", after["id"], listed, at)

    def _on_board(self, connection: Connection, actor: Actor, row: Row) -> Row:
        """A new ticket on its board, or the default one, with that board's priority or the default one."""
        board = self._first(connection, actor, "find_board", board_id=row["board_id"])
        if board is None:
            refuse("board_id", "there is no default board: name one")
        default = self._first(connection, actor, "default_priority") or {"id": None}
        priority_id = row["priority_id"] or board["default_priority_id"] or default["id"]
        return row | {"board_id": board["id"], "priority_id": priority_id, "source": "api"}

    def _status(self, connection: Connection, actor: Actor, references: References, old: Row, row: Row) -> Row:
        """`status_id` and `is_closed` as they become; nothing where they stay."""
        board_id, status_id = row["board_id"], row["status_id"]
        status: Row | None
        if status_id is None:
            status = self._first(connection, actor, "default_status", board_id=board_id)
        elif status_id != old.get("status_id") or {"status_id", "board_id"} <= row["given"]:
            status = references.require_of("ticket_status", status_id, "status_id", {board_id}, f"board {board_id}")
        elif board_id != old["board_id"]:
            status = self._first(connection, actor, "status_after_move", board_id=board_id, status_id=status_id)
        else:
            return {}
        if status is None:
            refuse("status_id", f"board {board_id} has no status for this ticket by itself: name one")
        return {"status_id": status["id"], "is_closed": status["is_closed"]}

    def _first(self, connection: Connection, actor: Actor, name: str, **wanted: UUID | None) -> Row | None:
        row: Row | None = self.execute(connection, name, {"tenant_id": actor.tenant_id, **wanted}).fetchone()
        return row

"""Assets in Postgres; every statement is for one tenant."""

from pathlib import Path
from uuid import UUID

from infra.entities.documents import Row, document
from infra.postgres import Connection, Pool
from management.entities.assets.schemas import Rmm
from management.entities.repository import EntityRepository, EntityTable
from management.entities.schemas import EntityFilter
from management.errors import Problem

_TABLE = EntityTable(
    resource="asset",
    folder=Path(__file__).parent,
    columns=(
        *("client_id", "asset_type", "name", "asset_tag", "serial_number", "status", "location", "is_active"),
        *("rmm_provider", "rmm_device_id"),
    ),
    taken={"assets_tag_key": Problem("asset_tag", "there is an asset with this tag already")},
    unknown={
        "assets_tenant_id_client_id_fkey": Problem("client_id", "there is no such client"),
        "assets_check": Problem("rmm_provider", "a device id says nothing without its provider"),
    },
    in_use="something refers to this asset: deactivate it instead",
    told_as="asset",
    mapped_as="asset",
)
_SOFTWARE = "software"


class AssetRepository(EntityRepository):
    """Rows have the device's details as `rmm`. Raises PostgresUnavailableError while Postgres is away."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _TABLE)

    def page(self, tenant_id: UUID, wanted: EntityFilter) -> tuple[list[Row], int]:
        """As of every kind; of software only how much there is."""
        rows, total = super().page(tenant_id, wanted)
        return [_folded(row) for row in rows], total

    def read(self, connection: Connection, tenant_id: UUID, entity_id: UUID) -> Row:
        """As of every kind, with all software."""
        return _folded(super().read(connection, tenant_id, entity_id))

    def told_document(self, row: Row) -> Row:
        """Events do not list software."""
        rmm = row["rmm"]
        told = None if rmm is None else document({name: rmm[name] for name in rmm if name != _SOFTWARE})
        return super().told_document(row) | {"rmm": told}


def _folded(row: Row) -> Row:
    """`rmm_NAME` of every member of the details as one member `rmm`; None without details."""
    rmm = {name: row.pop(f"rmm_{name}", None) for name in Rmm.model_fields}
    return row | {"rmm": None if rmm["status"] is None else rmm}

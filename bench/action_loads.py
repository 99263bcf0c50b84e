"""Commands of every action with the fields that senders give it, in an order in which each finds what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.clock import now_us
from sinks.actions.command import moment
from tests.support.actions import ActionBase, request_of

Fields = dict[str, Any]
_PRIORITIES = ("Low", "Medium", "High", "Critical")
_UPDATE = {"on_existing": "update"}
_MAKE_INVOICES = """
INSERT INTO invoices (tenant_id, id, client_id, number, status, total_minor, currency)
SELECT %s, uuidv7(), %s, 'INV-' || (100000 + n), 'sent', 10000 + n, 'EUR' FROM generate_series(0, %s - 1) AS n
"""
_MAP_INVOICES = """
INSERT INTO external_entity_mappings (tenant_id, mapping_id, webhook_id, entity_type, external_id, entity_id)
SELECT tenant_id, uuidv7(), %s, 'invoice', number, id FROM invoices WHERE number LIKE 'INV-1%%'
"""


@dataclass(frozen=True, slots=True)
class Load:
    """Commands of one action that all have the same kind of effect. `fields` gives those of a number."""

    action: str
    effect: str
    fields: Callable[[int], Fields]
    options: Mapping[str, str] = field(default_factory=dict)

    def requests(self, base: ActionBase, numbers: range) -> list[dict[str, Any]]:
        """Requests to be run as a batch."""
        options = dict(self.options)
        return [request_of(base, self.action, self.fields(number), options=options) for number in numbers]


def prepare_invoices(base: ActionBase, count: int) -> None:
    """Make and map what no action makes."""
    base.write(_MAKE_INVOICES, [base.tenant.tenant_id, base.tenant.ids["client"], count])
    base.write(_MAP_INVOICES, [base.webhook_id])


def invoice_id(number: int) -> str:
    """The sender's id of an invoice."""
    return f"INV-{100_000 + number}"


def _client(number: int) -> Fields:
    return {
        "external_id": f"org-{number}",
        "client_name": f"Client {number:06d} GmbH",
        "url": f"https://client-{number}.example",
        "phone_no": f"+49 30 {number:06d}",
        "email": f"office@client-{number}.example",
        "address": f"Hauptstraße {number % 200}",
        "city": "Berlin",
        "zip": f"{10_000 + number % 4_000}",
        "country": "Germany",
        "default_currency_code": "EUR",
        "properties": {"tier": "gold", "seats": number % 250, "source": "crm"},
    }


def _client_update(number: int) -> Fields:
    return {"external_id": f"org-{number}", "phone_no": f"+49 40 {number:06d}", "properties": {"tier": "silver"}}


def _contact(number: int) -> Fields:
    return {
        "external_id": f"person-{number}",
        "full_name": f"Person {number:06d}",
        "email": f"person@client-{number}.example",
        "client_external_id": f"org-{number}",
        "role": "Office manager",
        "phone": f"+49 30 {number:06d}",
    }


def _contact_update(number: int) -> Fields:
    return {"external_id": f"person-{number}", "role": "Head of IT", "phone": f"+49 40 {number:06d}"}


def snapshot(number: int, state: int) -> Fields:
    """A device snapshot of about two kilobytes, as it is told for the `state`-th time."""
    software = [{"name": f"Program {n}", "version": f"{n}.{state}", "publisher": "Vendor"} for n in range(20)]
    return {
        "device_id": f"device-{number}",
        "provider": "acme-rmm",
        "scope_id": f"site-{number % 100}",
        "hostname": f"srv-{number:06d}",
        "type": "server",
        "serial_number": f"SN{number:08d}",
        "os_name": "Windows Server",
        "os_version": "2022",
        "agent_version": f"9.{state}",
        "last_seen_at": moment(now_us()).isoformat(),
        "uptime_seconds": 86_400 + state,
        "lan_ip": f"10.0.{number // 250 % 250}.{number % 250}",
        "cpu_model": "EPYC",
        "cpu_cores": 8,
        "ram_bytes": 34_359_738_368,
        "disks": [{"name": "C:", "total_bytes": 500_000_000_000, "free_bytes": 100_000_000_000 - state}],
        "antivirus": {"name": "Guard", "enabled": True, "up_to_date": state % 2 == 0},
        "patches": {"pending": state, "failed": 0},
        "software": software,
    }


def _asset(number: int) -> Fields:
    told = {"external_id": f"device-{number}", "client_external_id": f"org-{number}"}
    return told | {"rmm_snapshot": snapshot(number, 0)}


def _asset_update(number: int) -> Fields:
    return {"external_id": f"device-{number}", "rmm_snapshot": snapshot(number, 1)}


def _ticket(number: int) -> Fields:
    return {
        "external_id": f"alert-{number}",
        "title": f"Disk almost full on srv-{number:06d}",
        "description": "C: is 97 % full. " * 18,
        "client_external_id": f"org-{number}",
        "asset_external_id": f"device-{number}",
        "priority_id": _PRIORITIES[number % 4],
        "attributes": {"source": "rmm", "number": number},
    }


def _ticket_again(number: int) -> Fields:
    return _ticket(number) | {"title": f"Disk full on srv-{number:06d}", "attributes": {"again": True}}


def _ticket_update(number: int) -> Fields:
    told = {"external_id": f"alert-{number}", "title": f"Disk of srv-{number:06d}", "assigned_to": "technician"}
    return told | {"priority_id": _PRIORITIES[(number + 1) % 4], "attributes": {"checked": number}}


def _comment(number: int) -> Fields:
    return {"external_id": f"alert-{number}", "content": "The disk was cleaned up; 40 % are free. " * 5}


def _time_entry(number: int) -> Fields:
    return {
        "external_id": f"time-{number}",
        "user_id": "technician",
        "work_item_type": "ticket",
        "work_item_external_id": f"alert-{number}",
        "service_id": "Remote support",
        "start_time": moment(now_us()).isoformat(),
        "duration_minutes": 5 + number % 120,
        "notes": "Cleaned up the disk",
    }


def _time_entry_again(number: int) -> Fields:
    return _time_entry(number) | {"duration_minutes": 130, "notes": "Cleaned up the disk, and told the client"}


def _task(number: int) -> Fields:
    return {
        "external_id": f"task-{number}",
        "project_id": "Server rollout",
        "phase_id": "Rollout",
        "task_name": f"Install srv-{number:06d}",
        "description": "Unpack, mount, cable, install. " * 5,
        "assigned_to": "technician",
        "estimated_hours": 2.5,
        "priority_id": _PRIORITIES[number % 4],
    }


def _task_again(number: int) -> Fields:
    return _task(number) | {"task_name": f"Install and test srv-{number:06d}", "estimated_hours": 3}


def _tag(number: int, text: str) -> Fields:
    return {"entity_type": "ticket", "external_id": f"alert-{number}", "tag_text": text}


MAKE_CLIENTS = Load("upsertClientByExternalId", "created", _client)
MAKE_ASSETS = Load("upsertAssetByExternalId", "created, snapshot", _asset)
OPEN_TICKETS = Load("createTicket", "created", _ticket)
#: Those that change something come after what makes it; what takes clients out of service comes last.
LOADS = (
    MAKE_CLIENTS,
    Load("upsertClientByExternalId", "updated", _client_update),
    Load("upsertContactByExternalId", "created", _contact),
    Load("upsertContactByExternalId", "updated", _contact_update),
    MAKE_ASSETS,
    Load("upsertAssetByExternalId", "updated, snapshot", _asset_update),
    OPEN_TICKETS,
    Load("createTicket", "updated", _ticket_again, _UPDATE),
    Load("updateTicketByExternalId", "updated", _ticket_update),
    Load("addTicketCommentByExternalId", "created", _comment),
    Load(
        "changeTicketStatusByExternalId",
        "updated",
        lambda n: {"external_id": f"alert-{n}", "status_id": "In progress"},
    ),
    Load("createTimeEntry", "created", _time_entry),
    Load("createTimeEntry", "updated", _time_entry_again, _UPDATE),
    Load("createProjectTask", "created", _task),
    Load("createProjectTask", "updated", _task_again, _UPDATE),
    Load("updateProjectTaskStatusByExternalId", "updated", lambda n: {"external_id": f"task-{n}", "status_id": "Done"}),
    Load(
        "updateInvoiceStatusByExternalId",
        "updated",
        lambda n: {"external_id": invoice_id(n), "status": "overdue"},
    ),
    Load(
        "markInvoicePaidByExternalId",
        "updated",
        lambda n: {"external_id": invoice_id(n), "payment_reference": f"SEPA-{n}"},
    ),
    Load("addTagToEntityByExternalId", "created, new tags", lambda n: _tag(n, f"batch {n}")),
    Load("addTagToEntityByExternalId", "created, a known tag", lambda n: _tag(n, "critical")),
    Load("setClientActiveByExternalId", "updated", lambda n: {"external_id": f"org-{n}", "active": False}),
)

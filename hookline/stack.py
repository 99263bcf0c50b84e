"""`hookline up`: services, set-up, roles and their supervision, from a data folder to a ready file and back."""

import os
import secrets
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from hookline.database import ensure_api_key, ensure_service_login
from hookline.demo_webhook import SLUG, ensure_demo_webhook
from hookline.embedded.child import tail
from hookline.embedded.errors import ChildDidNotStart
from hookline.embedded.lock import lock_folder
from hookline.errors import StartInterruptedError, UsageError
from hookline.readiness import await_ready, await_webhooks
from hookline.ready_file import ReadyFile
from hookline.role_process import start_role_process, stop_leftover_roles
from hookline.seed import seed_demo
from hookline.services import SERVERS, Services, embedded_services, external_services
from hookline.stack_folder import StackFolder, write_atomically
from hookline.stack_ports import HEALTH_PURPOSES, reserve_ports
from hookline.supervisor import Say, Supervisor
from hookline.tenants import ensure_admin_password
from infra.clickhouse import ClickHouse
from infra.clickhouse import migrate as migrate_clickhouse
from infra.kafka import admin_client
from infra.migrations import migrate
from infra.secretbox import create_master_key_file, load_secret_box
from infra.settings import ClickHouseSettings, Settings
from infra.topics import apply_topics

# Actions are alone because analytics holds the interpreter while it builds rows, and tickets would wait for it.
PROCESSES: tuple[tuple[str, ...], ...] = (("analytics", "management"), ("actions",), ("processors",), ("ingress",))
READY_SECONDS_MAX = 120.0
_STOP_SECONDS = 8.0
_INGRESS_DRAIN_SECONDS = "3"
_LOG_LINES_SHOWN = 12
_OPERATOR_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What the command line asked for. Ports: a number, 0 for any free one, None for the usual one when it is free."""

    data_dir: Path
    ingress_port: int | None = None
    management_port: int | None = None
    ready_file: Path | None = None
    external: bool = False
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class _Setup:
    """What set-up found or made."""

    settings: Settings
    owner_dsn: str
    tenant_slug: str
    api_key: str
    has_webhook: bool
    first_password: str | None = field(repr=False)


class Stack:
    """One stack on one data folder, from `start` to `stop`. `say` shows a line to a person.

    `start` raises EmbeddedError or HooklineError, StartInterruptedError once `stopping` is set; whatever happened,
    `stop` then ends what had been started.
    """

    def __init__(self, options: StackOptions, settings: Settings, say: Say, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._options = options
        self._settings = settings
        self._say = say
        self._folder = StackFolder(options.data_dir.absolute())
        self._supervisor = Supervisor(say, self._write_ready_files)
        self._held = ExitStack()
        self._owns_folder = False
        self._ports: dict[str, int] = {}
        self._setup: _Setup | None = None

    @property
    def folder(self) -> StackFolder:
        return self._folder

    @property
    def first_password(self) -> str | None:
        """Of the demo tenant's admin, when this start made it."""
        return None if self._setup is None else self._setup.first_password

    def start(self) -> ReadyFile:
        """Bring everything up; returns once every part says it is ready."""
        self._held.enter_context(lock_folder(self._folder.root))
        self._owns_folder = True
        self._folder.make()
        self._remove_ready_files()
        for pid in stop_leftover_roles(self._folder):
            self._say(f"stopped process {pid}, left over from an earlier run")
        asked = {"ingress": self._options.ingress_port, "management": self._options.management_port}
        self._ports = reserve_ports(asked, self._folder.ports_file, self._held)
        services = self._start_services()
        self._go_on()
        self._setup = self._set_up(services)
        self._go_on()
        self._start_roles(self._setup)
        return self._write_ready_files()

    def watch(self) -> None:
        """Start again what dies, until it is to stop."""
        self._supervisor.watch(self._stopping)

    def stop(self) -> None:
        """Receivers first, so that nothing new comes in; then those who work on it; the servers last."""
        if self._owns_folder:  # else the ready file is another stack's
            self._remove_ready_files()
        self._supervisor.stop_all(together=SERVERS)
        self._held.close()

    def _start_services(self) -> Services:
        if not self._options.external:
            return embedded_services(self._folder, self._settings, self._supervisor, self._say)
        missing = {"kafka", "postgres"} - self._settings.model_fields_set
        if missing:
            names = {"kafka": "HOOKLINE_KAFKA__BOOTSTRAP", "postgres": "HOOKLINE_POSTGRES__DSN"}
            raise UsageError(f"--external needs {' and '.join(names[name] for name in sorted(missing))}")
        return external_services(self._settings)

    def _set_up(self, services: Services) -> _Setup:
        """Everything that must be there before the first role starts; what is there already stays as it is."""
        settings = self._settings
        if settings.master_key is None and settings.master_key_file is None:
            create_master_key_file(self._folder.master_key_file)
            settings = settings.model_copy(update={"master_key_file": self._folder.master_key_file})
        apply_topics(services.kafka, admin_client(services.kafka, "hookline-setup"))
        migrate(services.owner_dsn)
        dsn = services.owner_dsn
        if services.embedded:
            dsn = ensure_service_login(services.owner_dsn, self._folder.database_password_file)
        tenant = seed_demo(services.owner_dsn)
        api_key = ensure_api_key(services.owner_dsn, tenant, self._folder.api_key_file)
        first_password = ensure_admin_password(
            services.owner_dsn, settings.management, tenant, self._folder.admin_password_file
        )
        has_webhook = ensure_demo_webhook(services.owner_dsn, services.kafka, load_secret_box(settings), tenant)
        self._say("set-up: topics, tables, tenant demo and webhook rmm-alerts are there")
        updates = {
            "kafka": services.kafka,
            "postgres": settings.postgres.model_copy(update={"dsn": SecretStr(dsn)}),
            "clickhouse": self._clickhouse_settings(),
        }
        return _Setup(
            settings.model_copy(update=updates),
            services.owner_dsn,
            tenant.slug,
            api_key,
            has_webhook,
            first_password,
        )

    def _clickhouse_settings(self) -> ClickHouseSettings:
        given = self._settings.clickhouse
        if self._options.external and given.dsn is not None:
            server = ClickHouse(given)
            migrate_clickhouse(server)
            server.close()
            return given
        return given.model_copy(update={"dsn": None, "path": given.path or self._folder.clickhouse})

    def _start_roles(self, setup: _Setup) -> None:
        environment = self._role_environment(setup.settings)
        for roles in PROCESSES:
            start = partial(start_role_process, self._folder, roles, environment | self._health_port(roles))
            self._supervisor.adopt(roles, start, start(), stop_seconds=_STOP_SECONDS)
        self._say("roles: starting")
        await_ready(self._ready_urls(), timeout_seconds=READY_SECONDS_MAX, check_alive=self._require_alive)
        if setup.has_webhook:  # management publishes it, and the receiver may have read the topic before that
            url = self._ready_urls()["ingress"]
            await_webhooks(url, timeout_seconds=READY_SECONDS_MAX, check_alive=self._require_alive)

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise StartInterruptedError("stopped before everything was ready")

    def _require_alive(self) -> None:
        self._go_on()
        dead = self._supervisor.first_dead()
        if dead is not None:
            log = self._folder.log_file(dead.names)
            lines = tail(log).splitlines()[-_LOG_LINES_SHOWN:]
            raise ChildDidNotStart(dead.title, f"exit code {dead.running.exit_code}, log in {log}", "\n".join(lines))

    def _role_environment(self, settings: Settings) -> dict[str, str]:
        """What the roles are told. Passwords and keys travel as the names of files; empty takes a name away."""
        clickhouse, workers = settings.clickhouse, self._options.workers or settings.ingress.workers
        environment = {
            "HOOKLINE_DATA_DIR": str(self._folder.root),
            "HOOKLINE_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
            "HOOKLINE_POSTGRES__DSN": settings.postgres.dsn.get_secret_value(),
            "HOOKLINE_CLICKHOUSE__DSN": clickhouse.dsn.get_secret_value() if clickhouse.dsn else "",
            "HOOKLINE_CLICKHOUSE__PATH": str(clickhouse.path) if clickhouse.path else "",
            "HOOKLINE_INGRESS__PORT": str(self._ports["ingress"]),
            "HOOKLINE_INGRESS__WORKERS": str(workers),
            "HOOKLINE_INGRESS__SHUTDOWN_TIMEOUT_SECONDS": _INGRESS_DRAIN_SECONDS,
            "HOOKLINE_MANAGEMENT__PORT": str(self._ports["management"]),
        }
        if clickhouse.path is not None:
            token_file = self._folder.operator_token_file
            write_atomically(token_file, secrets.token_urlsafe(_OPERATOR_TOKEN_BYTES) + "\n")
            environment["HOOKLINE_MANAGEMENT__OPERATOR_TOKEN_FILE"] = str(token_file)
        if "receiver_base_url" not in settings.management.model_fields_set:
            environment["HOOKLINE_MANAGEMENT__RECEIVER_BASE_URL"] = self._url("ingress")
        if settings.master_key_file is not None:
            environment["HOOKLINE_MASTER_KEY_FILE"] = str(settings.master_key_file)
        return environment

    def _health_port(self, roles: tuple[str, ...]) -> dict[str, str]:
        """For a process without an HTTP interface of its own."""
        return {"HOOKLINE_HEALTH__PORT": str(self._ports[roles[0]])} if roles[0] in HEALTH_PURPOSES else {}

    def _url(self, purpose: str) -> str:
        section = getattr(self._settings, "health" if purpose in HEALTH_PURPOSES else purpose)
        return f"http://{section.host}:{self._ports[purpose]}"

    def _ready_urls(self) -> dict[str, str]:
        return {purpose: f"{self._url(purpose)}/readyz" for purpose in self._ports}

    def _write_ready_files(self) -> ReadyFile:
        setup = self._setup
        assert setup is not None  # noqa: S101 - written only after set-up
        clickhouse = setup.settings.clickhouse
        ready = ReadyFile(
            ingress_url=self._url("ingress"),
            management_url=self._url("management"),
            webhook_url=f"{self._url('ingress')}/api/inbound/{setup.tenant_slug}/{SLUG}",
            kafka_bootstrap=setup.settings.kafka.bootstrap,
            postgres_dsn=setup.owner_dsn,
            clickhouse=clickhouse.dsn.get_secret_value() if clickhouse.dsn else str(clickhouse.path),
            tenant_slug=setup.tenant_slug,
            admin_api_key=setup.api_key,
            master_key_file=setup.settings.master_key_file,
            data_dir=self._folder.root,
            pid=os.getpid(),
            pids=self._supervisor.pids,
            ready_urls=self._ready_urls(),
        )
        for path in self._ready_paths():
            ready.write(path)
        return ready

    def _ready_paths(self) -> list[Path]:
        asked = self._options.ready_file
        return [self._folder.ready_file] if asked is None else [self._folder.ready_file, asked.absolute()]

    def _remove_ready_files(self) -> None:
        for path in self._ready_paths():
            path.unlink(missing_ok=True)

"""Settings, read once at the start of a process from the environment (`HOOKLINE_SECTION__NAME`) and passed on.

No module reads the environment by itself; nothing here is a global.
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from infra.addresses import parse_networks

STORE_SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _split_commas(given: object) -> object:
    return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given


def _check_networks(networks: tuple[str, ...]) -> tuple[str, ...]:
    parse_networks(networks)
    return networks


#: Networks in CIDR notation; in the environment separated by commas.
Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas), AfterValidator(_check_networks)]


class KafkaSettings(_Section):
    """`properties` are passed to librdkafka as they are (security.protocol, sasl.*, ssl.*)."""

    bootstrap: str = "127.0.0.1:9092"
    properties: dict[str, str] = Field(default_factory=dict)
    request_partitions: int = Field(default=4, ge=1, le=512)
    replication_factor: int = Field(default=1, ge=1, le=5)


class PostgresSettings(_Section):
    """`dsn` is a libpq URI; it may hold a password and is never logged."""

    dsn: SecretStr = SecretStr("postgresql://hookline@127.0.0.1:5432/hookline")
    statement_timeout_seconds: float = Field(default=10.0, gt=0)
    pool_connections_max: int = Field(default=4, ge=1, le=100)


class ClickHouseSettings(_Section):
    """Either `dsn` (clickhouse://user:password@host:port/database) or `path`, a folder of the embedded engine."""

    dsn: SecretStr | None = None
    path: Path | None = None
    connections_max: int = Field(default=6, ge=1, le=64)
    connect_timeout_seconds: float = Field(default=5.0, ge=1)
    request_timeout_seconds: float = Field(default=60.0, ge=1)


class IngressSettings(_Section):
    """The receiver's bounds, per worker process. Times in seconds unless the name says otherwise.

    While the broker is away at most `probe_requests_max` requests wait for it; the others are answered 503 at once.
    Rejections are written down up to `rejections_per_second_max` per reason, address and webhook, then counted.
    `trusted_proxies` (CIDR, separated by commas): whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    A refusal is written no earlier than `refusal_pace_milliseconds` after its request was whole.
    `failed_proofs_per_minute` is per source address and also the burst; 0: no bound.
    `public_base_url`: what stands before the path in the URLs that senders sign; unset: what the request says.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    workers: int = Field(default=1, ge=1, le=64)
    in_flight_requests_max: int = Field(default=20_000, ge=1)
    in_flight_bytes_max: int = Field(default=67_108_864, ge=1)
    ack_timeout_seconds: float = Field(default=8.0, gt=0)
    body_timeout_seconds: float = Field(default=15.0, gt=0)
    idle_timeout_seconds: float = Field(default=75.0, gt=0)
    connections_max: int = Field(default=10_000, ge=1)
    header_bytes_max: int = Field(default=16_384, ge=1024)
    probe_requests_max: int = Field(default=64, ge=1)
    rejections_per_second_max: int = Field(default=5, ge=1)
    rejection_keys_max: int = Field(default=1_000, ge=1)
    refusal_pace_milliseconds: int = Field(default=10, ge=0, le=1_000)
    failed_proofs_per_minute: int = Field(default=120, ge=0)
    public_base_url: str | None = Field(default=None, pattern=r"^https?://[^\s?#]*[^\s?#/]$")
    key_timeout_milliseconds: int = Field(default=50, ge=1, le=5_000)
    linger_milliseconds: float = Field(default=2.0, ge=0, le=100)
    shutdown_timeout_seconds: float = Field(default=10.0, gt=0)
    trusted_proxies: Networks = ()


class RateLimitSettings(_Section):
    """Where receivers share the webhooks' rates. `store_url` (redis, rediss, valkey, valkeys or unix; it may hold a
    password) unset: each worker counts for itself. Of a webhook's limit, `credit_percent` per worker passes before
    the store has answered, and `lease_percent` is the most that one worker holds; of each at least one request.
    """

    store_url: SecretStr | None = None
    key_prefix: str = Field(default="hookline:rate", pattern=r"^[A-Za-z0-9:._-]{1,64}$")
    renewal_milliseconds: int = Field(default=50, ge=5, le=1_000)
    store_timeout_milliseconds: int = Field(default=500, ge=10, le=10_000)
    credit_percent: int = Field(default=5, ge=0, le=100)
    lease_percent: int = Field(default=10, ge=1, le=100)

    @field_validator("store_url")
    @classmethod
    def _check_url(cls, url: SecretStr | None) -> SecretStr | None:
        """No message quotes the URL: of one that is written wrongly any part may be the password."""
        if url is None:
            return None
        if url.get_secret_value().partition("://")[0] not in STORE_SCHEMES:
            raise ValueError(f"must begin with {', '.join(f'{scheme}://' for scheme in STORE_SCHEMES)}")
        try:
            _ = urlsplit(url.get_secret_value()).port
        except ValueError:
            raise ValueError("has no valid host and port; in a password write / # ? [ ] @ and % as %XX") from None
        return url


class ProcessorSettings(_Section):
    """The batch host's bounds and the mapping limits. `batches_in_flight_max` is per lane."""

    group_id: str = "hookline-processors"
    batch_records_max: int = Field(default=1_000, ge=1, le=10_000)
    batch_bytes_max: int = Field(default=8_388_608, ge=1)
    batches_in_flight_max: int = Field(default=16, ge=1, le=64)
    session_timeout_seconds: float = Field(default=15.0, ge=6, le=300)
    commit_interval_seconds: float = Field(default=0.5, gt=0)
    ack_timeout_seconds: float = Field(default=30.0, gt=0)
    expiry_slice_keys: int = Field(default=2_000, ge=1)
    expiry_interval_seconds: float = Field(default=1.0, gt=0)
    mapping_engine: str = Field(default="jlens", pattern="^(jlens|jsonata-python)$")
    mapping_timeout_milliseconds: int = Field(default=50, ge=1, le=5_000)
    mapping_depth_max: int = Field(default=200, ge=10)
    mapping_result_bytes_max: int = Field(default=1_048_576, ge=1024)
    trace_log: Path | None = None


class ActionSettings(_Section):
    """The action sink's bounds. `lane` binds this process to the actions of one lane; some other must read the rest.

    While both lanes have actions, one ordinary batch follows `consecutive_expedited_batches_max` expedited ones.
    """

    group_id: str = "hookline-actions"
    lane: str = Field(default="all", pattern="^(all|expedited|ordinary)$")
    consecutive_expedited_batches_max: int = Field(default=4, ge=1, le=100)
    batch_records_max: int = Field(default=500, ge=1, le=10_000)
    batch_wait_milliseconds: int = Field(default=20, ge=0)
    attempts_max: int = Field(default=3, ge=1)
    session_timeout_seconds: float = Field(default=15.0, ge=6, le=300)
    ack_timeout_seconds: float = Field(default=30.0, gt=0)


class AnalyticsSettings(_Section):
    """The ClickHouse sink's bounds. The rollups are brought up to date every `rollup_interval_seconds`,
    behind a count that took long after four times as long, a minute at most.
    """

    group_id: str = "hookline-analytics"
    batch_records_max: int = Field(default=50_000, ge=1)
    batch_bytes_max: int = Field(default=67_108_864, ge=1)
    batch_wait_milliseconds: int = Field(default=2_000, ge=1)
    session_timeout_seconds: float = Field(default=10.0, ge=6, le=300)
    retry_wait_seconds_max: float = Field(default=5.0, gt=0)
    stall_seconds_max: float = Field(default=60.0, gt=0)
    rollup_interval_seconds: float = Field(default=5.0, gt=0)


class LedgerSettings(_Section):
    """How the ledger is kept: two hours are examined every `interval_seconds`, `lookback_seconds` once an hour.

    An hour is entered when it has been over for `grace_seconds` and all of it is stored.
    """

    interval_seconds: float = Field(default=60.0, ge=0.1)
    grace_seconds: float = Field(default=300.0, ge=10)
    lookback_seconds: int = Field(default=172_800, ge=7_200, le=2_592_000)


class SlaSettings(_Section):
    """How soon a request should have its outcome, in seconds from its receipt, by the priority of its webhook."""

    low_seconds: float = Field(default=300.0, gt=0)
    normal_seconds: float = Field(default=60.0, gt=0)
    high_seconds: float = Field(default=10.0, gt=0)
    critical_seconds: float = Field(default=5.0, gt=0)

    @property
    def by_priority(self) -> tuple[float, float, float, float]:
        """The targets of the priorities 0 to 3."""
        return self.low_seconds, self.normal_seconds, self.high_seconds, self.critical_seconds


class EnrichmentSettings(_Section):
    """What is found out about senders. `mmdb_file`: a database of locations (City, Country or ASN); unset: none."""

    mmdb_file: Path | None = None


class ManagementSettings(_Section):
    """The management API's address and bounds. `failed_keys_per_minute`: from one address, per process.

    `trusted_proxies` (CIDR, separated by commas): whose `X-Forwarded-For` is believed.
    `session_cookie_secure` unset means: unless `host` is a loopback address. A password's hash takes
    `password_memory_kibibytes`, so only so many are made at once; the defaults are those of RFC 9106 for little memory,
    less is for tests. Sign-ins are counted as docs/adr/0008 says.
    A test of a webhook waits `test_wait_seconds` for its outcome.
    `receiver_base_url` is where senders reach the receiver from outside; receiver URLs begin with it.
    Of one tenant's API keys those count that are not revoked and have not expired.
    `operator_token_file` has what `hookline sql` shows on this machine; unset: nobody may ask that way.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8081, ge=0, le=65_535)
    receiver_base_url: str = Field(default="http://127.0.0.1:8080", pattern=r"^https?://[^\s?#]+$")
    failed_keys_per_minute: int = Field(default=60, ge=1)
    trusted_proxies: Networks = ()
    session_cookie_secure: bool | None = None
    session_idle_seconds: int = Field(default=28_800, ge=1)
    session_lifetime_seconds: int = Field(default=604_800, ge=1, le=31_536_000)
    user_sessions_max: int = Field(default=20, ge=1, le=1_000)
    sign_in_failures_max: int = Field(default=10, ge=1)
    sign_in_address_failures_max: int = Field(default=30, ge=1)
    sign_in_window_seconds: int = Field(default=900, ge=1)
    sign_in_block_seconds: int = Field(default=900, ge=1)
    password_memory_kibibytes: int = Field(default=65_536, ge=64, le=1_048_576)
    password_iterations: int = Field(default=3, ge=1, le=20)
    password_hashes_in_flight_max: int = Field(default=2, ge=1, le=16)
    password_waiting_hashes_max: int = Field(default=8, ge=1, le=32)
    test_wait_seconds: float = Field(default=10.0, gt=0, le=60)
    tenant_webhooks_max: int = Field(default=20_000, ge=1)
    tenant_keys_max: int = Field(default=1_000, ge=1)
    operator_token_file: Path | None = None


class AlertSettings(_Section):
    """Hookline's own alerts (docs/alerts.md). One management process looks every `interval_seconds`.

    `data_loss_hours`: how long before records are deleted unread the operator is told.
    """

    enabled: bool = True
    interval_seconds: float = Field(default=30.0, ge=1, le=3_600)
    data_loss_hours: float = Field(default=24.0, gt=0, le=8_760)


class ReplaySettings(_Section):
    """Replay jobs (docs/replay-jobs.md). A job pauses by itself once more than `failures_percent_max` of its deliveries
    have failed, of at least `failures_outcomes_min`, or while live traffic is more than `lag_seconds_max` behind.

    Of one tenant's jobs `tenant_jobs_max` may be open; what became of each record is kept for `records_kept_days`.
    """

    failures_percent_max: float = Field(default=20.0, gt=0, le=100)
    failures_outcomes_min: int = Field(default=50, ge=1)
    lag_seconds_max: float = Field(default=30.0, gt=0)
    tenant_jobs_max: int = Field(default=10, ge=1, le=100)
    records_kept_days: int = Field(default=90, ge=1, le=3_650)


class HealthSettings(_Section):
    """Where a role without an HTTP interface serves /healthz, /readyz and /metrics. A process ends when one of its
    consumers commits nothing for `standstill_seconds_max` while records wait.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8082, ge=0, le=65_535)
    standstill_seconds_max: float = Field(default=120.0, ge=1, le=3_600)


class Settings(BaseSettings):
    """Everything a role needs. `master_key` is 32 bytes in base64url; `master_key_file` holds the same text.

    `presets_folder` holds the operator's own senders, one YAML file each.
    """

    model_config = SettingsConfigDict(env_prefix="HOOKLINE_", env_nested_delimiter="__", frozen=True, extra="ignore")

    data_dir: Path = Path("data")
    log_format: str = Field(default="json", pattern="^(json|console)$")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    master_key: SecretStr | None = None
    master_key_file: Path | None = None
    presets_folder: Path | None = None
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    postgres: PostgresSettings = Field(default_factory=PostgresSettings)
    clickhouse: ClickHouseSettings = Field(default_factory=ClickHouseSettings)
    ingress: IngressSettings = Field(default_factory=IngressSettings)
    rate_limits: RateLimitSettings = Field(default_factory=RateLimitSettings)
    processors: ProcessorSettings = Field(default_factory=ProcessorSettings)
    actions: ActionSettings = Field(default_factory=ActionSettings)
    analytics: AnalyticsSettings = Field(default_factory=AnalyticsSettings)
    ledger: LedgerSettings = Field(default_factory=LedgerSettings)
    sla: SlaSettings = Field(default_factory=SlaSettings)
    enrichment: EnrichmentSettings = Field(default_factory=EnrichmentSettings)
    management: ManagementSettings = Field(default_factory=ManagementSettings)
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    replays: ReplaySettings = Field(default_factory=ReplaySettings)
    health: HealthSettings = Field(default_factory=HealthSettings)

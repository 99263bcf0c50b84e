"""Settings: read from the environment once, refused when out of bounds, silent about secrets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from hookline.configuration import load_settings
from infra.errors import SettingsError
from infra.settings import Settings

NUMBER = (int, float)
#: The last word of a number's name, before `max`, says what it counts.
UNITS = {
    "attempts",
    "batches",
    "bytes",
    "connections",
    "depth",
    "factor",
    "hours",
    "keys",
    "milliseconds",
    "partitions",
    "percent",
}
UNITS |= {"percent", "port", "records", "requests", "second", "seconds", "webhooks", "workers"}
UNITS |= {"days", "failures", "hashes", "jobs", "outcomes", "iterations", "kibibytes", "minute", "sessions"}


def leaves(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, FieldInfo]]:
    """(environment name, own name, field) of every setting."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}", name, field


ALL = list(leaves(Settings, "HOOKLINE_"))


@pytest.mark.parametrize(("variable", "name", "field"), ALL, ids=[variable for variable, _, _ in ALL])
def test_a_numeric_setting_names_its_unit_and_has_a_bound(variable: str, name: str, field: FieldInfo) -> None:
    if field.annotation in NUMBER:
        assert name.removesuffix("_max").removesuffix("_min").removesuffix("_in_flight").rsplit("_", 1)[-1] in UNITS, (
            f"{variable} does not say what it counts"
        )
        assert field.metadata, f"{variable} has no bound"


def test_a_nested_setting_comes_from_its_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKLINE_KAFKA__BOOTSTRAP", "broker:1")
    monkeypatch.setenv("HOOKLINE_INGRESS__WORKERS", "3")
    monkeypatch.setenv("HOOKLINE_KAFKA__PROPERTIES", '{"security.protocol": "SSL"}')
    settings = Settings()
    assert settings.kafka.bootstrap == "broker:1"
    assert settings.ingress.workers == 3
    assert settings.kafka.properties == {"security.protocol": "SSL"}


@pytest.mark.parametrize(
    ("text", "networks"), [("", ()), ("10.0.0.0/8", ("10.0.0.0/8",)), (" 10.0.0.0/8 , ::1,", ("10.0.0.0/8", "::1"))]
)
def test_trusted_proxies_are_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, text: str, networks: tuple[str, ...]
) -> None:
    monkeypatch.setenv("HOOKLINE_INGRESS__TRUSTED_PROXIES", text)
    assert Settings().ingress.trusted_proxies == networks


@pytest.mark.parametrize(
    ("variable", "value", "member"),
    [
        ("HOOKLINE_INGRESS__WORKERS", "0", "ingress.workers"),
        ("HOOKLINE_INGRESS__PORT", "65536", "ingress.port"),
        ("HOOKLINE_INGRESS__TRUSTED_PROXIES", "10.0.0.0/8,nowhere", "ingress.trusted_proxies"),
        ("HOOKLINE_INGRESS__PUBLIC_BASE_URL", "https://hooks.example.com/", "ingress.public_base_url"),
        ("HOOKLINE_KAFKA__REQUEST_PARTITIONS", "0", "kafka.request_partitions"),
        ("HOOKLINE_PROCESSORS__MAPPING_ENGINE", "other", "processors.mapping_engine"),
        ("HOOKLINE_LOG_LEVEL", "loud", "log_level"),
        ("HOOKLINE_KAFKA__BOOTSTRAPS", "x", "kafka.bootstraps"),
    ],
)
def test_a_value_out_of_bounds_or_a_misspelt_member_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, member: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [member]


def test_secrets_do_not_show_in_a_printed_settings_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKLINE_MASTER_KEY", "the-master-key")
    monkeypatch.setenv("HOOKLINE_POSTGRES__DSN", "postgresql://u:the-password@h/db")
    monkeypatch.setenv("HOOKLINE_CLICKHOUSE__DSN", "clickhouse://u:the-password@h/db")
    shown = f"{Settings()!r} {Settings()} {Settings().model_dump_json()}"
    assert "the-master-key" not in shown
    assert "the-password" not in shown


def test_settings_cannot_be_changed_after_they_were_read() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.log_level = "debug"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        settings.kafka.bootstrap = "elsewhere:1"  # type: ignore[misc]


def test_other_programs_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA__BOOTSTRAP", "elsewhere:1")
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert Settings() == Settings.model_validate({})
    assert Settings().log_level == "info"


@pytest.mark.parametrize("url", ["http://:pass-word@h:1", "redis://:pass/word@h:1", "valkeys://h:pass-word"])
def test_a_wrong_store_of_rate_limits_is_refused_without_quoting_it(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HOOKLINE_RATE_LIMITS__STORE_URL", url)
    with pytest.raises(SettingsError, match="HOOKLINE_RATE_LIMITS__STORE_URL") as caught:
        load_settings()
    assert "pass" not in str(caught.value).replace("password", "")

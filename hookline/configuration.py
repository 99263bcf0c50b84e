"""Settings of a command: the environment's, completed by the ready file of the stack it is pointed at."""

from pathlib import Path

from pydantic import SecretStr, ValidationError

from hookline.errors import NotRunningError
from hookline.ready_file import ReadyFile, read_ready_file
from infra.errors import SettingsError
from infra.settings import Settings


def load_settings() -> Settings:
    """The environment's settings. Raises SettingsError naming each wrong one, never its value."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"HOOKLINE_{'__'.join(str(part).upper() for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("; ".join(lines)) from None


def settings_of_stack(ready: ReadyFile) -> Settings:
    """The environment's settings, pointed at the services of a running stack; as the database's owner."""
    settings = load_settings()
    return settings.model_copy(
        update={
            "data_dir": ready.data_dir,
            "kafka": settings.kafka.model_copy(update={"bootstrap": ready.kafka_bootstrap}),
            "postgres": settings.postgres.model_copy(update={"dsn": SecretStr(ready.postgres_dsn)}),
            "master_key_file": ready.master_key_file,
        }
    )


def settings_near(data_dir: Path) -> Settings:
    """For commands that need services only: those the environment names, else those of the stack on `data_dir`.

    Raises NotRunningError when there are neither.
    """
    settings = load_settings()
    if "kafka" in settings.model_fields_set:
        return settings
    try:
        return settings_of_stack(read_ready_file(data_dir))
    except NotRunningError as error:
        raise NotRunningError(f"{error}, or set HOOKLINE_KAFKA__BOOTSTRAP and HOOKLINE_POSTGRES__DSN") from error

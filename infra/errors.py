"""Errors of the plumbing.

HooklineError
├── SettingsError            a setting is missing or wrong; the message names it
├── TopicDeclarationError    topics.yaml is not usable; the message names topic and member
├── TopicMismatchError       the broker's topics differ from topics.yaml in a way we never change by ourselves
├── KafkaUnavailableError    the broker did not answer or acknowledge within the bound
├── PostgresUnavailableError Postgres is away, full, or gives no connection; nothing was written
├── MigrationError           the migration files and the database do not fit; the message names the file
├── ClickHouseUnavailableError  ClickHouse cannot be reached or cannot take work now: waiting may help
│   └── ClickHouseOverTimeError  a statement ran into its own limit of time: less work would help, too
├── ClickHouseRefusedError      ClickHouse refused a statement: the schema, the statement or the rows are at fault
├── PresetError              a sender's preset is not usable; the message names file and member
└── SecretError              a ciphertext cannot be read: wrong or unknown master key, or damaged
"""


class HooklineError(Exception):
    """Base of every error that Hookline raises on purpose."""


class SettingsError(HooklineError):
    """A setting is missing or wrong; the message names it."""


class TopicDeclarationError(HooklineError):
    """topics.yaml is not usable; the message names the topic and the member."""


class TopicMismatchError(HooklineError):
    """The broker's topics differ from topics.yaml in a way that is never changed automatically."""


class KafkaUnavailableError(HooklineError):
    """The broker did not answer or acknowledge within the bound."""


class ClickHouseUnavailableError(HooklineError):
    """ClickHouse cannot be reached or cannot take work now: waiting may help."""


class ClickHouseOverTimeError(ClickHouseUnavailableError):
    """A statement ran into its limit of time; nothing was answered."""


class ClickHouseRefusedError(HooklineError):
    """ClickHouse refused a statement: the schema, the statement or the rows are at fault."""


class PostgresUnavailableError(HooklineError):
    """Postgres is away, full, or gives no connection; nothing was written."""


class MigrationError(HooklineError):
    """The migration files and the database do not fit; the message names the file."""


class PresetError(HooklineError):
    """A sender's preset is not usable; the message names the file and the member."""


class SecretError(HooklineError):
    """A ciphertext cannot be read: unknown master key or damaged bytes. Never holds the secret."""

"""The topic registry: topics.yaml as frozen declarations, and the broker made to match."""

from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.errors import KafkaUnavailableError, TopicDeclarationError, TopicMismatchError
from infra.settings import KafkaSettings

RECEIVED = "webhooks.request.received.v1"
EXPEDITED = "webhooks.request.expedited.v1"
REJECTED = "webhooks.request.rejected.v1"
ACCEPTED = "webhooks.request.accepted.v1"
RELEASED = "webhooks.key.released.v1"
REMEMBERED = "webhooks.key.remembered.v1"
RECORDED = "webhooks.delivery.recorded.v1"
REQUEST_DEAD_LETTERS = "webhooks.request.received.v1.dlq"
ACTIONS = "actions.action.requested.v1"
EXPEDITED_ACTIONS = "actions.action.expedited.v1"
ACTION_DEAD_LETTERS = "actions.action.requested.v1.dlq"
CONFIGURATION = "configuration.webhook.changed.v1"
DOMAIN_EVENTS = "domain.event.occurred.v1"

NAME_PATTERN = r"^[a-z]+\.[a-z]+(?:-[a-z]+)*\.[a-z]+\.v[1-9][0-9]*(?:\.dlq|\.retry)?$"
TOPICS_FILE = Path(__file__).parent.parent / "topics.yaml"
_ADMIN_TIMEOUT_SECONDS = 30.0
_EXPEDITED_FROM_PRIORITY = 2


class TopicDeclaration(BaseModel):
    """One topic of topics.yaml. Times in seconds, sizes in bytes; `retention_seconds` null keeps records for ever."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = Field(min_length=10)
    owner: str
    producers: tuple[str, ...] = Field(min_length=1)
    consumers: tuple[str, ...]
    key: str
    schema_name: Annotated[str, Field(alias="schema")]
    partitions: int | Literal["requests"]
    retention_seconds: int | None
    cleanup: Literal["delete", "compact"]
    message_bytes_max: int
    dlq: str | None

    def partition_count(self, settings: KafkaSettings) -> int:
        """Partitions on the broker."""
        return settings.request_partitions if self.partitions == "requests" else self.partitions

    def broker_config(self) -> dict[str, str]:
        """Topic-level configuration on the broker."""
        retention_ms = -1 if self.retention_seconds is None else self.retention_seconds * 1_000
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(retention_ms),
            "max.message.bytes": str(self.message_bytes_max),
            "message.timestamp.type": "CreateTime",
        }


@dataclass(frozen=True, slots=True)
class TopicDifference:
    """One way in which the broker differs. `fixable` differences are made good by `apply_topics`."""

    topic: str
    member: str
    declared: str
    found: str
    fixable: bool


def request_topic(priority: int) -> str:
    """Where the requests of a webhook with this priority go."""
    return EXPEDITED if priority >= _EXPEDITED_FROM_PRIORITY else RECEIVED


def action_topic(priority: int) -> str:
    """Where the actions of a webhook with this priority go."""
    return EXPEDITED_ACTIONS if priority >= _EXPEDITED_FROM_PRIORITY else ACTIONS


def load_topics(path: Path = TOPICS_FILE) -> Mapping[str, TopicDeclaration]:
    """Declarations by topic name. Raises TopicDeclarationError naming topic and member."""
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise TopicDeclarationError(f"{path}: {error}") from error
    declarations: dict[str, TopicDeclaration] = {}
    for name, members in document["topics"].items():
        try:
            declarations[name] = TopicDeclaration.model_validate(members)
        except ValidationError as error:
            first = error.errors()[0]
            member = ".".join(str(part) for part in first["loc"])
            raise TopicDeclarationError(f"topic {name}, {member}: {first['msg']}") from error
    return declarations


def diff_topics(settings: KafkaSettings, admin: AdminClient) -> list[TopicDifference]:
    """How the broker differs from topics.yaml; empty when it matches."""
    declarations = load_topics()
    found = _existing_partitions(admin)
    differences = [
        TopicDifference(name, "topic", "present", "missing", fixable=True) for name in declarations if name not in found
    ]
    present = [name for name in declarations if name in found]
    configs = _existing_configs(admin, present)
    for name in present:
        declared = declarations[name].partition_count(settings)
        if found[name] != declared:
            growing = found[name] < declared and declarations[name].partitions != "requests"
            differences.append(TopicDifference(name, "partitions", str(declared), str(found[name]), fixable=growing))
        for member, value in declarations[name].broker_config().items():
            actual = configs[name].get(member, "")
            if actual != value:
                differences.append(TopicDifference(name, member, value, actual, fixable=True))
    return differences


def apply_topics(settings: KafkaSettings, admin: AdminClient) -> list[TopicDifference]:
    """Make the broker match; returns what was changed.

    Raises TopicMismatchError, before anything is changed, where a change would lose or move records: fewer
    partitions, or any other count for the request topics, whose dedupe entries live in the request's partition.
    """
    differences = diff_topics(settings, admin)
    refused = [difference for difference in differences if not difference.fixable]
    if refused:
        lines = "; ".join(f"{d.topic} {d.member}: declared {d.declared}, found {d.found}" for d in refused)
        raise TopicMismatchError(f"these need a migration, nothing was changed: {lines}")
    declarations = load_topics()
    missing = [difference.topic for difference in differences if difference.member == "topic"]
    _await_all(admin.create_topics([_new_topic(n, declarations[n], settings) for n in missing])) if missing else None
    for difference in differences:
        if difference.member == "partitions":
            _await_all(admin.create_partitions([NewPartitions(difference.topic, int(difference.declared))]))
        elif difference.member != "topic":
            _set_config(admin, difference)
    return differences


def topic_incarnations(admin: AdminClient, names: Sequence[str]) -> dict[str, str]:
    """The broker's id of each topic: it changes when a topic is deleted and made anew."""
    futures = admin.describe_topics(TopicCollection(list(names)), request_timeout=_ADMIN_TIMEOUT_SECONDS)
    try:
        return {name: str(future.result().topic_id) for name, future in futures.items()}
    except KafkaException as error:
        raise KafkaUnavailableError(f"describe topics: {error.args[0].str()}") from error


def topic_partitions(admin: AdminClient, names: Sequence[str]) -> dict[str, int]:
    """Partitions of each topic on the broker. Raises TopicMismatchError naming a topic that is missing."""
    found = _existing_partitions(admin)
    missing = [name for name in names if name not in found]
    if missing:
        raise TopicMismatchError(f"topic {missing[0]} is missing: run `hookline topics apply`")
    return {name: found[name] for name in names}


def topic_retention_seconds(
    admin: AdminClient, names: Sequence[str], *, timeout_seconds: float
) -> dict[str, float | None]:
    """How long the broker keeps records of each topic by their time; None: for ever. Raises KafkaUnavailableError."""
    found = _existing_configs(admin, names, timeout_seconds)
    kept = {name: int(found[name]["retention.ms"]) for name in names}
    return {name: None if milliseconds < 0 else milliseconds / 1_000 for name, milliseconds in kept.items()}


def _new_topic(name: str, declaration: TopicDeclaration, settings: KafkaSettings) -> NewTopic:
    return NewTopic(
        name,
        num_partitions=declaration.partition_count(settings),
        replication_factor=settings.replication_factor,
        config=declaration.broker_config(),
    )


def _existing_partitions(admin: AdminClient) -> dict[str, int]:
    try:
        metadata = admin.list_topics(timeout=_ADMIN_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise KafkaUnavailableError(f"list topics: {error.args[0].str()}") from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _existing_configs(
    admin: AdminClient, names: Sequence[str], timeout_seconds: float = _ADMIN_TIMEOUT_SECONDS
) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    found = _await_all(admin.describe_configs(resources, request_timeout=timeout_seconds), timeout_seconds + 1)
    return {
        resource.name: {member: entry.value or "" for member, entry in entries.items()}
        for resource, entries in found.items()
    }


def _set_config(admin: AdminClient, difference: TopicDifference) -> None:
    entry = ConfigEntry(difference.member, difference.declared, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, difference.topic, incremental_configs=[entry])
    _await_all(admin.incremental_alter_configs([resource]))


def _await_all(futures: Mapping[Any, Any], timeout_seconds: float = _ADMIN_TIMEOUT_SECONDS) -> dict[Any, Any]:
    try:
        return {key: future.result(timeout_seconds) for key, future in futures.items()}
    except KafkaException as error:
        raise KafkaUnavailableError(f"broker refused: {error.args[0].str()}") from error
    except FutureTimeoutError as error:
        raise KafkaUnavailableError("the broker did not answer in time") from error

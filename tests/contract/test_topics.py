"""topics.yaml is the one declaration of the topics: complete, consistent, and the only place a name is written."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from infra import topics
from infra.errors import TopicDeclarationError
from infra.settings import KafkaSettings
from infra.topics import NAME_PATTERN, TopicDeclaration, load_topics
from schemas import records, webhooks

ROOT = Path(__file__).parents[2]
ROLES = {"ingress", "processors", "actions", "analytics", "workflows", "outbound", "management"}
#: Raw values: the record's bytes are not JSON of ours.
RAW_SCHEMA = "bytes"
#: Models that are JSON of a header or members of another model, not a topic's value.
INSIDE_OTHERS = {"Record", "DeliveryError", "RequestFacts", "Origin", "DeadLetter", "SealedSecret", "HmacAuth"}
INSIDE_OTHERS |= {"HmacScheme", "BearerScheme", "BasicScheme", "ApiKeyScheme", "PathTokenScheme", "IpAllowlistScheme"}
INSIDE_OTHERS |= {"NoScheme", "StandardWebhooksScheme", "PresetScheme", "StandardWebhooksAuth", "PresetAuth"}
INSIDE_OTHERS |= {"BearerAuth", "BasicAuth", "ApiKeyAuth", "PathTokenAuth", "IpAllowlistAuth", "NoAuth"}
INSIDE_OTHERS |= {
    "AttestedRequests",
    "EventActor",
    "FieldChange",
    "IdempotencySource",
    "ActionHandler",
    "WorkflowHandler",
    "EventValidation",
}
RAW_RETENTION_SECONDS_MIN = 7 * 86_400
CODE_FOLDERS = ("hookline", "ingress", "processors", "sinks", "management", "infra", "schemas", "bench", "migrations")

TOPICS = load_topics()
BY_NAME = pytest.mark.parametrize(("name", "topic"), TOPICS.items(), ids=list(TOPICS))


def _models() -> dict[str, type[BaseModel]]:
    return {
        name: member
        for module in (records, webhooks)
        for name, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, BaseModel) and member.__module__ == module.__name__ and not name.startswith("_")
    }


def _constants() -> dict[str, str]:
    """Topic constants of infra.topics: upper-case names whose value looks like a topic."""
    return {
        name: value
        for name, value in vars(topics).items()
        if name.isupper() and isinstance(value, str) and re.search(r"\.v[0-9]", value) and name != "NAME_PATTERN"
    }


@BY_NAME
def test_a_name_is_domain_entity_past_tense_version(name: str, topic: TopicDeclaration) -> None:
    assert re.fullmatch(NAME_PATTERN, name)
    assert "_" not in name
    verb = name.removesuffix(".dlq").removesuffix(".retry").split(".")[2]
    assert verb.endswith("ed"), f"{verb} is not a past tense"


@pytest.mark.parametrize(
    "name", ["webhooks.request.v1", "webhooks.re_quest.received.v1", "Webhooks.request.received.v1", "a.b.cd.v0"]
)
def test_the_name_pattern_refuses_other_names(name: str) -> None:
    assert re.fullmatch(NAME_PATTERN, name) is None


@BY_NAME
def test_owner_producers_and_consumers_are_known_roles(name: str, topic: TopicDeclaration) -> None:
    assert topic.owner in ROLES
    assert set(topic.producers) <= ROLES
    assert set(topic.consumers) <= ROLES
    assert topic.owner in topic.producers


@BY_NAME
def test_every_topic_is_described_and_its_key_named(name: str, topic: TopicDeclaration) -> None:
    assert topic.description.endswith(".")
    assert topic.key


@BY_NAME
def test_the_schema_is_a_model_or_raw_bytes(name: str, topic: TopicDeclaration) -> None:
    assert topic.schema_name == RAW_SCHEMA or topic.schema_name in _models()


def test_no_model_is_an_orphan() -> None:
    used = {topic.schema_name for topic in TOPICS.values()} - {RAW_SCHEMA}
    assert set(_models()) - used - INSIDE_OTHERS == set()


@BY_NAME
def test_a_dead_letter_topic_is_declared_and_belongs_to_its_parent(name: str, topic: TopicDeclaration) -> None:
    if topic.dlq is not None:
        dead_letters = TOPICS[topic.dlq]
        assert topic.dlq.endswith(".dlq")
        assert dead_letters.dlq is None
        assert dead_letters.schema_name == RAW_SCHEMA
        assert dead_letters.message_bytes_max >= topic.message_bytes_max


def test_every_dead_letter_topic_has_a_parent() -> None:
    parents = {topic.dlq for topic in TOPICS.values()}
    assert {name for name in TOPICS if name.endswith(".dlq")} == parents - {None}


@BY_NAME
def test_only_dead_letters_may_be_without_a_consumer(name: str, topic: TopicDeclaration) -> None:
    assert topic.consumers or name.endswith(".dlq")


@pytest.mark.parametrize("request_partitions", [1, 8, 24])
def test_the_topics_of_the_dedupe_table_have_equal_partition_counts(request_partitions: int) -> None:
    settings = KafkaSettings(request_partitions=request_partitions)
    joined = (topics.RECEIVED, topics.EXPEDITED, topics.RELEASED, topics.REMEMBERED)
    assert {TOPICS[name].partition_count(settings) for name in joined} == {request_partitions}
    assert {name for name, topic in TOPICS.items() if topic.partitions == "requests"} == set(joined)


@pytest.mark.parametrize("name", [topics.RECEIVED, topics.EXPEDITED])
def test_raw_requests_are_kept_seven_days_and_never_compacted(name: str) -> None:
    retention = TOPICS[name].retention_seconds
    assert retention is None or retention >= RAW_RETENTION_SECONDS_MIN
    assert TOPICS[name].cleanup == "delete"


def test_dead_letters_outlive_their_parents() -> None:
    for topic in TOPICS.values():
        if topic.dlq is not None:
            kept, parent = TOPICS[topic.dlq].retention_seconds, topic.retention_seconds
            assert kept is None or (parent is not None and kept >= parent)


@BY_NAME
def test_compacted_topics_keep_their_records_for_ever(name: str, topic: TopicDeclaration) -> None:
    if topic.cleanup == "compact":
        assert topic.retention_seconds is None
        assert topic.broker_config()["retention.ms"] == "-1"


def test_the_constants_are_the_declared_names_in_both_directions() -> None:
    constants = _constants()
    assert set(constants.values()) == set(TOPICS)
    assert len(constants) == len(TOPICS), "two constants for one topic"


def _string_literals(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def test_no_topic_name_is_written_elsewhere_in_the_code() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {literal}"
        for folder in CODE_FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path != ROOT / "infra" / "topics.py"
        for line, literal in _string_literals(path)
        if any(name in literal for name in TOPICS)
    ]
    assert found == []


def test_every_topic_is_used_by_some_code() -> None:
    code = "\n".join(
        path.read_text("utf-8")
        for folder in CODE_FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path != ROOT / "infra" / "topics.py"
    )
    unused = [name for name in _constants() if re.search(rf"\b{name}\b", code) is None]
    assert unused == []


def test_an_unknown_member_is_refused_with_topic_and_member(tmp_path: Path) -> None:
    text = (ROOT / "topics.yaml").read_text("utf-8").replace("    owner: ingress\n", "    ownr: ingress\n", 1)
    path = tmp_path / "topics.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(TopicDeclarationError, match=r"topic webhooks\.request\.received\.v1, owne?r"):
        load_topics(path)


def test_a_file_that_is_no_yaml_is_refused_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text("topics: [", "utf-8")
    with pytest.raises(TopicDeclarationError, match=re.escape(str(path))):
        load_topics(path)


def test_a_missing_file_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(TopicDeclarationError, match=re.escape(str(tmp_path))):
        load_topics(tmp_path / "topics.yaml")

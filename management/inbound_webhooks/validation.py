"""Is this document a webhook that works? Every problem at once, or the settings and what looks doubtful.

The rules are in `rules`, one module per part. Most need nothing but the document; what has to be looked up (the slug,
references, namespaces, event types) is asked of the tenant's rows in the transaction of the change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from infra.actions.registry import ActionRegistry
from infra.postgres import Connection
from infra.requests.errors import SchemaError
from infra.requests.validation import compile_validator
from infra.settings import ProcessorSettings
from management.event_types.lookup import FoundSchema, find_schema
from management.inbound_webhooks.documents import Document
from management.inbound_webhooks.repository import namespace_target, slug_is_taken, slug_taken, webhooks_that_name
from management.inbound_webhooks.rules.expressions import ExpressionRules
from management.inbound_webhooks.rules.handler import check_handler
from management.inbound_webhooks.rules.handshake import check_handshake
from management.inbound_webhooks.rules.members import check_members
from management.inbound_webhooks.rules.problems import Problems, joined
from management.inbound_webhooks.rules.proof import check_proof, check_secret, missing_secret, unusable
from management.inbound_webhooks.rules.references import check_references
from management.inbound_webhooks.rules.replay_guard import check_replay_guard
from management.inbound_webhooks.rules.samples import sample_warnings
from management.inbound_webhooks.schemas import InboundWebhookSettings, Json, SettingsWarning
from management.inbound_webhooks.secret_forms import SecretForm, secret_form
from schemas.actions import EXTERNAL_IDS_OF
from schemas.presets import Preset

_NAMESPACE_PATH = f"handler_config.{EXTERNAL_IDS_OF.name}"


@dataclass(frozen=True, slots=True)
class Checked:
    """`json_schema` is that of the event type bodies are held to; `secret` what was given for one, in `secret_form`
    (None: the scheme has no secret)."""

    settings: InboundWebhookSettings
    json_schema: Mapping[str, Any] | None
    secret_form: SecretForm | None
    secret: str | None = field(repr=False)


class SettingsRules:
    """One per process; safe to share between threads."""

    def __init__(self, registry: ActionRegistry, settings: ProcessorSettings, presets: Mapping[str, Preset]) -> None:
        self.registry = registry
        self._expressions = ExpressionRules(settings)
        self.presets = presets

    def secret_form(self, settings: InboundWebhookSettings) -> SecretForm | None:
        """The secret that a webhook with these settings has; None where it has none."""
        shown = settings.as_json()
        return secret_form(shown["auth_type"], shown["auth_config"], self.presets)

    def check(
        self,
        connection: Connection,
        tenant_id: UUID,
        document: Document,
        problems: Problems,
        *,
        webhook_id: UUID,
        keeps_secret: bool = False,
    ) -> Checked:
        """The settings of the webhook `webhook_id`, new or not; `keeps_secret`: it has one that goes on being good.

        `problems` holds what was found in the body before. Raises ValidationFailedError with everything, and
        ConflictError when nothing but the slug is in the way.
        """
        members = document.members
        check_members(members, self._expressions, problems)
        form, secret = self._check_auth(document, problems, keeps_secret=keeps_secret)
        check_handshake(members.get("handshake"), has_secret=form is not None, problems=problems)
        constants = self._check_handler(members, problems)
        lookups = _Lookups(connection, tenant_id, webhook_id)
        self._look_up_references(lookups, members, constants, problems)
        _check_namespace(lookups, members, problems)
        found = _find_event_type(lookups, members.get("validation"), problems)
        self._check_slug(lookups, members.get("slug"), problems)
        validation = None if found is None else {**members["validation"], "event_version": found.version}
        settings = InboundWebhookSettings.model_validate({**members, "validation": validation})
        return Checked(settings, None if found is None else found.json_schema, form, secret)

    def _check_auth(
        self, document: Document, problems: Problems, *, keeps_secret: bool
    ) -> tuple[SecretForm | None, str | None]:
        """The form of the secret, and the one that was given, each None where there is none."""
        members = document.members
        auth_type, config = members["auth_type"], members["auth_config"]
        form = secret_form(auth_type, config, self.presets)
        if auth_type is None:
            return form, None
        check_proof(auth_type, config, self.presets, problems)
        secret = None
        if form is not None:
            path = joined("auth_config", form.member)
            if document.secret is not None:
                secret = check_secret(path, form, document.secret, problems)
            elif form.generated is None and not keeps_secret:
                problems.add(path, missing_secret(path, form))
        if not problems.at("auth_config"):
            words = unusable(config, secret, self.presets)
            if words is not None:
                problems.add(joined("auth_config", self._key_member(config, form, secret)), words)
            check_replay_guard(members, self.presets, problems)
        return form, secret

    def _key_member(self, config: Json, form: SecretForm | None, secret: str | None) -> str:
        """The one member that a verifier can fail on: the key it is built with."""
        if form is not None and secret is not None:
            return form.member
        return self.presets[config["preset"]].key_field if config["type"] == "preset" else "public_key"

    def check_action(self, handler_config: Any, problems: Problems) -> None:
        """A handler that asks for an action, by itself: nothing is looked up."""
        check_handler("direct_action", handler_config, self.registry, self._expressions, problems)

    def warnings(self, settings: InboundWebhookSettings, sample_text: str | None) -> list[SettingsWarning]:
        """What does not fit the captured sample; it need not be wrong for other bodies."""
        return sample_warnings(settings, sample_text, self.registry, self._expressions)

    def _check_handler(self, members: Json, problems: Problems) -> Mapping[str, Any]:
        handler_type = members["handler_type"]
        if handler_type is None or (members["handler_config"] is None and problems.at("handler_config")):
            return {}
        return check_handler(handler_type, members["handler_config"], self.registry, self._expressions, problems)

    def _look_up_references(
        self, lookups: "_Lookups", members: Json, constants: Mapping[str, Any], problems: Problems
    ) -> None:
        if constants:
            definition = self.registry[members["handler_config"]["action"]].definition
            check_references(lookups.connection, lookups.tenant_id, definition, constants, problems)

    def _check_slug(self, lookups: "_Lookups", slug: Any, problems: Problems) -> None:
        """Last, because a taken slug alone is a conflict, and one of several problems else."""
        taken = (
            isinstance(slug, str)
            and not problems.at("slug")
            and slug_is_taken(lookups.connection, lookups.tenant_id, slug, but_by=lookups.webhook_id)
        )
        if taken and not problems.found:
            raise slug_taken(slug)
        if taken:
            problems.add("slug", f"slug {slug} is taken")
        problems.raise_if_any()


@dataclass(frozen=True, slots=True)
class _Lookups:
    connection: Connection
    tenant_id: UUID
    webhook_id: UUID


def _check_namespace(lookups: _Lookups, members: Json, problems: Problems) -> None:
    """Another webhook of the tenant that has external ids of its own, and only for one that nobody else leans on."""
    config = members["handler_config"]
    named = config.get(EXTERNAL_IDS_OF.name) if isinstance(config, dict) else None
    if not isinstance(named, str) or problems.at(_NAMESPACE_PATH):
        return
    target = UUID(named)
    exists, further = namespace_target(lookups.connection, lookups.tenant_id, target)
    if target == lookups.webhook_id:
        problems.add(_NAMESPACE_PATH, "external_ids_of names this webhook itself; leave it out")
    elif not exists:
        problems.add(_NAMESPACE_PATH, f"external_ids_of: no webhook {target}")
    elif further is not None:
        problems.add(
            _NAMESPACE_PATH, f"external_ids_of: webhook {target} uses the external ids of {further}: name that one"
        )
    else:
        leaning = webhooks_that_name(lookups.connection, lookups.tenant_id, lookups.webhook_id)
        if leaning:
            message = f"external_ids_of: {', '.join(leaning)} use this webhook's external ids, so it keeps its own"
            problems.add(_NAMESPACE_PATH, message)


def _find_event_type(lookups: _Lookups, validation: Any, problems: Problems) -> FoundSchema | None:
    if not isinstance(validation, dict) or problems.at("validation"):
        return None
    name, version = validation["event_type"], validation.get("event_version")
    found = find_schema(lookups.connection, lookups.tenant_id, name, version)
    if found is not None:
        return found if _is_usable(found.json_schema, name, problems) else None
    if version is not None and find_schema(lookups.connection, lookups.tenant_id, name, None) is not None:
        problems.add("validation.event_version", f"event_version: event type {name} has no version {version}")
    else:
        problems.add("validation.event_type", f"event_type: there is none called {name!r}")
    return None


def _is_usable(json_schema: Any, name: str, problems: Problems) -> bool:
    """Event types are checked when they are declared; one of an earlier release must not fail every delivery."""
    try:
        compile_validator(json_schema)
    except SchemaError as error:
        problems.add("validation.event_type", f"event_type: the schema of {name} cannot be used: {error}")
        return False
    if not isinstance(json_schema, dict):
        problems.add("validation.event_type", f"event_type: the schema of {name} is no object, so it holds to nothing")
        return False
    return True

"""What would have to be done so that webhooks are as declared, and the bodies of the calls that do it.

Members that a declaration does not mention stay as they are in force.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from hookline.webhook_files.declarations import NOT_IN_FILE, Declaration, Json
from infra.json_values import same_value
from management.inbound_webhooks.secret_forms import same_scheme, secret_form
from schemas.handshakes import HandshakeRule

Kind = Literal["create", "update", "delete", "none", "refused"]
#: Taken as they are declared: whatever is left out of them is meant to be gone.
_WHOLE = frozenset({"filters", "idempotency_source", "handshake"})
_WHOLE_BY_MEMBER = frozenset({"handler_config.field_mapping", "metadata", "enrichment"})
_PARTS = (("auth_type", "auth_config"), ("handler_type", "handler_config"))
_NO_PRESETS: Mapping[str, str | None] = {}
_ABSENT = object()


class Difference(NamedTuple):
    """A member that is declared otherwise than it is in force; None where there is none."""

    path: str
    before: Any
    after: Any


class Step(NamedTuple):
    """What to do for one webhook. `shown` is what the API shows of it; `problem` says why a step is refused."""

    kind: Kind
    slug: str
    declaration: Declaration | None = None
    shown: Json | None = None
    differences: tuple[Difference, ...] = ()
    sets_secret: bool = False
    problem: str | None = None


def plan(
    declarations: Sequence[Declaration],
    in_force: Mapping[str, Json],
    *,
    prune: bool,
    set_secrets: bool,
    preset_secrets: Mapping[str, str | None] = _NO_PRESETS,
) -> list[Step]:
    """Steps in the order of the files, deletions last. `in_force` is what the API shows, by slug; `preset_secrets` has
    the field of each preset that is a secret.

    A new webhook, and one that gets another scheme of proof, takes its declared secret. Any other does so with
    `set_secrets` alone: whether it differs cannot be seen.
    """
    steps = [
        _creation(declaration, preset_secrets)
        if declaration.slug not in in_force
        else _change(declaration, in_force[declaration.slug], preset_secrets, set_secrets=set_secrets)
        for declaration in declarations
    ]
    if prune:
        steps += _deletions(in_force.keys() - {declaration.slug for declaration in declarations}, in_force)
    return steps


def body_of(step: Step) -> Json:
    """What to POST or PUT, with secrets. Raises UsageError for a secret that is not where it should be."""
    declaration, shown = step.declaration, step.shown
    assert declaration is not None  # noqa: S101  # nothing is sent for a deletion
    body = {name: value for name, value in declaration.without_secrets.items() if name != "version"}
    if shown is not None:
        body = _completed(body, shown)
    if step.sets_secret:
        body["auth_config"] = {**body["auth_config"], **declaration.secrets()}
    return body


def _creation(declaration: Declaration, preset_secrets: Mapping[str, str | None]) -> Step:
    step = Step("create", declaration.slug, declaration, sets_secret=bool(declaration.secret_sources))
    auth = declaration.auth_config
    scheme = declaration.members.get("auth_type", auth.get("type"))
    own = _secret_member(scheme, auth, preset_secrets)
    if own in auth.keys() - declaration.secret_sources.keys():
        return step._replace(kind="refused", problem=f"auth_config.{own}: {NOT_IN_FILE}")
    return step


def _change(
    declaration: Declaration, shown: Json, preset_secrets: Mapping[str, str | None], *, set_secrets: bool
) -> Step:
    declared, auth = declaration.without_secrets, declaration.auth_config
    scheme = _kind(declared, shown, *_PARTS[0])
    if scheme == shown["auth_type"]:
        auth = {
            "preset": shown["auth_config"].get("preset"),
            "public_key": shown["auth_config"].get("public_key"),
            **auth,
        }
    had_secret = _secret_member(shown["auth_type"], shown["auth_config"], preset_secrets) is not None
    new_scheme = not had_secret or not same_scheme(scheme, auth, shown["auth_type"], shown["auth_config"])
    own = _secret_member(scheme, auth, preset_secrets)
    if own in auth.keys() - declaration.secret_sources.keys():
        return Step("refused", declaration.slug, declaration, shown, problem=f"auth_config.{own}: {NOT_IN_FILE}")
    differences = tuple(_differences(declared, shown, ""))
    foreign = sorted(declaration.secret_sources.keys() - {own})
    sets_secret = bool(declaration.secret_sources) and (set_secrets or new_scheme)
    step = Step("none", declaration.slug, declaration, shown, differences, sets_secret)
    if foreign:
        problem = f"auth_config.{foreign[0]}: {scheme} has no such member"
        return step._replace(kind="refused", problem=problem)
    if not differences and not sets_secret:
        return step
    version = declared.get("version", shown["version"])
    if version != shown["version"]:
        problem = (
            f"somebody else changed it: the file is of version {version}, and it is version {shown['version']} by now. "
            "Get it again, or leave `version` out of the file to have it as declared, whatever was changed"
        )
        return step._replace(kind="refused", problem=problem)
    return step._replace(kind="update")


def _secret_member(scheme: Any, auth: Json, preset_secrets: Mapping[str, str | None]) -> str | None:
    """The member of `auth_config` that is the secret, as far as can be told from here."""
    if scheme == "preset":
        name = auth.get("preset")
        return preset_secrets.get(name) if isinstance(name, str) else None
    form = secret_form(scheme, auth, {}) if isinstance(scheme, str) else None
    return None if form is None else form.member


def _deletions(slugs: Sequence[str] | set[str], in_force: Mapping[str, Json]) -> list[Step]:
    """Those that use another webhook's external ids go first: the other one cannot go before them."""
    leaning = [slug for slug in slugs if in_force[slug]["handler_config"].get("external_ids_of") is not None]
    return [Step("delete", slug, shown=in_force[slug]) for slug in (*sorted(leaning), *sorted(set(slugs) - {*leaning}))]


def _completed(declared: Json, shown: Json) -> Json:
    """What a PUT needs besides; within the scheme of proof and the action the API keeps what is not mentioned."""
    body = {"name": shown["name"], "handler_config": {}, "auth_config": {}, **declared}
    for outer, inner in _PARTS:
        body[outer] = _kind(declared, shown, outer, inner)
    validation, before = declared.get("validation"), shown.get("validation")
    if isinstance(validation, dict) and before is not None and validation.get("event_type") == before["event_type"]:
        body["validation"] = {**before, **{name: value for name, value in validation.items() if value is not None}}
    return body


def _kind(declared: Json, shown: Json, outer: str, inner: str) -> Any:
    """The type that is meant, beside the part or in it, or the one in force."""
    part = declared.get(inner)
    within = part.get("type") if isinstance(part, dict) else None
    return declared.get(outer, within if within is not None else shown[outer])


def _differences(declared: Any, shown: Any, path: str) -> Iterator[Difference]:
    if isinstance(declared, dict) and isinstance(shown, dict) and path not in _WHOLE:
        names = {**declared, **shown} if path in _WHOLE_BY_MEMBER else declared
        for name in names:
            inner = f"{path}.{name}" if path else name
            yield from _differences(declared.get(name, _ABSENT), shown.get(name, _ABSENT), inner)
    elif path == "handshake" and isinstance(declared, dict) and same_value(_completed_handshake(declared), shown):
        return
    elif not same_value(declared, shown) and not _says_nothing(declared, shown, path):
        yield Difference(path, *(None if value is _ABSENT else value for value in (shown, declared)))


def _completed_handshake(declared: Json) -> Any:
    """With the members it leaves out, as the API shows it; as it is where it has no right form."""
    try:
        return HandshakeRule.model_validate(declared).model_dump(mode="json")
    except ValidationError:
        return declared


def _says_nothing(declared: Any, shown: Any, path: str) -> bool:
    """The version, which is looked at apart, and null where the API means the same by it as by nothing."""
    if path == "version" or (path == "validation.event_version" and declared is None):
        return True
    return declared is None and shown is _ABSENT and path.startswith("handler_config.") and path.count(".") == 1

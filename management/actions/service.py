"""Actions of this installation: the same for every tenant, loaded at the start."""

from infra.actions.registry import ActionRegistry, RegisteredAction
from management.actions.schemas import InboundActionDefinition, InboundActionOption, InboundActionTargetField
from management.paging import Page, PageMeta
from schemas.actions import ActionOption, TargetField


class ActionService:
    """Asks no store anything."""

    def __init__(self, registry: ActionRegistry) -> None:
        shown = [_shown(action) for action in registry.values()]
        self._page: Page[InboundActionDefinition] = Page(
            data=shown, meta=PageMeta(page=1, per_page=len(shown), total=len(shown))
        )

    def page(self) -> Page[InboundActionDefinition]:
        """All of them on one page, by entity type and name."""
        return self._page


def _shown(action: RegisteredAction) -> InboundActionDefinition:
    definition = action.definition
    return InboundActionDefinition(
        name=definition.name,
        entity_type=definition.entity_type,
        display_name=definition.display_name,
        description=definition.description,
        target_fields=[_field(field) for field in definition.target_fields],
        required_one_of=[list(group) for group in definition.required_one_of],
        options=[_option(option) for option in definition.options],
        package=action.package,
    )


def _field(field: TargetField) -> InboundActionTargetField:
    return InboundActionTargetField(
        name=field.name,
        type=field.type,
        description=field.description,
        required=field.required,
        required_on_create=field.required_on_create,
        enum_values=list(field.enum_values),
        ref_entity_type=field.ref_entity_type,
        max_length=field.max_length,
        minimum=field.minimum,
        maximum=field.maximum,
        json_object=field.json_object,
    )


def _option(option: ActionOption) -> InboundActionOption:
    return InboundActionOption(name=option.name, enum_values=list(option.enum_values), default=option.default)

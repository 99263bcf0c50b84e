"""The asset actions, offered through the entry-point group `hookline.actions`."""

from schemas.actions import EXTERNAL_IDS_OF, ON_DUPLICATE, ActionDefinition
from sinks.actions.assets.fields import UPSERT_FIELDS
from sinks.actions.assets.upsert import upsert_assets
from sinks.actions.entity_set import alone

UPSERT_ASSET = ActionDefinition(
    name="upsertAssetByExternalId",
    entity_type="asset",
    display_name="Create or update asset",
    description="Create the asset of the sender's id, or update it; takes device snapshots of monitoring systems",
    target_fields=UPSERT_FIELDS,
    options=(ON_DUPLICATE, EXTERNAL_IDS_OF),
    handle=alone(upsert_assets),
    handle_many=upsert_assets,
)
ACTIONS = (UPSERT_ASSET,)

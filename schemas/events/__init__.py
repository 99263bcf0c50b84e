"""JSON Schemas (2020-12) of the events Hookline emits: `NAME.vVERSION.json`; `schemas.event_types` reads them."""

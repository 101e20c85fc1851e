"""The JSON Schema of a configuration file, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any, Union

import msgspec

from lmctl import families
from lmctl.config.keys import FAMILY_KEY, SECTIONS, find_keys
from lmctl.config.schema import Config


def json_schema() -> dict[str, Any]:
    """Return the schema. `model` has the keys of one family; `family` says of which one."""
    configurable = families.configurable()
    kinds: Any = Union[tuple(family.config_type for family in configurable.values())]  # noqa: UP007
    types = {"preset": find_keys("preset")[0].type, "model": kinds}
    fields = [
        (field.name, types.get(field.name, field.type), field.default)
        if field.default is not msgspec.NODEFAULT
        else (field.name, types.get(field.name, field.type), msgspec.field(default_factory=field.default_factory))
        for field in msgspec.structs.fields(Config)
    ]
    document = msgspec.defstruct("Config", fields, frozen=True, forbid_unknown_fields=True, kw_only=True)
    schema = msgspec.json.schema(document)
    definition = schema["$defs"]["Config"]
    definition["description"] = str(Config.__doc__).partition("\n")[0]
    for name, described in definition["properties"].items():
        if name in SECTIONS:
            described["description"] = SECTIONS[name]
    # A file may leave `family` out. Then its preset or the default decides the family.
    definition["properties"]["model"].pop("discriminator", None)
    for each in schema["$defs"].values():
        if each["properties"].get("family", {}).get("enum"):
            each["required"].remove("family")
            each["properties"]["family"]["description"] = find_keys(FAMILY_KEY)[0].description
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

from __future__ import annotations

from lmctl import families
from lmctl.config import SECTIONS, all_keys
from lmctl.config.json_schema import json_schema


def test_the_schema_describes_every_key_and_admits_no_other():
    definitions = json_schema()["$defs"]
    keys = {key.path: key for key in all_keys()}

    described = {
        name: value["description"]
        for name, value in definitions["Config"]["properties"].items()
        if name in SECTIONS
    }
    for section in SECTIONS:
        said = definitions["Config"]["properties"][section]
        for kind in said.get("anyOf", [said]):
            definition = definitions[kind["$ref"].rpartition("/")[2]]
            assert definition["required"] == []
            assert definition["additionalProperties"] is False
            described |= {
                f"{section}.{name}": value["description"] for name, value in definition["properties"].items()
            }
    assert definitions["Config"]["additionalProperties"] is False
    assert described == SECTIONS | {path: key.description for path, key in keys.items() if path != "preset"}


def test_the_schema_holds_ranges_and_defaults():
    properties = json_schema()["$defs"]["TrainingConfig"]["properties"]

    assert properties["reset_probability"]["minimum"] == 0
    assert properties["reset_probability"]["maximum"] == 1
    assert properties["learning_rate"]["exclusiveMinimum"] == 0
    assert properties["epochs"]["default"] == 20


def branches_that_take(model):
    """The families whose branch of the schema has all these keys, and this family's name if one is given."""
    definitions = json_schema()["$defs"]
    kinds = [kind["$ref"].rpartition("/")[2] for kind in definitions["Config"]["properties"]["model"]["anyOf"]]
    found = [definitions[kind]["properties"] for kind in kinds]
    return [
        each["family"]["enum"][0]
        for each in found
        if {*model} <= {*each} and model.get("family", each["family"]["enum"][0]) in each["family"]["enum"]
    ]


def test_the_schema_tells_the_families_apart_by_their_name():
    assert branches_that_take({}) == list(families.configurable())
    assert branches_that_take({"locked_dropout": True}) == ["lstm"]
    assert "lstm" not in branches_that_take({"order": 2})
    assert branches_that_take({"family": "ngram", "order": 2}) == ["ngram"]
    assert branches_that_take({"family": "lstm", "order": 2}) == []

"""The JSON Schema of an experiment."""

import json

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from marl_moe.cli import app
from marl_moe.experiment.spec.files import shipped_experiments

SHIPPED = shipped_experiments()["quickstart"].with_name("schema.json")


def test_the_schema_takes_the_shipped_experiments_and_refuses_a_misspelt_key() -> None:
    schema = json.loads(CliRunner().invoke(app, ["schema"]).stdout)
    for path in shipped_experiments().values():
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)
        says, _, schema_file = path.read_text().splitlines()[0].partition("=")
        assert says == "# yaml-language-server: $schema"
        assert (path.parent / schema_file).resolve() == SHIPPED.resolve()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "x", "env": {"num_user": 3}}, schema)


def test_the_schema_shipped_beside_the_experiments_is_the_one_of_this_version() -> None:
    assert json.loads(SHIPPED.read_text()) == json.loads(CliRunner().invoke(app, ["schema"]).stdout)

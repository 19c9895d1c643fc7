"""Every algorithm that an experiment may name has an engine."""

from typing import get_args

from marl_moe.experiment.spec.algorithm import AlgorithmSpec
from marl_moe.experiment.training.engine import LEARNER_COLUMNS
from marl_moe.experiment.training.engines import ENGINES
from paper_figures.tables import LEARNED


def test_algorithms_have_the_same_names_in_experiments_engines_and_figures() -> None:
    names = get_args(AlgorithmSpec.model_fields["name"].annotation)
    assert list(names) == list(ENGINES) == list(LEARNED)
    assert all(engine.name == name for name, engine in ENGINES.items())


def test_engines_tell_of_no_column_that_the_training_table_has_not() -> None:
    for engine in ENGINES.values():
        assert set(engine.learner_metrics) <= set(LEARNER_COLUMNS)

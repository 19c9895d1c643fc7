"""RLlib's configuration of an experiment, checked before anything is trained."""

from typing import Any

from marl_moe.errors import SpecError
from marl_moe.experiment.spec.experiment import ExperimentSpec
from marl_moe.experiment.spec.rllib_sections import apply_section, first_line
from marl_moe.experiment.training.cluster import quieten_ray
from marl_moe.experiment.training.engines import engine_of
from marl_moe.experiment.training.sac_engine import SacEngine
from marl_moe.extras import check_training
from marl_moe.plugins import code


def algorithm_config(
    spec: ExperimentSpec, seed: int, deviation: tuple[str, str] | None = None
) -> Any:
    """Return RLlib's configuration of an experiment.

    Args:
        spec: the experiment.
        seed: of everything random.
        deviation: of sac: one agent alone learns (`SacEngine.config`).

    Raises:
        SpecError: RLlib, or our part of it, does not take a key or a value.
        MissingExtraError: RLlib or PyTorch is not installed.
    """
    assert spec.algorithm is not None
    check_training(f"algorithm {spec.algorithm.name}")
    quieten_ray()
    sections = {section: dict(keys) for section, keys in spec.algorithm.sections().items()}
    if "seed" in sections.get("debugging", {}):
        raise SpecError("algorithm.debugging.seed: seeds are set by the key 'seeds'")
    model_config = sections.get("rl_module", {}).pop("model_config", {})
    engine = engine_of(spec.algorithm)
    if deviation is None:
        config = engine.config(spec, model_config)
    else:
        assert isinstance(engine, SacEngine)
        config = engine.config(spec, model_config, deviation)
    is_ours = spec.algorithm.name == SacEngine.name
    for section, keys in sections.items():
        apply_section(config, section, keys, is_ours=is_ours)
    config.debugging(seed=seed)
    if own := code():  # whoever is given this configuration, as a remote runner, imports it
        config.environment(env_config={**config.env_config, "code": own})
    try:
        config.validate()
    except Exception as error:  # RLlib raises whatever it stumbles over
        raise SpecError(f"algorithm: {first_line(error)}") from None
    return config


def check_algorithm(spec: ExperimentSpec) -> None:
    """Check everything that an experiment passes on to RLlib.

    Raises:
        SpecError: RLlib, or our part of it, does not take it.
        MissingExtraError: RLlib or PyTorch is not installed.
    """
    for phase in spec.phases():
        algorithm_config(phase, seed=0)

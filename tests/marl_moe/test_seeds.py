"""Random streams of a run: what they are is part of what a seed means, and no two coincide."""

import numpy as np
import pytest

from marl_moe import seeds

SEED = 7


def word(*spawn_key: int) -> int:
    return int(np.random.SeedSequence(SEED, spawn_key=spawn_key).generate_state(1)[0])


def test_streams_are_numpys_of_their_spawn_keys() -> None:
    assert seeds.evaluation_seed(SEED, 3) == word(0xE7A1, 3)
    assert seeds.tuning_seeds(SEED)[0] == word(0x707E)
    assert seeds.runner_seeds(SEED, 2, 0)[0] == word(2)
    assert seeds.runner_seeds(SEED, 2, 800)[0] == word(2, 800)
    assert seeds.stock_world_seed(SEED, (2, 1)) == word(2, 1)


@pytest.mark.parametrize(
    ("generator", "spawn_key"),
    [
        (seeds.policy_generator("nash", SEED), (0xAC7, *b"nash")),
        (seeds.stochastic_policy_generator(SEED), (0x570C,)),
        (seeds.audit_generator(SEED), (0xA0D17,)),
        (seeds.replay_generator(SEED), (0xDA7A,)),
    ],
)
def test_generators_are_numpys_of_their_spawn_keys(
    generator: np.random.Generator, spawn_key: tuple[int, ...]
) -> None:
    expected = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=spawn_key))
    assert generator.bit_generator.state == expected.bit_generator.state


def test_no_two_streams_of_a_seed_coincide() -> None:
    words = [
        *(seeds.evaluation_seed(SEED, batch) for batch in range(4)),
        *seeds.tuning_seeds(SEED),
        *seeds.runner_seeds(SEED, 0, 0),
        *seeds.runner_seeds(SEED, 1, 0),
        *seeds.runner_seeds(SEED, 1, 40),
    ]
    assert len(set(words)) == len(words)

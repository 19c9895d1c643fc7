"""Random streams derived from the seed of a run: one function for each, independent of all others.

Every stream has a spawn key of its own (see `numpy.random.SeedSequence`), so that no two share
numbers and a change in what one draws leaves the others as they are. The worlds of training are
seeded by two keys without a constant: `runner_seeds` and `stock_world_seed`.
"""

import numpy as np

_EVALUATION = 0xE7A1
_POLICY = 0xAC7
_LEARNED_POLICY = 0x570C
_SIDES = 0x51DE
_DEVIATION = 0xDE71
_AUDIT = 0xA0D17
_PLAY = 0x91A7
_TUNING = 0x707E
_REPLAY = 0xDA7A
_SEARCH = 0x5EA2C4


def evaluation_seed(seed: int, batch: int) -> int:
    """Return the seed of a batch of evaluation worlds, apart from every training world's."""
    return _word(seed, _EVALUATION, batch)


def policy_generator(name: str, seed: int) -> np.random.Generator:
    """Return the generator of a policy that is not learned, apart from that of every other name."""
    return _generator(seed, _POLICY, *name.encode())


def stochastic_policy_generator(seed: int) -> np.random.Generator:
    """Return the generator with which a learned policy draws its actions in evaluation."""
    return _generator(seed, _LEARNED_POLICY)


def sides_generator(seed: int) -> np.random.Generator:
    """Return the generator with which edge devices that hedge draw in evaluation."""
    return _generator(seed, _SIDES)


def deviation_seed(seed: int, role: int) -> int:
    """Return the seed of a training in which one agent of a role alone learns."""
    return _word(seed, _DEVIATION, role)


def audit_generator(seed: int) -> np.random.Generator:
    """Return the generator of the misreports that an audit tries."""
    return _generator(seed, _AUDIT)


def play_generator(seed: int) -> np.random.Generator:
    """Return the generator with which edge devices learn what to report."""
    return _generator(seed, _PLAY)


def play_seed(seed: int) -> int:
    """Return the seed of the worlds from whose markets strategic edge devices of a run learn."""
    return _word(seed, _PLAY, 1)


def tuning_seeds(seed: int) -> tuple[int, int]:
    """Return the seeds of tuning: of its worlds, and of the policies played in them."""
    worlds, policies = np.random.SeedSequence(seed, spawn_key=(_TUNING,)).generate_state(2)
    return int(worlds), int(policies)


def search_generator(seed: int) -> np.random.Generator:
    """Return the generator that draws the settings of a search."""
    return _generator(seed, _SEARCH)


def replay_generator(seed: int | None) -> np.random.Generator:
    """Return the generator that draws batches from a replay; None seeds it from the system."""
    return _generator(seed, _REPLAY)


def runner_seeds(seed: int | None, runner: int, collected: int) -> tuple[int, int]:
    """Return the seeds of an env runner of our SAC: of its worlds, and of its exploration.

    Args:
        seed: seed of the training; None takes the system's randomness.
        runner: index of the env runner.
        collected: slots that the training had collected when the runner began; 0 at its start.
    """
    spawn_key = (runner, collected) if collected else (runner,)
    worlds, exploration = np.random.SeedSequence(seed, spawn_key=spawn_key).generate_state(2)
    return int(worlds), int(exploration)


def stock_world_seed(seed: int, spawn_key: tuple[int, ...]) -> int:
    """Return the seed of one world of RLlib's stock algorithms, by its runner and number."""
    return _word(seed, *spawn_key)


def _word(seed: int, *spawn_key: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=spawn_key).generate_state(1)[0])


def _generator(seed: int | None, *spawn_key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key))

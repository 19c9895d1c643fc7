"""The streams of randomness of a world, each with a generator of its own."""

import numpy as np

# A new stream comes last: those before it draw what they drew.
STREAMS = (
    "pool",
    "channel",
    "requests",
    "availability",
    "lottery",
    "judge",
    "candidates",
    "users",
    "devices",
    "serving",
)


def generators(seed: int | None, pool_seed: int | None) -> dict[str, np.random.Generator]:
    """Return the generator of each stream.

    Args:
        seed: seed of all streams; None draws one from the operating system.
        pool_seed: seed of the streams `pool`, `devices` and `serving`, where these are to be the
            same under every seed.
    """
    children = np.random.SeedSequence(seed).spawn(len(STREAMS))
    streams = dict(zip(STREAMS, map(np.random.default_rng, children), strict=True))
    if pool_seed is not None:
        streams["pool"] = np.random.default_rng(pool_seed)
        streams["devices"] = np.random.default_rng((pool_seed, 1))
        streams["serving"] = np.random.default_rng((pool_seed, 2))
    return streams

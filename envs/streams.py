"""The streams of randomness of a world, each with a generator of its own."""

import numpy as np

# Keys of experts that are drawn by streams of their own.
OF_EXPERTS = ("serving_share", "shared_knowledge", "battery_j", "recharge_w", "joules_per_word")
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
    *OF_EXPERTS,
    "strangers",
)


def generators(seed: int | None, pool_seed: int | None) -> dict[str, np.random.Generator]:
    """Return the generator of each stream.

    Args:
        seed: seed of all streams; None draws one from the operating system.
        pool_seed: seed of the streams of experts, where these are to be the same under every seed:
            `pool`, `devices` and `OF_EXPERTS`.
    """
    children = np.random.SeedSequence(seed).spawn(len(STREAMS))
    streams = dict(zip(STREAMS, map(np.random.default_rng, children), strict=True))
    if pool_seed is not None:
        streams["pool"] = np.random.default_rng(pool_seed)
        for number, name in enumerate(("devices", *OF_EXPERTS), 1):
            streams[name] = np.random.default_rng((pool_seed, number))
    return streams

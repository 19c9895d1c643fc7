"""The paper's channel: the SNR is drawn anew each slot."""

from dataclasses import dataclass

import numpy as np

from envs.arrays import Arrays
from envs.channel.clipped import ClippedProcess
from envs.channel.draws import uniform
from envs.channel.process import Shape
from envs.channel.registry import register


@register("iid")
@dataclass(frozen=True)
class Iid(ClippedProcess):
    """SNR uniform over the range, dB, independent from slot to slot and pair to pair."""

    def small_scale(self, shape: Shape, state: Arrays, rng: np.random.Generator) -> Arrays:
        """Draw a slot."""
        return {"latent_db": uniform(self.snr_db, rng, shape)}

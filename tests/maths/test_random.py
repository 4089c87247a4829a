"""Random streams: addressed, independent, inside the open interval; decks epoch_rows every card."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cfm.rng import open_uniform, stream
from cfm.training.batches import epoch_rows


def test_a_stream_is_its_address() -> None:
    one = stream(42, "path", 7).standard_normal(8)
    np.testing.assert_array_equal(stream(42, "path", 7).standard_normal(8), one)
    for other in (stream(43, "path", 7), stream(42, "source", 7), stream(42, "path", 8)):
        assert not np.isin(other.standard_normal(8), one).any()


def test_streams_of_neighbouring_steps_are_uncorrelated() -> None:
    rows = np.stack([stream(42, "path", step).standard_normal(4000) for step in range(6)])
    correlation = np.corrcoef(rows) - np.eye(6)
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)


def test_open_uniform_is_uniform_and_open() -> None:
    draws = open_uniform(stream(0, "t"), 10**6)
    assert draws.dtype == np.float32
    assert draws.min() > 0 and draws.max() < 1
    quantiles = np.quantile(draws, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(quantiles, [0.1, 0.5, 0.9], atol=0.003)


def test_the_extreme_values_of_open_uniform_stay_inside() -> None:
    class Extreme(np.random.Generator):
        def integers(self, high: int, size: int) -> np.ndarray:  # type: ignore[override]
            return np.array([0, high - 1])

    low, high = open_uniform(Extreme(np.random.PCG64()), 2)
    assert 0 < low < high < 1


@given(n=st.integers(1, 50), count=st.integers(1, 70), seed=st.integers(0, 5))
def test_a_deck_deals_every_card_once_per_pass(n: int, count: int, seed: int) -> None:
    """Consecutive batches concatenated are permutation after permutation of all points."""
    dealt = np.concatenate([epoch_rows(n, seed, "test", step, count) for step in range(3 * n // count + 2)])
    for start in range(0, len(dealt) - n + 1, n):
        assert sorted(dealt[start : start + n]) == list(range(n))

import numpy as np
import pytest

from fastrnn.sampling import Sampler

LOGITS = np.log(np.array([0.1, 0.4, 0.05, 0.3, 0.15]))


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        (Sampler(), [0.1, 0.4, 0.05, 0.3, 0.15]),
        (Sampler(0.5), np.square([0.1, 0.4, 0.05, 0.3, 0.15]) / 0.285),
        (Sampler(0), [0, 1, 0, 0, 0]),
        (Sampler(1e-310), [0, 1, 0, 0, 0]),
        (Sampler(top_k=2), [0, 4 / 7, 0, 3 / 7, 0]),
        (Sampler(top_k=9), [0.1, 0.4, 0.05, 0.3, 0.15]),
        (Sampler(top_p=0.39), [0, 1, 0, 0, 0]),
        (Sampler(top_p=0.69), [0, 4 / 7, 0, 3 / 7, 0]),
        (Sampler(top_p=0.71), [0, 8 / 17, 0, 6 / 17, 3 / 17]),
        (Sampler(top_p=1.0), [0.1, 0.4, 0.05, 0.3, 0.15]),
        (Sampler(top_k=3, top_p=0.5), [0, 4 / 7, 0, 3 / 7, 0]),
        (Sampler(0, top_k=3, top_p=0.5), [0, 1, 0, 0, 0]),
    ],
)
def test_probabilities(sampler, expected):
    np.testing.assert_allclose(sampler.probabilities(LOGITS), expected, rtol=1e-12)
    np.testing.assert_allclose(sampler.probabilities(LOGITS.astype("f4") + 300), expected, rtol=1e-4)


def test_of_equal_logits_the_first_is_the_likeliest():
    assert Sampler(0).probabilities(np.zeros(3)).tolist() == [1, 0, 0]
    assert Sampler(top_k=1).probabilities(np.zeros(3)).tolist() == [1, 0, 0]


def test_draws_follow_the_probabilities():
    rng, sampler = np.random.default_rng(0), Sampler(top_k=4)
    drawn = np.bincount([sampler(LOGITS, rng) for _ in range(4000)], minlength=5) / 4000
    expected = sampler.probabilities(LOGITS)
    assert drawn[2] == 0
    assert np.abs(drawn - expected).max() < 4 * np.sqrt(0.25 / 4000)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": -0.1}, "temperature is -0.1"),
        ({"temperature": np.inf}, "temperature is inf"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"top_p": 1.1}, "top_p is 1.1"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Sampler(**arguments)

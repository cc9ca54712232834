"""The random generators of a training run: four independent ones, so that drawing from one does not change another."""

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class Generators(NamedTuple):
    """Independent generators for initial weights, the validation split, the order of examples, and dropout."""

    weights: np.random.Generator
    split: np.random.Generator
    order: np.random.Generator
    dropout: np.random.Generator


def generators(seed: int | None) -> Generators:
    """Return new generators for a seed; None takes a random seed from the operating system."""
    return Generators(*map(np.random.default_rng, np.random.SeedSequence(seed).spawn(4)))


def generator(state: Mapping[str, Any]) -> np.random.Generator:
    """Return a generator that continues from the saved state of another."""
    rng = np.random.default_rng()
    rng.bit_generator.state = state
    return rng


def fresh_seed() -> int:
    """Return a random seed of 64 bits."""
    return secrets.randbits(64)

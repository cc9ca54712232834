"""Models: layers in a row, an encoder with a decoder, and a model that runs step by step."""

from fastrnn.models.encoder_decoder import EncoderDecoder
from fastrnn.models.sequential import Sequential
from fastrnn.models.stream import Stream

__all__ = ["EncoderDecoder", "Sequential", "Stream"]

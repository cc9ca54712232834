"""The module `fastrnn.models.encoder_decoder`, by its name in version 0.1.0."""

from fastrnn.models.encoder_decoder import EncoderDecoder, load_encoder_decoder

__all__ = ["EncoderDecoder", "load_encoder_decoder"]

"""Read files, or samples that come with the package, as arrays and texts."""

from fastrnn.data.arithmetic import Arithmetic, arithmetic_questions, count_carries, count_questions
from fastrnn.data.array_files import read_by_blocks
from fastrnn.data.characters import streams_of, windows_of
from fastrnn.data.errors import DataError
from fastrnn.data.image_scaler import ImageScaler
from fastrnn.data.images import as_images, load_images
from fastrnn.data.ngram_files import NGrams, load_ngrams
from fastrnn.data.ngrams import ngrams_of, vocabulary_of
from fastrnn.data.patches import random_patches, sample_patches
from fastrnn.data.python_manual import manual, topics
from fastrnn.data.sentences import load_text, sentences_of, split_sentences
from fastrnn.data.sequences import Dataset, digits, load_inputs, load_sequences
from fastrnn.data.series import SeriesSet, load_series, sample_series
from fastrnn.data.text_files import read_text

__all__ = [
    "Arithmetic",
    "DataError",
    "Dataset",
    "ImageScaler",
    "NGrams",
    "SeriesSet",
    "arithmetic_questions",
    "as_images",
    "count_carries",
    "count_questions",
    "digits",
    "load_images",
    "load_inputs",
    "load_ngrams",
    "load_sequences",
    "load_series",
    "load_text",
    "manual",
    "ngrams_of",
    "random_patches",
    "read_by_blocks",
    "read_text",
    "sample_patches",
    "sample_series",
    "sentences_of",
    "split_sentences",
    "streams_of",
    "topics",
    "vocabulary_of",
    "windows_of",
]

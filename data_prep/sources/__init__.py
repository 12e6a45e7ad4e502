"""Raw files, whatever their format, encoding and layout, as frames of rows."""

from data_prep.sources.files import Part, parts
from data_prep.sources.gathering import Broken, Chunk
from data_prep.sources.reading import read

__all__ = ["Broken", "Chunk", "Part", "parts", "read"]

"""The build: from a spec to mixes on disk."""

from data_prep.building.order import Order
from data_prep.building.pipeline import Built, build
from data_prep.building.summary import report

__all__ = ["Built", "Order", "build", "report"]

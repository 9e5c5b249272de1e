"""Surveillance detectors: they watch the records of a tape, live or recorded, and raise alerts."""

from lobenv.detect.alerts import ALERT, EVIDENCE, FEATURES, NO_AGENT
from lobenv.detect.base import PUBLIC, VENUE, DetectorConfig, DetectorKind, Feed
from lobenv.detect.detector import Detector, scan
from lobenv.detect.detectors import available, number_of
from lobenv.detect.liquidity_shock import LiquidityShock
from lobenv.detect.quote_stuffing import QuoteStuffing
from lobenv.detect.words import in_words

__all__ = [
    "ALERT",
    "EVIDENCE",
    "FEATURES",
    "NO_AGENT",
    "PUBLIC",
    "VENUE",
    "Detector",
    "DetectorConfig",
    "DetectorKind",
    "Feed",
    "LiquidityShock",
    "QuoteStuffing",
    "available",
    "in_words",
    "number_of",
    "scan",
]

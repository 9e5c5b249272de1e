"""What a detector of CONTRIBUTING.md says of a tape in a process, as JSON: by its entry point, or by its call."""

from __future__ import annotations

import json
import sys

import numpy as np

from lobenv.detect import Detector, available, number_of, scan
from lobenv.tape import EXECUTE, RECORD, Tape

LARGE = 40  # which of the executions is large


def tape() -> Tape:
    """Executions of a hundred shares, and one of five thousand."""
    records = np.zeros(60, RECORD)
    records["time"] = records["order_id"] = np.arange(60)
    records["kind"], records["side"], records["qty"] = EXECUTE, -1, 100
    records["qty"][LARGE] = 5_000
    return Tape(records, 0.01, 0, "X", "sim")


def told() -> dict[str, object]:
    """The alerts, and how the detector is known."""
    alerts = scan(tape(), "large_trades")
    live = Detector("large_trades")
    pieces = [live.run(piece) for piece in np.split(tape().records, range(7, 60, 7))]
    return {
        "names": list(available()),
        "number": number_of("large_trades"),
        "times": alerts["time"].tolist(),
        "sides": alerts["side"].tolist(),
        "scores": alerts["score"].tolist(),
        "orders": alerts["orders"].tolist(),
        "live": np.concatenate(pieces).tobytes() == alerts.tobytes(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(told()))

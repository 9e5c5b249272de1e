"""Detectors that watch a market while it runs say what they say of its tape, and of the tape as a recorded day."""

from __future__ import annotations

import numpy as np
import pytest

from lobenv.detect import Detector, scan
from lobenv.engine.batch import Batch
from lobenv.scenario import load
from lobenv.tape import ADD, Tape, read_lobster, write_lobster

STEPS = 150
LOOSE = {"threshold": 0.5, "updates": 2, "persistence_s": 0.05, "spread_ratio": 1.0}


@pytest.fixture(scope="module")
def live():
    """The tape of a simulated market, and the alerts that came while it ran."""
    batch = Batch(load("calm", {"session": {"warm_up_s": 1, "duration_s": STEPS}}), 1, tape=True)
    detectors = Detector("liquidity_shock", **LOOSE), Detector("quote_stuffing", deviations=1.0, warm_up_s=5.0)
    batch.reset(np.zeros(1, np.int64), np.array([7], np.uint64))
    chunks, alerts = [], []
    for step in range(STEPS):
        batch.run((step + 1) * 1_000_000_000)
        chunks.append(batch.new_records())
        alerts += [detector.run(chunks[-1]) for detector in detectors]
    tape = Tape(np.concatenate(chunks), batch.scenario.tick_size, 34_200_000_000_000, "SIM", "sim", "2012-06-21")
    assert sum(map(len, chunks)) == len(batch.tape())
    return tape, np.concatenate(alerts), detectors


@pytest.mark.slow
def test_alerts_of_a_running_market_are_those_of_its_whole_tape(live):
    tape, alerts, detectors = live
    assert len(alerts) > 0
    whole = scan(tape, *(detector.config for detector in detectors))
    ordered = alerts[np.lexsort((alerts["detector"], alerts["time"]))]
    assert ordered.tobytes() == whole.tobytes()


@pytest.mark.slow
def test_a_simulated_market_that_was_written_as_a_lobster_day_gives_the_same_public_alerts(live, tmp_path):
    tape, alerts, detectors = live
    paths = [tmp_path / f"SIM_2012-06-21_34200000_57600000_{content}_1.csv" for content in ("message", "orderbook")]
    assert tape.records["kind"][0] == ADD
    write_lobster(tape, *paths, levels=1)
    recorded = read_lobster(*paths).rescale(tape.tick_size).tape.records
    public = alerts[alerts["detector"] == 1]
    assert len(public) > 0
    assert Detector(detectors[0].config).run(recorded).tobytes() == public.tobytes()


@pytest.mark.slow
def test_ordinary_traders_raise_no_alert_of_stuffing(live):
    assert len(scan(live[0], "quote_stuffing")) == 0

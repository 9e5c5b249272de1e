"""What detectors should say, found slowly from the whole past of a book at every record."""

from __future__ import annotations

import math
from statistics import median

from lobenv.detect import LiquidityShock, QuoteStuffing
from lobenv.settings import SECOND
from lobenv.tape.reasons import REASON_NONE, REASON_ON_REQUEST, REASON_REPLACED
from lobenv.tape.schema import ADD, DELETE, EXECUTE, NO_ASK, NO_BID, REDUCE, UNKNOWN_AGENT


def liquidity_shocks(records, config: LiquidityShock) -> list[tuple[int, int, float]]:
    """Time, side and score of the alerts about one book without halts and without hidden executions."""
    found, missing, armed = [], {1: [], -1: []}, {1: False, -1: False}
    for k, record in enumerate(records):
        past = _last_seconds(records[:k], int(record["time"]))
        if past is None:
            continue
        depth = {1: int(record["bid_qty"]), -1: int(record["ask_qty"])}
        drop = {side: _drop(depth[side], median(past[side])) for side in (1, -1)}
        ratio = _ratio(record, median(past[0]))
        for side in (1, -1):
            armed[side] |= drop[side] <= 1.0 - config.recovered
            missing[side] = [*missing[side], int(record["time"])] if drop[side] > config.threshold else []
        due = [side for side in (1, -1) if armed[side] and _lasts(missing[side], config)]
        if missing[1] and missing[-1]:
            if due and ratio >= 1.0:
                found.append((int(record["time"]), 0, max(drop.values())))
                armed = {1: False, -1: False}
        elif due and ratio > config.spread_ratio:
            found.append((int(record["time"]), due[0], drop[due[0]]))
            armed[due[0]] = False
    return found


def _last_seconds(before, time: int):
    """Depths and spreads that stood at the ends of the 60 seconds before that of `time`; None where they are fewer."""
    if not len(before) or time // SECOND - int(before[0]["time"]) // SECOND < 60:
        return None
    ends = [(time // SECOND - k) * SECOND for k in range(60)]
    rows = [before[before["time"] < end] for end in ends]
    spreads = [_spreads(row) for row in rows]
    return {
        1: [int(row[-1]["bid_qty"]) for row in rows],
        -1: [int(row[-1]["ask_qty"]) for row in rows],
        0: [row[-1] if row else 0 for row in spreads],
    }


def _spreads(rows) -> list[int]:
    both = rows[(rows["best_bid"] != NO_BID) & (rows["best_ask"] != NO_ASK)]
    return (both["best_ask"].astype(int) - both["best_bid"]).tolist()


def _drop(depth: int, reference: float) -> float:
    return 1.0 - depth / reference if reference > 0 else 0.0


def _ratio(record, reference: float) -> float:
    if record["best_bid"] == NO_BID or record["best_ask"] == NO_ASK:
        return math.inf
    return (int(record["best_ask"]) - int(record["best_bid"])) / reference if reference > 0 else 1.0


def _lasts(times: list[int], config: LiquidityShock) -> bool:
    return bool(times) and (
        len(times) >= config.updates or times[-1] - times[0] >= round(config.persistence_s * SECOND)
    )


def quote_stuffers(records, config: QuoteStuffing) -> list[tuple[int, int]]:
    """Time and agent of the alerts about one book."""
    found: list[tuple[int, int]] = []
    known: dict[int, int] = {}
    for k, record in enumerate(records):
        owner, time = int(record["owner"]), int(record["time"])
        if not _is_message(record) or owner == UNKNOWN_AGENT:
            continue
        mean, deviation, seconds = _book(records[:k], time // SECOND, config)
        seen = records[: k + 1]
        own = seen[seen["owner"] == owner]
        sent = own[[_is_message(row) for row in own]]
        added = _recent(sent[sent["kind"] == ADD], time, config)
        cancelled = _recent(sent[sent["kind"] == DELETE], time, config)
        executed = seen[seen["kind"] == EXECUTE]
        traded = sum(_recent(executed[executed[who] == owner], time, config) for who in ("owner", "aggressor"))
        rate = _recent(sent, time, config) / config.window_s
        if seconds < config.warm_up_s or rate <= mean + config.deviations * deviation or not added:
            continue
        if cancelled < config.cancelled_share * added or traded > config.traded_share * added:
            continue
        if time >= known.get(owner, time):
            found.append((time, owner))
        known[owner] = time + round(config.quiet_s * SECOND)
    return found


def _is_message(record) -> bool:
    asked_for = record["reason"] in (REASON_NONE, REASON_ON_REQUEST, REASON_REPLACED)
    return record["kind"] == ADD or (record["kind"] in (REDUCE, DELETE) and bool(asked_for))


def _recent(rows, time: int, config: QuoteStuffing) -> float:
    """How many there are, older ones for less."""
    return sum(math.exp((int(row["time"]) - time) / (config.window_s * SECOND)) for row in rows)


def _book(before, second: int, config: QuoteStuffing) -> tuple[float, float, int]:
    """Mean and deviation of the book's messages in the seconds that are over, and how many these are."""
    if not len(before):
        return 0.0, 1.0, 0
    counts: list[float] = []
    mean, deviation = 0.0, 1.0
    for k in range(int(before[0]["time"]) // SECOND, second):
        count = sum(_is_message(row) for row in before[before["time"] // SECOND == k])
        most = mean + config.deviations * deviation if len(counts) >= config.warm_up_s else math.inf
        counts.append(min(count, most))
        weights = [(1.0 - 1.0 / config.memory_s) ** age for age in range(len(counts) - 1, -1, -1)]
        mean = sum(map(float.__mul__, map(float, counts), weights)) / sum(weights)
        square = sum(weight * count**2 for weight, count in zip(weights, counts, strict=True)) / sum(weights)
        deviation = math.sqrt(max(square - mean**2, mean, 1.0))
    return mean, deviation, len(counts)

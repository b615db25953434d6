"""Carrying out one action so that it takes effect at most once, and saying what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from common.errors import Refused
from common.failpoints import failpoint

from executor.core.effects import Doubt, Effect, Refusal, Took
from executor.ports import InDoubt, NoEffect, Order, Targets, Unreachable

TRIES = 3
PAUSES_S = (0.5, 2.0)


async def carried_out(
    targets: Targets,
    order: Order,
    tried_before: bool,
    refusal: Refused | None = None,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> tuple[Effect, bool]:
    """Try, at most `TRIES` times, and ask the target before every try that might be the second one.

    Returns what became of it, and whether an attempt may have got through unseen. A target that can be asked and
    has no receipt has had no effect: then it may be tried; the receipt's unique key guards that try too. With a
    `refusal` (what was approved no longer holds) the target is only asked.
    """
    effect: Effect = Doubt("it was not tried")
    doubtful = tried_before
    for attempt in range(TRIES):
        if attempt:
            await pause(PAUSES_S[attempt - 1])
        if doubtful:
            asked = await _asked(targets, order)
            if isinstance(asked, Took):
                return asked, doubtful
            if isinstance(asked, Doubt):
                effect = asked
                continue
        if refusal is not None:
            return Refusal(refusal.reason_code, refusal.message), doubtful
        try:
            receipt = await targets.act(order)
        except NoEffect as error:
            effect = Refusal(error.reason_code, error.message)
            if not effect.never_answered:
                break
        except InDoubt as error:
            effect, doubtful = Doubt(error.message), True
        else:
            failpoint("executor.after_action")
            return Took(receipt), doubtful
    if isinstance(effect, Doubt) and doubtful:
        asked = await _asked(targets, order)
        effect = asked or effect
    return effect, doubtful


async def _asked(targets: Targets, order: Order) -> Took | Doubt | None:
    try:
        receipt = await targets.receipt(order.intent)
    except (Unreachable, NoEffect) as error:
        return Doubt(f"the target could not be asked for the receipt: {error.message}")
    return None if receipt is None else Took(receipt)

"""What an external agent asks for between two advances: to send a message, or to look at what its feed has brought."""

from __future__ import annotations

from lobenv.compiled import kernel
from lobenv.market import feed, order_entry
from lobenv.market.tables import CANCEL, CANCEL_ALL, REDUCE, REPLACE, World

# What is asked for; 0 to 3 are the requests of `tables`
NEW, LOOK = 4, 5


@kernel
def carry_out(world: World, control):
    """Put one message of an agent on its link, or look at what its feed has brought.

    Args:
        world: The market, changed in place.
        control: CONTROL record, whose fields from `request` on say what is asked for; `answer` is written: the id of a
            new order, the place in the feed's ring of the view, or 0.
    """
    request, agent, book = control["request"], control["agent"], control["book"]
    order_id, side, price, qty = control["order_id"], control["side"], control["price"], control["qty"]
    control["answer"] = 0
    if request == NEW:
        kind, tif, flags, peak = control["kind"], control["tif"], control["flags"], control["peak"]
        control["answer"] = order_entry.send_order(world, agent, book, side, price, qty, kind, tif, flags, peak)
    elif request == LOOK:
        control["answer"] = feed.look(world, agent, book)
    elif request == CANCEL:
        order_entry.send_cancel(world, agent, book, order_id)
    elif request == CANCEL_ALL:
        order_entry.send_cancel_all(world, agent, book)
    elif request == REDUCE:
        order_entry.send_reduce(world, agent, book, order_id, qty)
    elif request == REPLACE:
        order_entry.send_replace(world, agent, book, order_id, price, qty)

"""How a market-making environment shows itself: as text, and as a picture."""

from __future__ import annotations

from lobenv.envs.render.painter import Painter, render_rgb
from lobenv.envs.render.text import render_ansi

__all__ = ["Painter", "render_ansi", "render_rgb"]

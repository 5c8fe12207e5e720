"""Formulas as drawings within the page, by Matplotlib: they need no script from another server, and no font."""

import html
import io

import matplotlib as mpl
from docutils import nodes
from matplotlib import font_manager, mathtext

_POINTS = 12.5
_INK = "#010203"  # stands for the colour of the text around it


def inline(self, node: nodes.math) -> None:
    """Writes a formula within a line; raises SkipNode, as Sphinx wants it."""
    self.body.append(_drawn(node.astext()))
    raise nodes.SkipNode


def block(self, node: nodes.math_block) -> None:
    """Writes a formula of its own, which scrolls where it is too wide; raises SkipNode."""
    self.body.append(f'<div class="formula">{_drawn(node.astext())}</div>')
    raise nodes.SkipNode


def _drawn(tex: str) -> str:
    file, tex = io.StringIO(), " ".join(tex.split())
    with mpl.rc_context({"mathtext.fontset": "cm", "svg.hashsalt": "gan_ssl"}):
        prop = font_manager.FontProperties(size=_POINTS)
        depth = mathtext.math_to_image(f"${tex}$", file, prop=prop, dpi=72, format="svg", color=_INK)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    label = f'role="img" aria-label="{html.escape(tex)}" style="vertical-align: -{depth:.1f}pt"'
    return svg.replace("<svg", f"<svg {label}", 1).strip()

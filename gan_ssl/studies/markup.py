"""HTML and SVG by function calls: text is escaped, elements are closed."""

import html


class Markup(str):
    """Text that is HTML already."""


def element(name: str, /, *children: str | None, **attributes: str | float | None) -> Markup:
    """Returns an element.

    Args:
        name: of the element.
        children: elements, or text, which is escaped; None is left out.
        attributes: an underscore stands for a hyphen and one at the end for nothing (`class_`); None is left out.
    """
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in ("meta", "img", "br"):
        return Markup(f"<{name}{shown}>")
    return Markup(f"<{name}{shown}>{join(*children)}</{name}>")


def join(*children: str | None) -> Markup:
    """Returns elements and text one after the other."""
    return Markup("".join(c if isinstance(c, Markup) else html.escape(c, quote=False) for c in children if c))


def _text(value: str | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)

"""Equations written as LaTeX between dollars become MathML when a page is built; browsers set it
without a script.
"""

import html
import re
from typing import Any

from latex2mathml.converter import convert

# What pymdownx.arithmatex leaves: \( ... \) in a span, \[ ... \] in a div.
_EQUATION = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)


def on_page_content(content: str, **_: Any) -> str:
    """Replace each equation of a page.

    Raises an error that names the equation which cannot be read.
    """
    return _EQUATION.sub(_mathml, content)


def _mathml(found: re.Match[str]) -> str:
    tag, latex = found["tag"], html.unescape(found["latex"]).strip()
    # latex2mathml has align*, which inside of an equation only GitHub, where pages are read too,
    # calls aligned
    try:
        mathml = convert(
            latex.replace("{aligned}", "{align*}"), display="block" if tag == "div" else "inline"
        )
    except Exception as error:
        error.add_note(f"in the equation {latex!r}")
        raise
    if unknown := re.search(r">(\\[A-Za-z]+)<", mathml):
        raise ValueError(f"latex2mathml does not know {unknown[1]} in the equation {latex!r}")
    mathml = mathml.replace(
        "<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>"
    )  # "is drawn from" is a relation
    return f'<{tag} class="arithmatex">{mathml}</{tag}>'

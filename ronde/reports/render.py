"""From a page to the three things a mail needs: subject, text and HTML, all saying the same."""

import textwrap
from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from mjml import mjml2html

from ronde.reports.clean import clean, shorten
from ronde.reports.page import NightPage

MOST_SUBJECT: Final = 78  # RFC 5322 §2.1.1: lines should not exceed 78 characters
_WIDTH: Final = 76
_COLOURS: Final = {"ok": "#17693a", "warning": "#7a4f00", "failed": "#a3160f", "unknown": "#58379b"}  # 4.5:1 on white


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message in one language, before it has an address."""

    subject: str
    text: str
    html: str


def render_night(page: NightPage) -> Rendered:
    """The page as a mail; text and HTML hold the same words in the same order."""
    return Rendered(subject_line(page), _text(page), _html(page))


def subject_line(page: NightPage) -> str:
    """Shape, client, verdict and night in at most 78 characters: the night goes first, then the name shrinks."""
    name, short, night = (clean(part, 200) for part in page.subject_parts)
    colon = "\u00a0: " if page.language == "fr" else ": "
    head = f"{page.shape} "
    full = f"{head}{name}{colon}{short} — {night}"
    if len(full) <= MOST_SUBJECT:
        return full
    room = MOST_SUBJECT - len(head) - len(colon) - len(short)
    return f"{head}{shorten(name, max(room, 1))}{colon}{short}"


def _fold(text: str, indent: int = 0) -> str:
    """Lines of at most 76 characters, the following ones indented; a name is never cut in two."""
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    ).strip()


_TEMPLATES: Final = Environment(
    loader=PackageLoader("ronde.reports"),
    undefined=StrictUndefined,
    autoescape=select_autoescape(enabled_extensions=("mjml.j2",), default=False),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["fold"] = _fold


def _text(page: NightPage) -> str:
    return _TEMPLATES.get_template("night.txt.j2").render(page=page)


def _html(page: NightPage) -> str:
    mjml = _TEMPLATES.get_template("night.mjml.j2").render(page=page, colours=_COLOURS)
    return str(mjml2html(mjml, disable_comments=False))

"""The waterfall of a payment's page: how long each process and provider took, drawn on the server. Pure."""

from datetime import timedelta
from typing import Final

from markupsafe import Markup

from admin.formatting import decimal, duration
from admin.language import N_, gettext
from billing.waterfall import Bar

#: Units of the drawing, which is as wide as its place.
WIDTH: Final = 1_000
HEIGHT: Final = 10
#: A bar is never narrower: it would not be seen.
THIN: Final = 4
_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_PROVIDER: Final = "provider_calls"
_PROCESSES: Final = {_PROVIDER: N_("provider"), "payments": N_("billing")}


def drawing(bar: Bar) -> Markup:
    """The bar as SVG, without script or style of its own: the page gives ``.bar`` its colours."""
    width = max(THIN, round(bar.length * WIDTH))
    x = min(round(bar.start * WIDTH), WIDTH - width)
    look = "bar call" if bar.span.process == _PROVIDER else "bar"
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="whole" width="{}" height="{}"/><rect x="{}" width="{}" height="{}"/></svg>'
    ).format(look, WIDTH, HEIGHT, WIDTH, HEIGHT, x, width, HEIGHT)


def process(bar: Bar) -> str:
    """Who did it, in a word."""
    return _PROCESSES.get(bar.span.process, bar.span.process)


def took(milliseconds: float) -> str:
    """``3.0 ms``, ``1.25 s``, ``2 min 5 s``, ``2 d 4 h``."""
    if milliseconds < _SECOND_MS:
        return gettext("%(number)s ms", number=decimal(milliseconds, 1))
    if milliseconds < _MINUTE_MS:
        return gettext("%(number)s s", number=decimal(milliseconds / _SECOND_MS, 2))
    return duration(milliseconds / _SECOND_MS)


def pause(between: timedelta) -> str:
    """The time between two episodes."""
    return took(between / timedelta(milliseconds=1))

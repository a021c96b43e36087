"""Charts of reports as files: Vega-Lite drawn by vl-convert, without a display, a browser or the network."""

from typing import Any, Final

from analytics.chart import SIZES, chart
from analytics.colours import DARK, LIGHT
from analytics.report import Report, Result

#: The Vega-Lite that draws: a newer one changes every picture.
VEGA_LITE: Final = "6.4"
#: Pixels of a PNG for each pixel of the chart.
PNG_SCALE: Final = 1.5


def png(report: Report, result: Result) -> bytes:
    """The chart defined in the report's header, with the question as its title, a panel per currency; without rows, it
    contains a note."""
    import vl_convert

    drawn = chart(report, result, SIZES["file"], LIGHT, title=report.question)
    return bytes(vl_convert.vegalite_to_png(drawn, scale=PNG_SCALE, **_OFFLINE))


def svg(report: Report, result: Result, *, size: str, dark: bool) -> bytes:
    """The chart for a page: no title, since the page shows the question, and a transparent background."""
    import vl_convert

    drawn = chart(report, result, SIZES[size], DARK if dark else LIGHT, title=None)
    return str(vl_convert.vegalite_to_svg(drawn, **_OFFLINE)).encode()


_OFFLINE: Final[dict[str, Any]] = {"vl_version": VEGA_LITE, "allowed_base_urls": []}

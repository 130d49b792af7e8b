"""The Plotly figures: dots with intervals in rows, and along a curve."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from preflight.reporting.formatting import money, percent
from preflight.reporting.panels import Curve, Panel, Point, Scale, beside
from preflight.reporting.style import BLUE, LINE, styled

COLUMNS = 4  # of small multiples side by side


def dots(title: str, panels: list[Panel], beside: Iterable[str] = ()) -> Any:
    """Return rows of dots with intervals, side by side if there are several panels.

    beside: what is written at the end of each row's interval.
    """
    from plotly.subplots import make_subplots

    across, down = min(len(panels), COLUMNS), -(-len(panels) // COLUMNS)
    tallest = max(len(panel.rows) for panel in panels)
    figure = make_subplots(
        rows=down,
        cols=across,
        subplot_titles=[escape(panel.title) for panel in panels],
        horizontal_spacing=0.3 / across,
        vertical_spacing=0.25 / down,
    )
    for number, panel in enumerate(panels):
        place = {"row": number // across + 1, "col": number % across + 1}
        for colour in dict.fromkeys(row.colour for row in panel.rows):
            figure.add_trace(_trace(panel, colour), **place)
        for slot, row in enumerate(panel.rows):
            if row.start is not None:
                ends = {"x0": row.start, "x1": row.mean, "y0": slot - 0.3, "y1": slot + 0.3}
                look = {"fillcolor": row.colour, "opacity": 0.35, "line_width": 0}
                figure.add_shape(type="rect", **ends, **look, layer="below", **place)
        line = {"color": LINE, "width": 1}
        figure.add_vline(x=panel.reference, line=line, layer="below", **place)
        for slot, (row, text) in enumerate(zip(panel.rows, beside, strict=False)):
            end = row.mean if row.high is None else row.high
            look = {"xanchor": "left", "xshift": 8, "showarrow": False}
            figure.add_annotation(x=end or 0, y=slot, text=escape(text), **look, **place)
        margin = 0.03 * (panel.scale.high - panel.scale.low)
        right = 15 if beside else 1  # room for what is written there
        limits = [panel.scale.low - margin, panel.scale.high + right * margin]
        ticks = {**_ticks(panel.scale), "range": limits}
        figure.update_xaxes(title_text=escape(panel.axis), **ticks, **place)
        # all panels have as many slots, so that rows are as high in each
        slots = {"tickvals": [*range(len(panel.rows))], "range": [tallest - 0.4, -0.6]}
        figure.update_yaxes(ticktext=[escape(row.label) for row in panel.rows], **slots, **place)
    return styled(figure, title, height=140 + down * 26 * tallest)


def _ticks(scale: Scale) -> dict[str, Any]:
    return {"tickvals": scale.ticks, "ticktext": [scale.text(tick) for tick in scale.ticks]}


def _trace(panel: Panel, colour: str) -> Any:
    """Return the rows of one colour, each in its own slot."""
    import plotly.graph_objects as go

    here = [(slot, row) for slot, row in enumerate(panel.rows) if row.colour == colour]
    symbols = ["circle-open" if row.hollow else "circle" for _, row in here]
    return go.Scatter(
        x=[row.mean for _, row in here],
        y=[slot for slot, _ in here],
        error_x=_bars(((row.mean, row.low, row.high) for _, row in here), colour),
        mode="markers",
        marker={"color": colour, "symbol": symbols, "size": 9},
        customdata=[
            [escape(text) for text in (row.label, beside(row, panel), row.note)] for _, row in here
        ],
        hovertemplate="%{customdata[0]}: %{customdata[1]}<br>%{customdata[2]}<extra></extra>",
    )


def _bars(points: Iterable[Sequence[Any]], colour: str) -> dict[str, Any]:
    """Return error bars from (mean, low, high); of no length where one of them is None."""
    down, up = [], []
    for mean, low, high in points:
        nothing = None in (mean, low, high)
        down.append(0.0 if nothing else mean - low)
        up.append(0.0 if nothing else high - mean)
    return {"arrayminus": down, "array": up, "color": colour, "thickness": 2, "width": 0}


def curves(title: str, panels: list[Curve]) -> Any:
    """Return points with upright intervals, and the lines that they are seen against."""
    from plotly.subplots import make_subplots

    across, down = min(len(panels), COLUMNS), -(-len(panels) // COLUMNS)
    used: list[Any] = [{}] * len(panels) + [None] * (across * down - len(panels))
    specs = [used[row * across : (row + 1) * across] for row in range(down)]
    figure = make_subplots(rows=down, cols=across, specs=specs)
    for number, panel in enumerate(panels):
        _add(figure, panel, {"row": number // across + 1, "col": number % across + 1})
    return styled(figure, title, height=480 if down == 1 else 300 * down)


def _add(figure: Any, panel: Curve, place: dict[str, int]) -> None:
    import plotly.graph_objects as go

    points = panel.points
    x = ".1%" if panel.x.shares else ",.4~g"
    figure.add_trace(
        go.Scatter(
            x=[point.x for point in points],
            y=[point.mean for point in points],
            error_y=_bars(((p.mean, p.low, p.high) for p in points), BLUE),
            mode="lines+markers" if panel.joined else "markers",
            marker={"color": BLUE, "size": 9},
            line={"color": BLUE, "width": 1},
            customdata=[[_height(point, panel.y)] for point in points],
            hovertemplate=f"%{{x:{x}}}: %{{customdata[0]}}<extra></extra>",
        ),
        **place,
    )
    for line in panel.lines:
        ends = {"x0": line.x0, "y0": line.y0, "x1": line.x1, "y1": line.y1}
        look = {"line": {"color": LINE, "dash": "dot"}, "layer": "below"}
        figure.add_shape(type="line", **ends, **look, **place)
        where = {
            "xanchor": "left" if line.x0 == line.x1 else "right",
            "yanchor": "top" if line.y0 == line.y1 else "bottom",
            "showarrow": False,
        }
        figure.add_annotation(x=line.x1, y=line.y1, text=escape(line.label), **where, **place)
    for axis, scale, update in [
        (panel.across, panel.x, figure.update_xaxes),
        (panel.up, panel.y, figure.update_yaxes),
    ]:
        margin = 0.03 * (scale.high - scale.low)
        limits = [scale.low - margin, scale.high + margin]
        update(title_text=escape(axis), range=limits, **_ticks(scale), **place)


def _height(point: Point, y: Scale) -> str:
    return percent(point.mean, 1) if y.currency is None else money(point.mean, y.currency)

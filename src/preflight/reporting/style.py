"""How figures look, in Kedro-Viz and in the report."""

from typing import Any

# After Okabe and Ito (2008), for colour-blind readers; the pale ones are darkened, so that each has
# a contrast of 3 to 1 on white and on black. Colour never says alone what a label does not.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7A7A7A"
PALETTE = [BLUE, ORANGE, "#009E73", "#C0649A", "#A67C00", "#3D8FC4", GREY]

LINE = "rgba(128,128,128,0.7)"  # lines that mean something: zero, as predicted
GRID = "rgba(128,128,128,0.2)"
CLEAR = "rgba(0,0,0,0)"


def styled(figure: Any, title: str, height: int) -> Any:
    """Return the Plotly figure in the common style: no background, a faint grid, no legend.

    Kedro-Viz lays its own light or dark colours over it; the ones here are legible on both.
    """
    figure.update_layout(
        template="none",
        title={"text": title, "x": 0, "xref": "paper", "font": {"size": 16}},
        font={"color": "#767676", "size": 13},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        showlegend=False,
        height=height,
        margin={"l": 80, "r": 30, "t": 70, "b": 60},
    )
    axis = {"gridcolor": GRID, "zeroline": False, "automargin": True}
    return figure.update_xaxes(**axis).update_yaxes(**axis)

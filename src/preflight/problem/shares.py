"""Shares and levels in percent, as reports and messages write them."""


def format_share(share: float, decimals: int = 0, sign: str = "") -> str:
    """Return a share in percent: "38%", "99.9%", "0.04%".

    Only what is 1 is written as 100%, and only what is 0 as 0%: others get as many more decimals as
    that needs.

    Args:
        share: from its twelfth decimal on it is taken for a rounding error.
        decimals: at least so many.
        sign: "+" writes the sign of a difference above zero, too.
    """
    share = round(float(share), 12) + 0.0  # no minus before a zero
    texts = (f"{share:{sign}.{some}%}" for some in range(decimals, 11))  # at last all twelve
    return next(text for text in texts if not _misleads(share, text))


def _misleads(share: float, text: str) -> bool:
    """Return whether a text says nothing or all of a share that is neither."""
    written = abs(float(text.removesuffix("%")))
    return (written == 0) != (share == 0) or (written == 100) != (abs(share) == 1)


def format_level(level: float) -> str:
    """Return a declared level in percent, with up to two decimals: "95%", "97.5%", "16.67%"."""
    decimals = next(some for some in range(3) if round(level, some + 2) == round(level, 4))
    return format_share(level, decimals)

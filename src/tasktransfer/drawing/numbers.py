"""Numbers as they are shown: one set of forms for pages, figures and lines on the terminal."""

from __future__ import annotations

import math

__all__ = ["UNKNOWN", "estimate", "interval", "number", "percent", "points", "signed"]

UNKNOWN = "–"  # stands for a number that is not known


def number(value: float, form: str = "+.2f") -> str:
    """A number as Python formats it, in plain signs for the terminal.

    >>> number(-0.5), number(0.1234, ".3f"), number(float("nan"))
    ('-0.50', '0.123', '–')
    """
    return UNKNOWN if math.isnan(value) else f"{value:{form}}"


def signed(value: float, digits: int = 2, *, scale: float = 1.0) -> str:
    """A number with its sign, a true minus.

    Parameters
    ----------
    value
        NaN where it is not known.
    digits
        After the point.
    scale
        Factor before it is shown: 100 for points of accuracy.

    >>> signed(-0.5), signed(0.031, 1, scale=100)
    ('−0.50', '+3.1')
    """
    return number(scale * value, f"+.{digits}f").replace("-", "−")


def interval(low: float, high: float, digits: int = 2) -> str:
    """Both ends; unknown where one is.

    Parameters
    ----------
    low, high
        NaN where there is no interval.
    digits
        After the point.

    >>> interval(-0.1, 0.25)
    '−0.10 to +0.25'
    """
    return UNKNOWN if math.isnan(low) or math.isnan(high) else f"{signed(low, digits)} to {signed(high, digits)}"


def estimate(mean: float, low: float, high: float, digits: int = 2, *, scale: float = 1.0) -> str:
    """A value with its interval, where there is one.

    Parameters
    ----------
    mean
        NaN where it is not known.
    low, high
        NaN where there is no interval.
    digits
        After the point.
    scale
        Factor before they are shown: 100 for points of accuracy.

    >>> estimate(0.02, -0.01, 0.05, 1, scale=100), estimate(0.02, float("nan"), float("nan"))
    ('+2.0 [−1.0, +5.0]', '+0.02')
    """
    if math.isnan(mean) or math.isnan(low):
        return signed(mean, digits, scale=scale)
    low_text, high_text = (signed(end, digits, scale=scale) for end in (low, high))
    return f"{signed(mean, digits, scale=scale)} [{low_text}, {high_text}]"


def percent(value: float) -> str:
    """A share in whole percent.

    >>> percent(0.126), percent(float("nan"))
    ('13%', '–')
    """
    return number(value, ".0%")


def points(value: float, *, sign: bool = False) -> str:
    """A difference of accuracies in points.

    >>> points(0.031), points(-0.02, sign=True)
    ('3.1 points', '−2.0 points')
    """
    if math.isnan(value):
        return "unknown"
    return number(100 * value, "+.1f" if sign else ".1f").replace("-", "−") + " points"

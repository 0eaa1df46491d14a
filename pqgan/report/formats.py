"""Numbers as a reader of a table expects them."""

import math

from pqgan.metrics import METRICS

DASH = "–"
"""A value that does not exist or was not measured; never a zero."""

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _special(value: float) -> str | None:
    if math.isnan(value):
        return "nan"
    return ("∞" if value > 0 else "−∞") if math.isinf(value) else None


def _sign(text: str) -> str:
    return text.replace("-", "−")


def fixed(value: float, places: int) -> str:
    """A number of decimals; two significant digits where these would show fewer than that."""
    if special := _special(value):
        return special
    if value and abs(value) < 10 ** (1 - places) / 2:
        return significant(value, 2)
    return _sign(f"{value:.{places}f}")


def significant(value: float, digits: int) -> str:
    """A number of significant digits; powers of ten only below 0.001 and from 100,000."""
    if special := _special(value):
        return special
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = math.floor(math.log10(abs(rounded)))
    if not -3 <= exponent < 5:
        return scientific(value, digits)
    return _sign(f"{rounded:.{max(0, digits - 1 - exponent)}f}")


def scientific(value: float, digits: int = 3) -> str:
    """Mantissa without trailing zeros, times a power of ten."""
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{_sign(mantissa)}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def count(value: float) -> str:
    """An integer, its thousands set apart from 10,000 on."""
    return f"{int(value):,}" if abs(value) >= 10_000 else str(int(value))


def millions(value: float) -> str:
    """A parameter count: 395M, 1.24M."""
    return f"{significant(value / 1e6, 3)}M"


def duration(seconds: float) -> str:
    """Seconds in the largest unit that leaves at least two of it."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{significant(seconds / size, 2 if seconds < 100 * size else 3)} {unit}"
    return f"{significant(seconds, 2 if seconds < 100 else 3)} s"


def metric(name: str, value: float) -> str:
    """A measured value with as many digits as its metric bears."""
    about = METRICS[name]
    return significant(value, about.significant) if about.places is None else fixed(value, about.places)

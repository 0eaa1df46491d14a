"""Numbers and LaTeX, against values worked out by hand."""

import pytest

from pqgan.report import formats
from pqgan.report.latex import escape


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (formats.fixed(28.34, 1), "28.3"),
        (formats.fixed(-3.26, 1), "−3.3"),
        (formats.fixed(0.0, 3), "0.000"),
        (formats.fixed(0.00004, 3), "4×10⁻⁵"),
        (formats.fixed(0.0052, 3), "0.005"),
        (formats.significant(0.036, 3), "0.0360"),
        (formats.significant(4.98, 3), "4.98"),
        (formats.significant(141.614, 4), "141.6"),
        (formats.significant(9.999, 3), "10.0"),
        (formats.significant(123456, 3), "1.23×10⁵"),
        (formats.significant(0, 3), "0"),
        (formats.scientific(4.5e-6), "4.5×10⁻⁶"),
        (formats.scientific(8e-5), "8×10⁻⁵"),
        (formats.count(8192), "8192"),
        (formats.count(1_000_000), "1,000,000"),
        (formats.millions(395_600_000), "396M"),
        (formats.duration(12.5), "12 s"),
        (formats.duration(119), "119 s"),
        (formats.duration(120), "2.0 min"),
        (formats.duration(86400 * 3.5), "3.5 d"),
        (formats.metric("psnr", float("nan")), "nan"),
        (formats.metric("psnr", float("inf")), "∞"),
        (formats.metric("lpips", 0.0024), "0.0024"),
    ],
)
def test_format(made, expected):
    assert made == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50% of val_large & more", r"50\% of val\_large \& more"),
        ("{a} #1 $x$ ~ ^ \\", r"\{a\} \#1 \$x\$ \textasciitilde{} \textasciicircum{} \textbackslash{}"),
        ("4.5×10⁻⁶", r"4.5$\times$10$^{-6}$"),
        ("rFID ↓ –", r"rFID $\downarrow$ --"),
        ("1 < S < d", r"1 $<$ S $<$ d"),
    ],
)
def test_escape(text, expected):
    assert escape(text) == expected

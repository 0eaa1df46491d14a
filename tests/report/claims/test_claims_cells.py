"""What the paper's own cells say of its claims, beside verdicts worked out by hand from the printed tables."""

import pytest

from pqgan.report.claims.catalogue import CLAIMS
from pqgan.report.tables.paper import paper_rows

AGREES, CONTRADICTS = "agrees", "contradicts"
BY_HAND = {
    # Table 1: 37.4, 0.036, 0.011, 0.0024 are better than 28.1, 0.27, 0.080, 0.0282
    14: [(None, AGREES)],
    # 37.4 - 27.0 = 10.4 (VQGAN-LC), 37.4 - 28.1 = 9.3 (LDM VAE of F=4)
    15: [("psnr", AGREES), ("psnr", AGREES)],
    # 1 - 0.036 / 1.29 = 97.2 %, 1 - 0.011 / 0.258 = 95.7 %, 1 - 0.0024 / 0.0815 = 97.1 %
    16: [("rfid", AGREES), ("cmmd", AGREES), ("lpips", AGREES)],
    # 28.3 > 28.1; but 0.41 > 0.27, 0.094 > 0.080, 0.0304 > 0.0282
    17: [(None, AGREES), ("rfid", CONTRADICTS), ("cmmd", CONTRADICTS), ("lpips", CONTRADICTS)],
    18: [(None, AGREES)],  # 0.90 < 2.69
    19: [(None, AGREES), (None, AGREES)],
    20: [(None, AGREES), (None, AGREES)],
    21: [("psnr", AGREES)],  # 27.0 to 29.6, 25.3 to 29.9, 25.3 to 30.0, 28.3 to 33.3, 37.4 to 42.1
    22: [("lpips", AGREES)],  # at most 0.0024 to 0.0022, 1.09 times less
    # last in CMMD at 16x16: 0.190 beside 0.094, 0.086, 0.122; 0.353 beside 0.261, 0.321, 0.317
    23: [
        (None, AGREES),
        (None, AGREES),
        ("cmmd", CONTRADICTS),
        (None, AGREES),
        (None, AGREES),
        ("cmmd", CONTRADICTS),
    ],
    # CMMD of SDv2.1 and SDXL falls on FFHQ: 0.133 to 0.086, 0.148 to 0.122
    24: [("rfid", AGREES), ("rfid", AGREES), ("cmmd", CONTRADICTS), ("cmmd", AGREES)],
    25: [("gfid", AGREES)] * 3,  # 22.66 < 27.21, 21.08 < 27.21, 21.08 < 22.66
    26: [("gfid", AGREES)],  # 0.036 < 0.41 < 0.75, but 21.08 < 22.66
    27: [("images_per_second", AGREES), ("memory_gb", AGREES)],  # 0.97, 1.00
    28: [("images_per_second", AGREES), ("memory_gb", AGREES)],  # 4.01, 0.52
    29: [("images_per_second", AGREES), ("memory_gb", AGREES)],  # 1.00, 0.99
}
"""Claim -> metric and verdict of each row; None for several metrics that agree."""


def said(number: int, paper=paper_rows):
    claim = CLAIMS[number - 1]
    return claim.cells(paper) if claim.cells else []


@pytest.mark.parametrize("number", range(1, 34))
def test_the_verdicts_are_those_worked_out_by_hand(number):
    assert [(cells.metric, cells.verdict) for cells in said(number)] == BY_HAND.get(number, [])


@pytest.mark.parametrize(
    ("number", "row", "text"),
    [
        (14, 0, "PQGAN F=8, beside the next: PSNR 37.4 (LDM VAE F=4: 28.1); rFID 0.036 (LDM VAE F=4: 0.27); "
         "CMMD 0.011 (VQGAN-LC F=8: 0.080); LPIPS 0.0024 (LDM VAE F=4: 0.0282)"),
        (15, 0, "PQGAN F=8: 37.4; VQGAN-LC F=8: 27.0; +10.4 dB"),
        (15, 1, "PQGAN F=8: 37.4; LDM VAE F=4: 28.1; +9.3 dB"),
        (16, 0, "from 95.1 % (SDXL VAE F=8) to 97.2 % (VQGAN-LC F=8)"),
        (16, 1, "from 86.2 % (VQGAN-LC F=8) to 95.7 % (VQGAN (LDM) F=8)"),
        (16, 2, "from 95.8 % (SDXL VAE F=8) to 97.1 % (VQGAN (LDM) F=8)"),
        (17, 1, "PQGAN F=16: 0.41; LDM VAE F=4: 0.27"),
        (17, 2, "PQGAN F=16: 0.094; VQGAN-LC F=8: 0.080; LDM VAE F=4: 0.080"),
        (17, 3, "PQGAN F=16: 0.0304; LDM VAE F=4: 0.0282"),
        (18, 0, "PQGAN F=32, beside the next: rFID 0.90 (RQ-VAE F=32: 2.69)"),
        (23, 2, "FFHQ, PQGAN F=16: 0.190; SDv2.1 VAE F=8: 0.086; VQGAN-LC F=8: 0.094; SDXL VAE F=8: 0.122"),
        (24, 2, "FFHQ: SDv2.1 VAE F=8: 0.133 to 0.086; SDXL VAE F=8: 0.148 to 0.122"),
        (25, 2, "PQGAN F=16: 21.08; PQGAN F=8: 22.66"),
        (28, 0, "PQSD-Quick: 0.465; SDv2.1: 0.116; ×4.01"),
    ],
)  # fmt: skip
def test_the_cells_are_quoted_as_they_are_printed(number, row, text):
    assert said(number)[row].said == text


CHANGES = {
    14: ("table1", {"method": "PQGAN", "F": "8"}, {"lpips": "0.0282"}),
    15: ("table1", {"method": "PQGAN", "F": "8"}, {"psnr": "35.9"}),
    16: ("table1", {"method": "PQGAN", "F": "8"}, {"cmmd": "0.014"}),
    18: ("table1", {"method": "RQ-VAE"}, {"rfid": "0.89"}),
    19: ("table1", {"method": "Mo-VQGAN"}, {"rfid": "0.40"}),
    20: ("table1", {"method": "LDM VAE", "F": "8"}, {"psnr": "37.5"}),
    21: ("table2", {"method": "VQGAN-LC", "dataset": "FFHQ"}, {"psnr": "26.9"}),
    22: ("table2", {"method": "SDXL VAE", "dataset": "LSUN"}, {"lpips": "0.0640"}),
    25: ("table5", {"F": "16"}, {"gfid_5k": "23"}),
    26: ("table5", {"F": "16"}, {"gfid_5k": "23"}),
    27: ("table3", {"generator": "PQSD-HR"}, {"memory_gb": "16.5"}),
    28: ("table3", {"generator": "PQSD-Quick"}, {"samples_per_second": "0.42"}),
    29: ("table3", {"generator": "PQSD-Precise"}, {"samples_per_second": "0.104"}),
}
"""Claim -> a cell with which the paper would contradict it."""


@pytest.mark.parametrize("number", CHANGES)
def test_other_cells_would_contradict(number):
    where, which, cells = CHANGES[number]

    def paper(table: str) -> list[dict[str, str]]:
        rows = paper_rows(table)
        fits = [table == where and which.items() <= row.items() for row in rows]
        return [row | cells if fit else row for row, fit in zip(rows, fits, strict=True)]

    assert CONTRADICTS in [found.verdict for found in said(number, paper)]
    assert CONTRADICTS not in [found.verdict for found in said(number)]

"""The paper's numbers, against sums that were typed from the paper itself: a slip in one cell moves a row and a column.

A row is summed over what is printed as a number in it; missing values count as nothing.
"""

from decimal import Decimal

import pytest

from pqgan.report.tables.paper import paper_rows

COLUMNS = {
    "table1": {
        "F": "240",
        "d": "1626",
        "K": "276928",
        "S": "200",  # 1 of each of 8 VQ rows, 64 of each PQ row
        "psnr": "399.6",
        "rfid": "34.106",
        "cmmd": "3.479",
        "lpips": "1.2598",
    },
    "table2": {"rfid": "31.27", "psnr": "305.7", "cmmd": "1.954", "lpips": "0.3351"},
    "table3": {"F": "48", "d": "388", "samples_per_second": "0.809", "memory_gb": "52.3"},
    "table4": {
        "image_resolution": "8576",
        "training_steps": "4260000",
        "batch_size": "355",
        "learning_rate": "0.000629",
    },
    "table5": {"F": "32", "batch_size": "192", "training_steps": "6000000", "rfid": "1.196", "gfid_5k": "70.95"},
}

ROWS = {
    # d + K + the four metrics
    "table1": """
        VQGAN        16  16665.2653
        VQGAN        16   1308.3854
        VQGAN (LDM)  16  16418.8772
        VQGAN (LDM)   8  16412.7295
        VQGAN (LDM)   4    285.87
        VQGAN-LC     16 100034.7880
        VQGAN-LC      8 100032.4412
        ViT-VQGAN     8   8225.28
        Mo-VQGAN     16   1303.6332
        RQ-VAE       32  16642.69
        LDM VAE      16     41.1345
        LDM VAE       8     29.3731
        LDM VAE       4     31.4782
        SDv2.1 VAE    8     30.2440
        SDXL VAE      8     30.2453
        PQGAN        32    537.7261
        PQGAN        16    284.8344
        PQGAN         8    677.4494
    """,
    # the four metrics
    "table2": """
        VQGAN-LC    FFHQ  33.0830
        VQGAN-LC    LSUN  32.0421
        SDv2.1 VAE  FFHQ  31.5844
        SDv2.1 VAE  LSUN  30.8939
        SDXL VAE    FFHQ  31.9204
        SDXL VAE    LSUN  31.2736
        PQGAN       FFHQ  34.0438
        PQGAN       LSUN  33.0545
        PQGAN       FFHQ  42.2522
        PQGAN       LSUN  39.1112
    """,
    # F + d + speed + memory
    "table3": """
        SDv2.1        768x768    27.016
        PQSD-HR       1536x1536 159.012
        PQSD-Precise  768x768   150.916
        PQSD-Quick    768x768   152.165
    """,
    # resolution + steps + batch + a million times the rate
    "table4": """
        PQGAN (All)          ImageNet      1000280.5
        PQGAN (Fine-Tuning)  ImageNet       200787.5
        PQSD-Precise         Unsplash-Full   20496
        PQSD-Precise         Unsplash-Full  800880
        PQSD-Precise         Unsplash-Full  200820
        PQSD-Quick           Unsplash-Full   20496
        PQSD-Quick           Unsplash-Full  800880
        PQSD-HR              Unsplash-Full  200820
        PQSD-HR              Unsplash-Full   20496
        PQSD-HR              Unsplash-Full  400880
        PQSD-HR              Unsplash-Full  401136
        PQSD-HR              Unsplash-Full  201588
    """,
    # batch + steps + rFID + gFID
    "table5": """
        SDv2.1-VAE   8  2000091.96
        PQGAN        8  2000086.696
        PQGAN       16  2000085.49
    """,
}
ADDED = {
    "table1": ("method", "F", {"d": 1, "K": 1, "psnr": 1, "rfid": 1, "cmmd": 1, "lpips": 1}),
    "table2": ("method", "dataset", {"psnr": 1, "rfid": 1, "cmmd": 1, "lpips": 1}),
    "table3": ("generator", "image_size", {"F": 1, "d": 1, "samples_per_second": 1, "memory_gb": 1}),
    "table4": (
        "model",
        "training_data",
        {"image_resolution": 1, "training_steps": 1, "batch_size": 1, "learning_rate": 10**6},
    ),
    "table5": ("latent_model", "F", {"batch_size": 1, "training_steps": 1, "rfid": 1, "gfid_5k": 1}),
}
WORDS = {
    "table1": {"latent": "VQ VQ VQ VQ VQ VQ VQ VQ MCQ RQ KL KL KL KL KL PQ PQ PQ"},
    "table2": {"latent_resolution": "32x32 " * 6 + "16x16 16x16 32x32 32x32"},
    "table3": {"latent_resolution": "96x96 96x96 96x96 48x48"},
    "table5": {"generator": "LDM LDM LDM"},
    "gpus": {"gpus": "4xA100 3xH100 4xH200 4xH200 4xH200", "section": "A.1 A.1 A.2 A.2 A.2"},
}
SIDES = {"4": "64x64", "8": "32x32", "16": "16x16", "32": "8x8"}


def number(text: str) -> Decimal:
    return Decimal(text or "0")


@pytest.mark.parametrize("table", COLUMNS)
def test_columns_add_up_to_the_paper_s(table):
    rows = paper_rows(table)
    found = {key: sum(number(row[key]) for row in rows) for key in COLUMNS[table]}
    assert found == {key: Decimal(total) for key, total in COLUMNS[table].items()}


@pytest.mark.parametrize("table", ROWS)
def test_rows_add_up_to_the_paper_s_in_its_order(table):
    first, second, factors = ADDED[table]
    expected = [line.rsplit(maxsplit=2) for line in ROWS[table].splitlines() if line.strip()]
    rows = paper_rows(table)
    assert [[row[first], row[second]] for row in rows] == [[name.strip(), other] for name, other, _ in expected]
    for row, (*name, total) in zip(rows, expected, strict=True):
        assert sum(factor * number(row[key]) for key, factor in factors.items()) == Decimal(total), name


@pytest.mark.parametrize("table", WORDS)
def test_words_of_the_rows_are_the_paper_s(table):
    for key, words in WORDS[table].items():
        assert [row[key] for row in paper_rows(table)] == words.split()


def test_tables_have_no_column_that_the_paper_has_not_but_what_its_text_and_headings_say():
    """S is section 4.4's; a dataset is a heading above columns."""
    assert {table: list(paper_rows(table)[0]) for table in ("table1", "table2", "table3", "table4", "table5")} == {
        "table1": ["method", "latent", "F", "latent_resolution", "d", "K", "S", "psnr", "rfid", "cmmd", "lpips"],
        "table2": ["method", "latent_resolution", "dataset", "rfid", "psnr", "cmmd", "lpips"],
        "table3": ["generator", "image_size", "latent_resolution", "F", "d", "samples_per_second", "memory_gb"],
        "table4": ["model", "training_data", "image_resolution", "training_steps", "batch_size", "learning_rate"],
        "table5": ["latent_model", "F", "generator", "batch_size", "training_steps", "rfid", "gfid_5k"],
    }


def test_the_models_whose_gpus_the_appendix_names_are_those_of_table_4():
    assert [row["model"] for row in paper_rows("gpus")] == list(
        dict.fromkeys(row["model"] for row in paper_rows("table4"))
    )


def test_sides_of_latents_are_those_of_256_px_over_f():
    for row in paper_rows("table1"):
        assert row["latent_resolution"] == SIDES[row["F"]]


def test_what_the_paper_leaves_out_is_empty():
    """Which metrics of which rows have no number, as rows and columns alone would let a value move."""
    missing = {
        (row["method"], row["F"]): [key for key in ("psnr", "rfid", "cmmd", "lpips") if not row[key]]
        for row in paper_rows("table1")
    }
    assert {name: keys for name, keys in missing.items() if keys} == {
        ("VQGAN (LDM)", "4"): ["cmmd", "lpips"],
        ("ViT-VQGAN", "8"): ["psnr", "cmmd", "lpips"],
        ("Mo-VQGAN", "16"): ["cmmd"],
        ("RQ-VAE", "32"): ["psnr", "cmmd", "lpips"],
    }
    for table in ("table2", "table3", "table4", "table5"):
        assert all(all(row.values()) for row in paper_rows(table))

"""The catalogue says what the paper says of the same models, and costs nothing to import."""

import subprocess
import sys

import pytest

from pqgan.baselines import PUBLISHED
from pqgan.report.tables.paper import paper_rows

OWN = {"taesd", "taesdxl", "taesd3"}
"""Not in Table 1."""


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name not in OWN])
def test_a_published_model_is_a_baseline_of_table_1(name):
    published = PUBLISHED[name]
    # the authors published ldm-vq-f4 with 8192 codewords; the paper quotes the 256 of their ablation
    K = 256 if name == "ldm-vq-f4" else published.K
    expected = {"method": published.method, "latent": published.latent, "F": published.F, "d": published.d, "K": K}
    shown = {key: "" if value is None else str(value) for key, value in expected.items()}
    assert sum(all(line[key] == value for key, value in shown.items()) for line in paper_rows("table1")) == 1


def test_only_baselines_of_table_1_without_public_weights_are_left_out():
    quoted = {"ViT-VQGAN", "Mo-VQGAN", "RQ-VAE"}
    measurable = {line["method"] for line in paper_rows("table1")} - quoted
    assert measurable == {published.method for name, published in PUBLISHED.items() if name not in OWN}


def test_importing_it_loads_no_networks():
    code = (
        "import sys, pqgan.baselines; "
        "print(sorted({'torch', 'diffusers', 'transformers', 'huggingface_hub', 'numpy'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

"""What a saved PQModel or pipeline carries lets diffusers load it: trusted, after `import pqgan`, and without it."""

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers import AutoModel, DDIMScheduler, DiffusionPipeline, DiTPipeline, DiTTransformer2DModel

from pqgan import known_to_diffusers
from pqgan.tokenizer.hub_files import CONTENT, MODULE_FILE
from pqgan.tokenizer.load import load_model
from pqgan.tokenizer.model import PQModel

OPTIONS = {"block_out_channels": (4, 8), "layers_per_block": 1, "norm_num_groups": 2, "z_channels": 8}
OPTIONS |= {"d": 4, "S": 2, "K": 11}
HIDDEN = "import sys; sys.modules['pqgan'] = None\n"
"""As if pqgan were not installed."""


class Derived(PQModel):
    """Somebody's own."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A pipeline with a PQModel, and the model alone, in folders `pipeline` and `model`."""
    folder = tmp_path_factory.mktemp("saved")
    torch.manual_seed(0)
    transformer = DiTTransformer2DModel(
        num_attention_heads=1, attention_head_dim=8, in_channels=4, num_layers=1, sample_size=4, patch_size=2
    )
    model = PQModel(**OPTIONS)
    DiTPipeline(transformer, model, DDIMScheduler()).save_pretrained(folder / "pipeline")
    model.save_pretrained(folder / "model")
    return folder


def run(code: str, folder, **environment: str) -> subprocess.CompletedProcess:
    """Of a process in the folder, which keeps module files there."""
    own = {"HF_MODULES_CACHE": str(folder / "modules"), "DIFFUSERS_VERBOSITY": "error"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    own |= {"PYTHONPATH": str(Path(__file__).parents[2]), **environment}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env={**os.environ, **own})


def test_the_files_name_the_class_and_nothing_of_this_machine(saved):
    for folder in (saved / "model", saved / "pipeline/vae"):
        config = json.loads((folder / "config.json").read_text())
        assert config["auto_map"] == {"AutoModel": "modeling_pq.PQModel"}
        assert (folder / MODULE_FILE).read_bytes() == (saved / "model" / MODULE_FILE).read_bytes()
    assert json.loads((saved / "pipeline/model_index.json").read_text())["vae"] == ["modeling_pq", "PQModel"]


def test_diffusers_alone_loads_both_once_it_is_told_to_trust_them(saved):
    done = run(
        "import sys\n"
        "from diffusers import AutoModel, DiffusionPipeline\n"
        "assert 'pqgan' not in sys.modules\n"
        "pipeline = DiffusionPipeline.from_pretrained('pipeline', trust_remote_code=True)\n"
        "model = AutoModel.from_pretrained('model', trust_remote_code=True)\n"
        "print(type(pipeline.vae).__module__, type(model) is type(pipeline.vae))\n"
        "pipeline.save_pretrained('again')",
        saved,
    )
    assert done.stdout == "pqgan.tokenizer.model True\n", done.stderr
    assert json.loads((saved / "again/model_index.json").read_text())["vae"] == ["modeling_pq", "PQModel"]
    assert (saved / "modules/diffusers_modules/local" / MODULE_FILE).is_file()


@pytest.mark.parametrize(
    ("first", "imported"),
    [
        ("import pqgan", "set()"),  # so neither torch nor diffusers
        ("import diffusers.pipelines, diffusers.models.auto_model; import pqgan", "{'torch', 'diffusers'}"),
    ],
)
def test_after_import_pqgan_nothing_is_to_be_trusted_and_no_file_of_theirs_runs(saved, tmp_path, first, imported):
    done = run(
        f"{first}\n"
        "import sys\n"
        "print({'torch', 'diffusers', 'pqgan.tokenizer.model'} & {*sys.modules})\n"
        "from diffusers import AutoModel, DiffusionPipeline\n"
        "print(type(DiffusionPipeline.from_pretrained('pipeline').vae).__name__)\n"
        "print(type(AutoModel.from_pretrained('model')).__name__)\n"
        "print(type(AutoModel.from_pretrained('pipeline', subfolder='vae')).__name__)\n"
        "print(type(AutoModel.from_config('model')).__name__)",
        saved,
        HF_MODULES_CACHE=str(tmp_path / "modules"),
    )
    seen, *classes = done.stdout.splitlines() or [done.stderr]
    assert eval(seen) == eval(imported)
    assert classes == ["PQModel"] * 4, done.stderr
    assert not list(tmp_path.rglob(MODULE_FILE))


def test_without_pqgan_one_line_says_what_to_install(saved):
    code = f"{HIDDEN}from diffusers import AutoModel, DiffusionPipeline\n"
    for what in ("AutoModel.from_pretrained('model'", "DiffusionPipeline.from_pretrained('pipeline'"):
        code += f"try:\n    {what}, trust_remote_code=True)\nexcept ImportError as error:\n    print(error)\n"
    done = run(code, saved)
    first, second = done.stdout.splitlines() or [done.stderr, ""]
    assert first.startswith("PQModel is a class of the package pqgan, which is not installed here: run `pip install .`")
    assert second == first
    assert "pip install pqgan" not in done.stderr  # diffusers' own guess, at a package of PyPI


def test_what_is_missing_of_an_installed_pqgan_is_told_as_it_is(saved, monkeypatch):
    def lacks(name: str):
        raise ModuleNotFoundError("No module named 'einops'", name="einops")

    monkeypatch.setattr("importlib.import_module", lacks)
    with pytest.raises(ModuleNotFoundError, match="einops"):
        exec((saved / "model" / MODULE_FILE).read_text(), {})


def test_a_loaded_model_is_the_saved_one_and_its_config_has_no_more_options(saved, caplog):
    model = AutoModel.from_pretrained(saved / "model")
    assert "not expected" not in caplog.text
    assert "auto_map" not in model.config
    pipeline = DiffusionPipeline.from_pretrained(saved / "pipeline")
    for name, weights in load_model(saved / "model").state_dict().items():
        assert torch.equal(model.state_dict()[name], weights)
        assert torch.equal(pipeline.vae.state_dict()[name], weights)
    own = PQModel.from_pretrained(saved / "model")
    pipeline = DiffusionPipeline.from_pretrained(saved / "pipeline", vae=own)
    assert pipeline.vae is own


def test_a_configuration_alone_makes_a_model_with_new_weights(saved):
    own = PQModel.from_pretrained(saved / "model")
    for given, options in (
        (str(saved / "pipeline"), {"subfolder": "vae"}),
        (saved / "model", {"trust_remote_code": False}),
        (PQModel.load_config(saved / "model"), {}),
        (dict(own.config), {}),
    ):
        model = AutoModel.from_config(given, **options)
        assert type(model) is PQModel
        assert {name: model.config[name] for name in OPTIONS} == {name: own.config[name] for name in OPTIONS}
        assert not torch.equal(model.quantiser.codebooks, own.quantiser.codebooks)


def test_other_models_are_refused_or_loaded_as_without_pqgan(saved, tmp_path):
    other = AutoModel.from_pretrained(str(saved / "pipeline"), subfolder="transformer")
    assert type(other) is DiTTransformer2DModel
    with pytest.raises(OSError, match=r"config\.json"):
        AutoModel.from_pretrained(tmp_path)
    code = {"_class_name": "Other", "auto_map": {"AutoModel": "other.Other"}}
    (tmp_path / "config.json").write_text(json.dumps(code))
    for load in (AutoModel.from_pretrained, AutoModel.from_config):
        with pytest.raises(ValueError, match="contains custom code"):
            load(tmp_path)
    with pytest.raises(AttributeError, match="has no attribute 'Other'"):
        known_to_diffusers._looked_up("Other")


def test_a_second_call_installs_nothing():
    before, method = list(sys.meta_path), AutoModel.from_pretrained.__func__
    known_to_diffusers.install()
    assert sys.meta_path == before
    assert AutoModel.from_pretrained.__func__ is method


def test_copies_are_named_alike_and_the_class_keeps_its_module():
    model = PQModel(**OPTIONS)
    for each in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert each.__module__ == "modeling_pq"
        assert type(each) is PQModel
    assert PQModel.__module__ == "pqgan.tokenizer.model"


def test_a_derived_class_is_not_said_to_be_pqmodel(tmp_path):
    model = Derived(**OPTIONS)
    assert model.__module__ == __name__
    model.save_pretrained(tmp_path)
    assert not (tmp_path / MODULE_FILE).exists()
    assert "auto_map" not in json.loads((tmp_path / "config.json").read_text())


def test_a_file_of_ours_is_renewed_and_one_of_somebody_else_is_not_touched(tmp_path):
    model = PQModel(**OPTIONS)
    (tmp_path / MODULE_FILE).write_text(CONTENT.splitlines()[0] + "\n# of an earlier version\n")
    model.save_pretrained(tmp_path)
    assert (tmp_path / MODULE_FILE).read_text() == CONTENT
    for number, theirs in enumerate((b"import secret\n", b"", b"\xff\xfe")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / MODULE_FILE).write_bytes(theirs)
        for save in (model.save_pretrained, model.save_config):
            with pytest.raises(
                FileExistsError, match=r"^[^\n]*modeling_pq.py: is there and not what pqgan writes[^\n]*$"
            ):
                save(folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {MODULE_FILE: theirs}

"""What importing the model and Fabric leaves alone, and that nothing is lost by it.

Lists of modules, not seconds: a bound on time would fail on a busy machine. Each case is a process of its own, because
what a test before imported would stay.
"""

import gc
import subprocess
import sys

import pytest

from pqgan import start_up

COSTLY = {"transformers", "scipy", "torchvision", "torchmetrics", "lightning_fabric", "peft"}


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def imported_by(statement: str) -> set[str]:
    return set(printed(f"import sys; {statement}; print(*sys.modules)").split())


def test_tokenizers_bring_no_more_of_diffusers_than_they_use():
    modules = imported_by("import pqgan.tokenizer.train, pqgan.tokenizer.load, pqgan.tokenizer.model")
    assert "diffusers.models.modeling_utils" in modules
    assert not modules & COSTLY
    networks = [name for name in modules if name.startswith("diffusers.models.") and name.count(".") == 3]
    found = {name.rpartition(".")[2] for name in networks}
    assert found == {"vae", "unet_2d_blocks", "dual_transformer_2d", "transformer_2d"}
    assert not any(name.startswith(("diffusers.loaders.", "diffusers.pipelines")) for name in modules)


def test_fabric_brings_neither_metrics_nor_models():
    modules = imported_by("from pqgan.engine.launch import _import_fabric; _import_fabric()")
    assert "lightning_fabric" in modules
    assert not modules & (COSTLY - {"lightning_fabric"})
    assert "diffusers" not in modules


NAMES = f"""
import importlib, inspect
for package in {list(start_up.PACKAGES)}:
    exec(f"from {{package}} import *")
    for name, value in sorted(vars(importlib.import_module(package)).items()):
        if inspect.isclass(value) or inspect.isfunction(value):
            print(package, name, value.__module__)
"""


def test_packages_that_are_put_off_have_the_names_that_they_have_without_pqgan():
    expected = printed(NAMES)
    assert "diffusers.hooks HookRegistry diffusers.hooks.hooks" in expected
    assert printed(f"import pqgan\n{NAMES}") == expected


def test_names_that_are_looked_up_in_one_module_are_the_package_s_own():
    lines = ["import pqgan"]
    for package, names in start_up.PACKAGES.items():
        for name, module in names.items():
            lines.append(f"from {package} import {name} as first; from {package}.{module} import {name} as own")
            lines.append(f"import {package} as package; from {package} import *; print(first is own is package.{name})")
    assert printed("\n".join(lines)) == "True\n" * (len(lines) // 2)


def test_a_name_that_no_package_has_is_an_error_as_ever():
    code = "import pqgan\ntry:\n    from diffusers.hooks import Nothing\nexcept ImportError as error:\n    print(error)"
    assert printed(code).startswith("cannot import name 'Nothing' from 'diffusers.hooks'")


def test_pipelines_come_after_the_model_and_know_it():
    printed(
        "from pqgan.tokenizer.model import PQModel; import diffusers; from diffusers import StableDiffusionPipeline\n"
        "assert issubclass(PQModel, diffusers.ModelMixin) and hasattr(StableDiffusionPipeline, 'load_lora_weights')\n"
        "assert issubclass(diffusers.UNet2DConditionModel, diffusers.ModelMixin)\n"
        "import pickle; assert pickle.loads(pickle.dumps(diffusers.AutoencoderKL)) is diffusers.AutoencoderKL"
    )


def test_what_is_imported_already_is_left_alone():
    code = "import diffusers.models.unets as one; import pqgan, sys; from pqgan.tokenizer.model import PQModel; "
    code += "print(sys.modules[one.__name__] is one and 'UNet2DModel' in vars(one))"
    assert printed(code) == "True\n"


def test_a_second_call_installs_nothing():
    before = list(sys.meta_path)
    start_up.install()
    assert sys.meta_path == before


def test_a_stand_in_is_gone_after_the_block_and_takes_no_module_s_place():
    with pytest.raises(ImportError), start_up.standing_in("pqgan_no_such_module", None):
        import pqgan_no_such_module  # noqa: F401
    assert "pqgan_no_such_module" not in sys.modules
    with start_up.standing_in("gc", None):
        assert sys.modules["gc"] is gc


def test_garbage_is_collected_again_after_imports():
    frozen = gc.get_freeze_count()
    with start_up.importing("gc"):
        assert gc.isenabled()  # it is there, so nothing is heavy about it
    assert gc.get_freeze_count() == frozen
    with start_up.importing("pqgan_no_such_module"):
        assert not gc.isenabled()
        made = [{} for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + len(made)
    gc.unfreeze()

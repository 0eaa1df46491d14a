"""`pqgan evaluate`: any tokenizer, or generated images, measured on any folder of images, without a params.yaml."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pqgan.data.batches import evaluation_batches
from pqgan.data.folder_set import Content, FolderSet, side_of
from pqgan.engine import processes
from pqgan.engine.image_progress import ImageProgress
from pqgan.engine.launch import agreeing, launch
from pqgan.engine.timing import arithmetic
from pqgan.errors import ResourceError
from pqgan.evaluate import original_features
from pqgan.evaluate.baselines.open import open_model
from pqgan.evaluate.distribution import collect
from pqgan.evaluate.networks.set_features import Networks, SetFeatures
from pqgan.evaluate.original_features import Reference
from pqgan.evaluate.reconstruction import check_size, devices, reconstruct, results, save_pictures, subject
from pqgan.provenance import environment
from pqgan.records import Record, write_record
from pqgan.storage.outputs import new_result
from pqgan.tokenizer.pictures import BATCH_PIXELS

from .options import Options, has_reference
from .output_names import EVALUATION, PICTURES, REFERENCE
from .table import table

SIDE, KEPT, MOST = 256, 8, 32
"""Side of the images, pictures kept, and most images of a batch, where nothing is said."""


@torch.inference_mode()
def evaluate(**given: Any) -> None:
    """Measure, print the table, and write metrics.json and pictures.

    Args:
        given: fields of Options.

    Raises:
        SettingsError: options that do not fit each other, the model, or what is on the disk.
        DataError: images that cannot be read, all of which it names; no model; features of another set.
        NumericalError: an image that the model makes is not finite.
        ResourceError: weights that are missing, all of which it names; no such device; too little memory or disk.
    """
    options = Options(**given)
    options.check()
    with _words_of_the_command_line():
        (_reconstruction if options.model else _generation)(options)


def _reconstruction(options: Options) -> None:
    tokenizer = open_model(options.model)
    size = options.size or SIDE
    check_size(tokenizer, size)
    images = FolderSet(options.images, size, options.geometry, options.limit)
    hardware = options.hardware
    target = launch(hardware)
    started = time.perf_counter()
    with agreeing():
        content = _checked(images)
        networks = Networks(options.networks, options.headlines, target, without=options.left_out)
        known = _known(options, networks, images, content)
    made = reconstruct(
        tokenizer.to(target),
        images,
        networks,
        options.headlines,
        role="images",
        batch=_batch(options, size),
        geometry=options.geometry,
        originals=known,
        workers=hardware.workers,
        pictures=KEPT if options.pictures is None else options.pictures,
        name=options.name,
    )
    if not processes.is_first():
        return
    record = Record(
        kind="reconstruction",
        name=options.name,
        scale=None,
        subject=subject(tokenizer, {"images": made}),
        sets={"images": images.name},
        **results({"images": made}, networks, started),
        provenance={
            **environment(),
            "options": options.shown(),
            "model": tokenizer.source and tokenizer.source.model_dump(),
            "images": _about(images, content),
            "left_out": made.comparison.left_out(),
            "seconds_of": made.seconds,
        },
    )
    print(table(record), flush=True)  # first, so that it is seen whatever the disk says
    _write(options, record, made.pictures)
    _keep(options, made.comparison.originals, images, content)


def _generation(options: Options) -> None:
    size = options.size or side_of(options.generated)
    sets = [FolderSet(folder, size, options.geometry, options.limit) for folder in (options.images, options.generated)]
    images, generated = sets
    target = launch(options.hardware)
    started = time.perf_counter()
    with agreeing():
        contents = [_checked(each) for each in sets]
        networks = Networks(options.networks, options.headlines, target, without=options.left_out)
        known = _known(options, networks, images, contents[0])
        mine = (
            None
            if known
            else original_features.collect(networks, _batches(options, images, target), options.headlines.fid)
        )
    originals = known or mine.over_processes()
    whole = collect(
        _batches(options, generated, target),
        networks.inception,
        originals,
        resize=options.headlines.fid,
        device=target,
        first=_share(options, generated).start,
    )
    if not processes.is_first():
        return
    record = Record(
        kind="generation",
        name=options.name,
        scale=None,
        subject={"generated": generated.name, "size": size},
        sets={"images": images.name},
        measurements=whole.measurements("a folder of images"),
        networks=networks.sources(),
        device=devices(target),
        dtype=arithmetic(target),
        seconds=round(time.perf_counter() - started, 3),
        provenance={
            **environment(),
            "options": options.shown(),
            "images": _about(images, contents[0]),
            "generated": _about(generated, contents[1]),
        },
    )
    print(table(record), flush=True)  # first, so that it is seen whatever the disk says
    _write(options, record)
    _keep(options, None if known else originals, images, contents[0])


def _checked(images: FolderSet) -> Content | None:
    """What is in a set's files, for the first process alone."""
    return images.check() if processes.is_first() else None


def _about(images: FolderSet, content: Content) -> dict[str, Any]:
    """A set, for metrics.json."""
    about = {key: getattr(images, key) for key in ("name", "size", "geometry", "found", "others")}
    return {"folder": str(images.folder), **about, "n": len(images), **vars(content)}


def _batch(options: Options, size: int) -> int:
    # small images too are large ones to InceptionV3 and CLIP
    return options.batch or min(MOST, max(1, BATCH_PIXELS // size**2))


def _share(options: Options, images: FolderSet) -> range:
    return processes.share_of_batches(len(images), _batch(options, images.size))


def _batches(options: Options, images: FolderSet, target: torch.device) -> Iterator[Tensor]:
    """This process's images."""
    share = _share(options, images)
    batches = evaluation_batches(
        images,
        batch=_batch(options, images.size),
        geometry=options.geometry,
        images=share,
        workers=options.hardware.workers,
        device=target,
    )
    with ImageProgress(images.name, len(share), quiet=not processes.is_first()) as bar:
        for found in batches:
            yield found.images
            bar.add(len(found.images))


def _known(options: Options, networks: Networks, images: FolderSet, content: Content | None) -> Reference | None:
    """Features of the originals that an earlier evaluation kept."""
    if options.reference is None or not has_reference(options.reference):
        return None
    found = original_features.read(options.reference, networks.device)
    found.check(networks.of_sets(), n=len(images), digest=content and content.digest)
    return found


def _keep(options: Options, features: SetFeatures | None, images: FolderSet, content: Content) -> None:
    if options.reference is None or features is None:
        return
    with new_result(options.reference, REFERENCE) as folder:
        original_features.write(features, folder, name=images.name, digest=content.digest, size=images.size)
    print(f"{options.reference}: features of the originals, for the next model", file=sys.stderr)


def _write(options: Options, record: Record, pictures: tuple[Tensor, Tensor] | None = None) -> None:
    with new_result(options.place, EVALUATION) as folder:
        if pictures is not None:
            save_pictures(folder / PICTURES, *pictures)
        write_record(folder, record)
    print(f"{options.place}: metrics.json{' and pictures' if pictures is not None else ''}", file=sys.stderr)


@contextmanager
def _words_of_the_command_line() -> Iterator[None]:
    """Errors that name options, where they named settings."""
    try:
        yield
    except ResourceError as error:
        raise ResourceError(
            str(error).replace("hardware.workers", "--workers").replace(" (hardware.mem_mb)", "")
        ) from None
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise ResourceError("out of memory; lower --batch, or evaluate at a smaller --size") from None

"""A published tokenizer as a folder that from_pretrained opens: the result of `pqgan fetch-baseline`."""

from pathlib import Path

from pqgan.job import Job
from pqgan.provenance import write_provenance
from pqgan.settings import Settings
from pqgan.storage.atomic import write_text
from pqgan.storage.outputs import new_result
from pqgan.tokenizer.load import SOURCE, Source, hashes, open_published

from .codecs import Codec
from .open import CODEC, CodecFile


def run(settings: Settings, job: Job, *, out: Path) -> None:
    """Fetch a published tokenizer, converting it where it has another format; of a codec write down which it is.

    Args:
        job: of chapter published; named as in the catalogue, or as a codec.
        out: config.json, safetensors, source.json and provenance.json; or codec.json and provenance.json.

    Raises:
        SettingsError: there is no published tokenizer of this name.
        DataError: its file is damaged or another.
        ResourceError: Pillow lacks the codec; a tokenizer is neither on this machine nor to be downloaded.
    """
    if job.name in settings.scale.evaluation.codecs:
        codec = Codec(job.name)
        with new_result(out, job.chapter) as folder:
            write_text(folder / CODEC, CodecFile(codec=codec.name).model_dump_json(indent=1) + "\n")
            write_provenance(folder, job)
        return
    tokenizer = open_published(job.name)
    with new_result(out, job.chapter) as folder:
        tokenizer.model.save_pretrained(folder, safe_serialization=True)
        source = Source(
            published=job.name,
            origin=tokenizer.source.origin,
            files=tokenizer.source.files,
            weights=hashes(folder),
        )
        write_text(folder / SOURCE, source.model_dump_json(indent=1) + "\n")
        write_provenance(folder, job)

"""What `--model` names: a codec, or any tokenizer."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pqgan.errors import SettingsError
from pqgan.settings.codecs import METHODS
from pqgan.storage.json_files import read_model
from pqgan.tokenizer.kinds import Tokenizer
from pqgan.tokenizer.load import load_tokenizer

from .codecs import Codec

CODEC = "codec.json"


class CodecFile(BaseModel):
    """codec.json, which is all of a codec's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: str
    """Such as jpeg@1.75."""


def open_model(spec: str | Path) -> Tokenizer:
    """A codec, by its name at bits a pixel or its folder; else what load_tokenizer opens.

    Args:
        spec: such as jpeg@1.75, or as load_tokenizer takes it. A Path is always a place on the disk.

    Raises:
        SettingsError: it is none of these.
        DataError: not the files of a tokenizer, or damaged ones.
        ResourceError: not on this machine and not to be downloaded.
    """
    if isinstance(spec, str) and spec.partition("@")[0] in METHODS and "@" in spec:
        return Codec(spec)
    folder = Path(spec)
    if spec and (folder / CODEC).exists():
        remedy = "a codec and its bits; delete the folder and fetch again"
        return Codec(read_model(folder / CODEC, CodecFile, remedy).codec)
    try:
        return load_tokenizer(spec)
    except SettingsError as error:
        raise SettingsError(f"{error}; or a codec at bits a pixel ({', '.join(METHODS)}), such as jpeg@1.75") from None

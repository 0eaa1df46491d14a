"""Archives that are hostile, damaged or not the expected ones: refused whole, with nothing left behind."""

import gzip
import io
import os
import random
import stat
import struct
import tarfile
import zipfile
from collections import namedtuple

import pytest

from pqgan.data import archive as archives
from pqgan.data.archive import provide
from pqgan.errors import DataError, ResourceError


@pytest.fixture
def root(tmp_path):
    """A data root."""
    path = tmp_path / "raw"
    path.mkdir()
    return path


def member(name, kind=tarfile.REGTYPE, content=b"", link=""):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(content), link
    return info, content


def tar(path, members):
    mode = "w" if path.suffix == ".tar" else "w:gz"
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as file:
        for info, content in members:
            file.addfile(info, io.BytesIO(content))
    return path


def packed(path, files):
    """An archive of any kind, of ordinary files: name -> content."""
    if path.suffix != ".zip":
        return tar(path, [member(name, content=content) for name, content in files.items()])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def names(path):
    with tarfile.open(path) as file:
        return file.getnames()


def unpack(path):
    provide(path, path.parent / "set", "", None)


def assert_nothing_made(root, path):
    assert sorted(root.iterdir()) == [path]
    assert os.listdir(root.parent) == [root.name], "nothing beside it either"


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folders_of_their_own_modes_and_repeated_ones(root):
    one, two = member("a", tarfile.DIRTYPE), member("a/b.txt", content=b"text")
    one[0].mode, two[0].mode = 0o777, 0o4777
    unpack(tar(root / "x.tar", [member("./", tarfile.DIRTYPE), one, two, member("a/", tarfile.DIRTYPE), member("c")]))
    assert contents(root / "set") == {"a/b.txt": b"text", "c": b""}
    mode = stat.S_IMODE((root / "set" / "a" / "b.txt").stat().st_mode)
    assert mode == 0o755, "nobody else writes, nobody becomes root"


HOSTILE = {
    "a climb": ([member("../evil")], r"\.\./evil \(leads out of its folder\)"),
    "a climb within": ([member("a/../../evil")], r"a/\.\./\.\./evil \(leads out of its folder\)"),
    "a climb that comes back": ([member("a/../b")], r"a/\.\./b \(leads out of its folder\)"),
    "a folder that climbs": ([member("..", tarfile.DIRTYPE)], r"\.\. \(leads out of its folder\)"),
    "an absolute name": ([member("/tmp/evil")], r"/tmp/evil \(an absolute name\)"),
    "a name absolute on Windows": ([member("C:/evil")], r"C:/evil \(an absolute name\)"),
    "a backslash": ([member("..\\evil")], r"\.\.\\evil \(a name with a backslash"),
    "a symbolic link": ([member("l", tarfile.SYMTYPE, link="/etc")], r"l \(a symbolic link\)"),
    "a symbolic link within": ([member("l", tarfile.SYMTYPE, link="a")], r"l \(a symbolic link\)"),
    "a hard link": ([member("a"), member("l", tarfile.LNKTYPE, link="a")], r"l \(a hard link\)"),
    "a way through a link": (
        [member("l", tarfile.SYMTYPE, link="/tmp"), member("l/evil")],
        r"1 members are not .*: l \(a symbolic link\)",
    ),
    "a pipe": ([member("p", tarfile.FIFOTYPE)], r"p \(a device or pipe\)"),
    "a character device": ([member("p", tarfile.CHRTYPE)], r"p \(a device or pipe\)"),
    "a block device": ([member("p", tarfile.BLKTYPE)], r"p \(a device or pipe\)"),
    "a kind unknown": ([member("p", b"Q")], r"p \(of a kind unknown\)"),
    "a name that repeats": ([member("a"), member("./a", content=b"2")], r"\./a \(a name that repeats\)"),
    "a file, then a folder": ([member("a"), member("a", tarfile.DIRTYPE)], r"a \(a folder with the name of a file\)"),
    "a folder, then a file": ([member("a", tarfile.DIRTYPE), member("a")], r"a \(a file with the name of a folder\)"),
    "a file above, later": ([member("a/b"), member("a")], r"a \(a file with the name of a folder\)"),
    "a file above, before": ([member("a"), member("a/b/c")], r"a/b/c \(lies in a, which is a file\)"),
    "a part too long": ([member("a" * 256)], r"a{200} \(too long a name\)"),
    "too long": ([member("a/" * 600 + "b")], r"\(too long a name\)"),
    "no name": ([member(".")], r"\. \(no name\)"),
}


@pytest.mark.parametrize("suffix", ["tar", "tgz"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_members_have_the_whole_archive_refused(root, kind, suffix):
    members, said = HOSTILE[kind]
    path = tar(root / f"x.{suffix}", [member("good.png", content=b"pixels"), *members])
    with pytest.raises(DataError, match=said) as error:
        unpack(path)
    assert str(error.value).startswith(f"{path}: refused whole, as 1 members are not plain files and folders inside it")
    assert "\n" not in str(error.value)
    assert_nothing_made(root, path)


def zip_info(name, mode=0, flags=0):
    info = zipfile.ZipInfo(name)
    info.external_attr, info.flag_bits = mode << 16, flags
    return info


HOSTILE_ZIP = {
    "../evil": (0, "leads out of its folder"),
    "/tmp/evil": (0, "an absolute name"),
    "..\\evil": (0, "a name with a backslash"),
    "link": (stat.S_IFLNK | 0o777, "a symbolic link"),
    "pipe": (stat.S_IFIFO | 0o644, "a device or pipe"),
    "good.png": (0, "a name that repeats"),
    "good.png/more": (0, r"lies in good\.png, which is a file"),
}


@pytest.mark.parametrize("name", HOSTILE_ZIP)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_members_of_a_zip(root, name):
    mode, said = HOSTILE_ZIP[name]
    path = packed(root / "x.zip", {"good.png": b"pixels"})
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(zip_info(name, mode), b"/etc/passwd")
    with pytest.raises(DataError, match=rf"x\.zip: refused whole.*\({said}"):
        unpack(path)
    assert_nothing_made(root, path)


def test_a_locked_zip(root):
    path = packed(root / "x.zip", {"good.png": b"pixels"})
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1  # the flag in the directory at the end
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"good\.png \(encrypted\)"):
        unpack(path)
    assert_nothing_made(root, path)


def test_every_bad_member_is_counted_and_the_first_twelve_named(root):
    path = tar(
        root / "x.tar", [member(f"../evil{i}\x1b[2J") for i in range(40)] + [member("good.png", content=b"pixels")]
    )
    with pytest.raises(DataError, match=r"as 40 members are not .* and 28 more; get it") as error:
        unpack(path)
    message = str(error.value)
    assert message.isprintable(), "a name cannot move the cursor"
    assert [f"evil{i}" in message for i in range(40)] == [True] * 12 + [False] * 28


def cut(part):
    return lambda content: content[: int(len(content) * part)]


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


DAMAGE = {
    "empty": lambda content: b"",
    "a page": lambda content: b"<!DOCTYPE html><html>404</html>" * 100,
    "a tenth": cut(0.1),
    "a half": cut(0.5),
    "nearly all": cut(0.98),
}


@pytest.mark.parametrize("suffix", ["tar", "tgz", "zip"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_archives(root, suffix, damage):
    noise = random.Random(0)
    files = {f"{i}.bin": noise.randbytes(3000) for i in range(20)}
    path = packed(root / f"x.{suffix}", files)
    content = DAMAGE[damage](path.read_bytes().rstrip(b"\0") if suffix == "tar" else path.read_bytes())
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.\w+: damaged, cut short or no archive of that kind \(.+\); get it from"):
        unpack(path)
    assert_nothing_made(root, path)


@pytest.mark.parametrize("suffix", ["tgz", "zip"])
def test_a_flipped_byte_is_noticed_by_checksums(root, suffix):
    path = packed(root / f"x.{suffix}", {"1.bin": random.Random(0).randbytes(30_000)})
    path.write_bytes(flipped(path.read_bytes()))
    with pytest.raises(DataError, match="damaged"):
        unpack(path)
    assert_nothing_made(root, path)


def test_a_tar_cut_between_members_is_not_a_smaller_tar(root):
    path = tar(root / "x.tar", [member(f"{i}", content=bytes(512)) for i in range(4)])
    path.write_bytes(path.read_bytes()[: 2 * 1024])
    assert names(path) == ["0", "1"], "to its reader it is one"
    with pytest.raises(DataError, match="no end mark after its last readable member"):
        unpack(path)


def test_a_damaged_header_is_not_the_end(root):
    path = tar(root / "x.tar", [member(f"{i}", content=bytes(512)) for i in range(4)])
    content = bytearray(path.read_bytes())
    content[2048] ^= 1  # the name of the third
    path.write_bytes(content)
    assert names(path) == ["0", "1"], "to its reader it is"
    with pytest.raises(DataError, match="no end mark after its last readable member"):
        unpack(path)


def test_tars_one_after_the_other(root):
    path = tar(root / "x.tar", [member("a")])
    path.write_bytes(path.read_bytes() + tar(root / "y.tar", [member("b")]).read_bytes())
    with pytest.raises(DataError, match="goes on after its end mark"):
        unpack(path)


def raw_header(name, size, kind=b"0"):
    """A tar header whose size says what it likes."""
    field = struct.pack(">Bxxxq", 0x80 if size >= 0 else 0xFF, size)
    if size < 0:
        field = b"\xff" * 4 + struct.pack(">q", size)
    block = bytearray(
        name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + field + b"00000000000\0" + b" " * 8 + kind
    )
    block = block.ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0")
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (raw_header(b"a", -1024), r"a member of -1024 bytes"),
        (raw_header(b"a", 1 << 40, b"x"), r"a header of \d+ bytes"),
        (raw_header(b"a", 1 << 40, b"L"), r"a header of \d+ bytes"),
        (raw_header(b"a", -1024, b"x"), r"damaged"),
    ],
    ids=["negative", "long extended header", "long name", "negative header"],
)
def test_headers_that_would_loop_or_fill_the_memory(root, header, said):
    path = root / "x.tar"
    path.write_bytes(raw_header(b"good", 0) + header + bytes(10240))
    with pytest.raises(DataError, match=said):
        unpack(path)
    assert_nothing_made(root, path)


def test_more_than_the_disk_holds(root, monkeypatch):
    path = root / "bomb.tgz"
    # a tebibyte by its header, of which nothing follows
    path.write_bytes(gzip.compress(raw_header(b"a", 1 << 40) + bytes(10240)))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, 10**9))
    with pytest.raises(ResourceError, match=r"unpacks to 1099\.5 GB or more; .* has room for 1\.0 GB; free space"):
        unpack(path)
    assert_nothing_made(root, path)


def test_more_members_than_are_allowed(root, monkeypatch):
    monkeypatch.setattr(archives, "MEMBERS", 10)
    path = packed(root / "x.zip", {f"{i}": b"" for i in range(11)})
    with pytest.raises(DataError, match="more than 10 files and folders"):
        unpack(path)
    deep = tar(root / "x.tar", [member("a/" * 11 + "b"), member("c")])
    with pytest.raises(DataError, match="more than 10 files and folders"):
        unpack(deep)


def test_a_disk_that_fills_up(root, monkeypatch):
    path = packed(root / "x.tgz", {"1.png": b"pixels"})

    def full(*_, **__):
        raise OSError(28, "No space left on device", str(root / ".set"))

    monkeypatch.setattr(tarfile, "copyfileobj", full)
    with pytest.raises(ResourceError, match="No space left on device; free space, or unpack"):
        unpack(path)
    assert_nothing_made(root, path)

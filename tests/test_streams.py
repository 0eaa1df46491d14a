"""What a command does where its output is closed, full, or no longer read."""

import os
import subprocess
import sys

import pytest

from pqgan.streams import UNREAD, quiet_when_unread

PQGAN = [sys.executable, "-m", "pqgan.cli"]


def shell(line: str, *words: object) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", "-c", line, "bash", *map(str, words)], capture_output=True, text=True, check=False)


def test_a_reader_that_leaves_ends_a_command_in_silence(params_path):
    command = [*PQGAN, "plan", "--scale", "paper", "--params", str(params_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout.readline().startswith(b"data ")
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == UNREAD == 141


def test_a_reader_that_was_never_there_is_no_error_of_a_short_output(params_path):
    """Python writes it at its very end, when it can only complain."""
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(
        [*PQGAN, "plan", "--scale", "mini-best", "--params", params_path],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (run.returncode, run.stderr) == (UNREAD, b"")


def test_closed_streams_are_no_error(params_path):
    line = '"$1" -m pqgan.cli plan --scale smoke --params "$2" {}; echo $? >&3'
    for closed in (">&-", "<&-", "<&- >&- 2>&-"):
        run = shell(f"exec 3>&1; {line.format(closed)}", sys.executable, params_path)
        assert run.stdout.splitlines()[-1] == "0"
        assert run.stderr == ""


def test_an_error_does_not_go_to_the_output_where_stderr_is_closed(params_path):
    run = shell('"$1" -m pqgan.cli plan --scale none --params "$2" 2>&-', sys.executable, params_path)
    assert (run.returncode, run.stdout, run.stderr) == (2, "", "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_closed_stream(tmp_path, closed):
    code = (
        "import os, sys; from pqgan.streams import quiet_when_unread\n"
        "def main(argv=None):\n"
        "    with open(sys.argv[1], 'w') as file:\n"
        "        os.write(1, b'of a library')\n"
        "        os.write(2, b'of a library')\n"
        "        file.write('result')\n"
        "    return 0\n"
        "sys.exit(quiet_when_unread(main)())"
    )
    out = tmp_path / "result.txt"
    assert shell(f'"$1" -c "$2" "$3" {closed}', sys.executable, code, out).returncode == 0
    assert out.read_text() == "result"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_behind_the_output_is_one_line_however_short_it_is(params_path):
    run = shell('"$1" -m pqgan.cli plan --scale mini-best --params "$2" > /dev/full', sys.executable, params_path)
    assert run.returncode == 5
    assert run.stderr == "pqgan plan: No space left on device; free space or raise the limit\n"


def test_another_pipe_that_breaks_is_told(capsys):
    @quiet_when_unread
    def main(argv=None):
        raise BrokenPipeError("of a worker")

    with pytest.raises(BrokenPipeError, match="of a worker"):
        main()

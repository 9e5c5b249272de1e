"""What all commands do alike: errors of one line, exit statuses, and how to go on after an interruption."""

from __future__ import annotations

import errno
from threading import Thread

import pytest

from evaluate.commands import RefusalError, Work, carry_out, command_line


def work(run):
    return Work(run, lambda: "3 of 8 are kept", "python -m it --resume there")


def raising(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize("error", [ValueError("seeds must be 1"), FileNotFoundError("no run there")])
def test_what_is_wrong_with_options_or_input_is_one_line_and_status_2(capsys, error):
    assert carry_out(raising(error)) == 2
    assert capsys.readouterr().err == f"error: {error}\n"


def test_what_the_user_has_to_change_later_is_one_line_and_status_2_too(capsys):
    assert carry_out(lambda: work(raising(RefusalError("train them first")))) == 2
    assert capsys.readouterr().err == "error: train them first\n"


def test_a_full_disk_is_one_line_that_names_file_what_is_kept_and_how_to_go_on(capsys):
    error = OSError(errno.ENOSPC, "No space left on device", "runs/it/last.pt")
    assert carry_out(lambda: work(raising(error))) == 1
    assert capsys.readouterr().err == (
        "error: No space left on device: runs/it/last.pt; 3 of 8 are kept; to go on: python -m it --resume there\n"
    )


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(capsys):
    assert carry_out(lambda: work(raising(KeyboardInterrupt()))) == 130
    assert capsys.readouterr().err == "\ninterrupted: 3 of 8 are kept; to go on:\n  python -m it --resume there\n"


def test_ctrl_c_before_anything_has_begun_says_so(capsys):
    assert carry_out(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "\ninterrupted: nothing has begun\n"


def test_an_error_of_the_program_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        carry_out(lambda: work(lambda: 1 // 0))


def test_the_exit_status_is_that_of_the_work():
    assert carry_out(lambda: work(lambda: 1)) == 1


def test_a_command_line_quotes_what_a_shell_would_split():
    assert command_line("train.gp", "--resume", "my runs/it").endswith("-m train.gp --resume 'my runs/it'")


def test_what_a_thread_cannot_write_ends_the_command_in_one_line(capsys):
    def write():
        raise OSError(errno.ENOSPC, "No space left on device")

    def run():
        thread = Thread(target=write)
        thread.start()
        thread.join()
        return 0

    assert carry_out(lambda: work(run)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: No space left on device; 3 of 8 are kept")

"""Modes of what is kept on this machine."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

from cic_assets.private import close_folders


def modes(folder):
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode)
        for path in [folder, *folder.rglob("*")]
        if not path.is_symlink()
    }


def test_folders_of_earlier_releases_are_closed_once(tmp_path):
    home, lake, other = tmp_path / "home", tmp_path / "lake", tmp_path / "other"
    for folder in (home, lake, other):
        (folder / "a").mkdir(parents=True)
        (folder / "a" / "f").write_text("x")
        for path in (folder, folder / "a"):
            path.chmod(0o755)
        (folder / "a" / "f").chmod(0o644)
    (lake / "link").symlink_to(other)
    close_folders(home, lake)
    assert {mode & 0o077 for mode in [*modes(home).values(), *modes(lake).values()]} == {0}
    assert modes(other)["a/f"] == 0o644, "what a link leads to is somebody else's"
    lake.chmod(0o750)
    close_folders(home, lake)
    assert modes(lake)["."] == 0o750, "who opens it on purpose keeps that"


def test_what_a_command_writes_is_its_users_alone(tmp_path):
    code = "import os; os.umask(0o022); from cic_assets.cli.app import main; main()"
    command = [sys.executable, "-c", code, "streams", "new", "mine", "--folder", str(tmp_path)]
    environ = {**os.environ, "CIC_HOME": str(tmp_path / "home")}
    subprocess.run(command, check=True, env=environ, capture_output=True)
    assert modes(tmp_path)["mine.yml"] == 0o600

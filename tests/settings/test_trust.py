"""A state folder or secret that another user put into a project's folder is refused; those of earlier releases open."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.settings import Settings, load_settings
from tests.fakes.denied import NOBODY

SECRET = "0123456789abcdef" * 4
SECRETS = ("hash_key", "local_token")
STATED = {"ASSAY_HASH_KEY": SECRET, "ASSAY_LOCAL_TOKEN": SECRET}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another user")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state of a project with both secrets, in a folder that everybody may write."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "providers.yml").touch()
    tmp_path.chmod(0o777)
    made = tmp_path / ".assay"
    made.mkdir()
    for name in SECRETS:
        (made / name).write_text(SECRET)
    return made


def loaded(state: Path, **env: str) -> Settings:
    return load_settings({"ASSAY_ROOT": str(state.parent), **env})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@as_root
@pytest.mark.parametrize("given", [{}, STATED], ids=["secrets in files", "secrets in the environment"])
def test_a_state_folder_of_another_user_is_refused(state: Path, given: dict[str, str]) -> None:
    os.chown(state, NOBODY, NOBODY)
    with pytest.raises(UsageError) as refused:
        loaded(state, **given)
    assert f"{state} belongs to " in str(refused.value)
    assert "(uid 65534): expected root (uid 0)" in str(refused.value)
    assert "move it away" in refused.value.next_step


@as_root
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_of_another_user_is_refused_and_not_shown(state: Path, name: str) -> None:
    os.chown(state / name, NOBODY, NOBODY)
    (state / name).chmod(0o666)
    with pytest.raises(UsageError, match=rf"{name} belongs to .*uid 65534.*expected root") as refused:
        loaded(state)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_secret_behind_a_link_is_refused(state: Path, name: str, target: str) -> None:
    (state.parent / "elsewhere").write_text(SECRET)
    (state / name).unlink()
    (state / name).symlink_to(state.parent / target)
    with pytest.raises(UsageError, match=rf"{name} is a symbolic link: expected a regular file"):
        loaded(state)


def test_a_pipe_in_place_of_a_secret_is_refused_at_once(state: Path) -> None:
    (state / "hash_key").unlink()
    os.mkfifo(state / "hash_key")
    with pytest.raises(UsageError, match="hash_key is a device or socket: expected a regular file"):
        loaded(state)


def test_a_state_folder_behind_an_own_link_opens(state: Path) -> None:
    moved = state.rename(state.parent / "moved")
    state.symlink_to(moved)
    assert loaded(state).local_token == SECRET


@as_root
@pytest.mark.parametrize("planted", ["link", "folder"])
def test_a_state_folder_behind_a_link_of_another_user_is_refused(state: Path, planted: str) -> None:
    moved = state.rename(state.parent / "moved")
    state.symlink_to(moved)
    os.chown(state if planted == "link" else moved, NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(UsageError, match=r"\.assay belongs to .*uid 65534"):
        loaded(state, **STATED)


@as_root
@pytest.mark.parametrize("of_root", [(), ("hash_key",), (".",)], ids=["none", "a secret", "the folder"])
def test_a_container_of_root_opens_the_project_of_a_person(state: Path, of_root: tuple[str, ...]) -> None:
    for path in (state.parent, state, *state.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    for name in of_root:
        os.chown(state / name, 0, 0)
    settings = loaded(state)
    assert (settings.hash_key.decode(), settings.local_token) == (SECRET, SECRET)


def test_a_state_of_an_older_release_opens_and_is_closed_to_others(state: Path) -> None:
    state.chmod(0o777)
    for name in SECRETS:
        (state / name).chmod(0o666)
    assert loaded(state).local_token == SECRET
    assert [mode(path) for path in (state, *(state / name for name in SECRETS))] == [0o700, 0o600, 0o600]

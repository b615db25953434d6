"""A Git repository on this computer, read by dulwich: no working copy is touched, no hook and no filter runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path

from common.errors import Refused
from common.events.approver import CommitAuthor
from dulwich.diff_tree import RENAME_CHANGE_TYPES, RenameDetector
from dulwich.errors import NotGitRepository
from dulwich.graph import can_fast_forward
from dulwich.object_store import iter_tree_contents
from dulwich.objects import S_ISGITLINK, Blob, Commit, ObjectID
from dulwich.refs import Ref
from dulwich.repo import Repo
from dulwich.walk import WalkEntry

MOST_FILES = 200
MOST_BYTES = 512 * 1024
MOST_COMMITS = 10_000
_SUFFIXES = (b".yaml", b".yml")


@dataclass(frozen=True, slots=True)
class GitFile:
    """One file of declarations at a commit."""

    path: str
    text: str


class Repository:
    """`path` is the folder of a clone, bare or not. Raises `Refused` (`not_a_repository`)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._repo = Repo(str(path))
        except (NotGitRepository, FileNotFoundError) as error:
            hint = "Name the folder of a clone: git clone URL FOLDER"
            raise Refused("not_a_repository", f"there is no Git repository at {path}", hint) from error

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *_: object) -> None:
        self._repo.close()

    def tip(self, branch: str) -> str:
        """The commit at which a branch stands: as fetched from the origin, else the local one. Raises `Refused`
        (`no_such_branch`)."""
        for name in (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}"):
            ref = Ref(name.encode())
            if ref in self._repo.refs:
                return self._repo.refs[ref].decode()
        names = [name.decode() for name in self._repo.refs.allkeys()]
        known = sorted(name.removeprefix("refs/heads/") for name in names if name.startswith("refs/heads/"))
        raise Refused(
            "no_such_branch", f"{self.path} has no branch {branch}", f"There are: {', '.join(known) or 'none'}."
        )

    def files(self, commit: str, under: str) -> list[GitFile]:
        """The YAML files at or below `under` ("": all), by path. Raises `Refused` (`too_large`, `no_such_file`)."""
        store, wanted = self._repo.object_store, under.strip("/").encode()
        found: list[GitFile] = []
        for entry in iter_tree_contents(store, self._commit(commit).tree):
            path = bytes(entry.path)
            inside = not wanted or path == wanted or path.startswith(wanted + b"/")
            if not inside or not path.endswith(_SUFFIXES):
                continue
            if S_ISGITLINK(entry.mode or 0):  # another repository, by its commit: nothing of it is here
                continue
            blob = store[entry.sha]
            assert isinstance(blob, Blob), "a file of a tree is a blob"
            if len(found) >= MOST_FILES or len(blob.data) > MOST_BYTES:
                told = f"more than {MOST_FILES} files, or one of more than {MOST_BYTES} bytes"
                raise Refused(
                    "too_large", f"{under or 'the repository'} has {told}", "Watch a smaller folder: --path"
                )
            found.append(GitFile(_name(path), blob.data.decode("utf-8", errors="replace")))
        if not found:
            raise Refused(
                "no_such_file", f"there is no YAML file under {under or '/'} at {commit[:12]}", "Give --path."
            )
        return sorted(found, key=lambda file: file.path)

    def authors(self, commit: str, changed: Iterable[tuple[str, str | None]]) -> list[CommitAuthor]:
        """Who wrote the commits up to `commit` that touched these files, each since a commit of its own (None, or one
        that history no longer has, or nobody touched them since: since ever), under whatever name; and, of a commit
        that history no longer has, who wrote what was taken out with it. By address.

        Raises `Refused` (`shallow_clone`)."""
        if self._repo.get_shallow():
            told = f"{self.path} is a shallow clone: who wrote what lies before it can't be told"
            raise Refused("shallow_clone", told, "Fetch all of it: git fetch --unshallow")
        commits: dict[bytes, Commit] = {}
        for path, base in changed:
            tip = ObjectID(commit.encode())
            since = None if base is None else ObjectID(base.encode())
            if since is not None and not self.contains(commit, since.decode()):
                if since in self._repo.object_store:
                    commits |= self._touching(path.encode(), since, tip, later_names=True)
                since = None
            touching = self._touching(path.encode(), tip, since)
            commits |= touching or self._touching(path.encode(), tip, None)
        counts: dict[tuple[str, str], int] = {}
        for one in commits.values():
            who = _address(one.author)
            counts[who] = counts.get(who, 0) + 1
        return [
            CommitAuthor(name=name, email=email, commits=number) for (email, name), number in sorted(counts.items())
        ]

    def contains(self, commit: str, base: str) -> bool:
        """Whether `base` is in the history of `commit`: it is not where somebody moved the branch back, or aside."""
        ours, theirs = ObjectID(base.encode()), ObjectID(commit.encode())
        return ours in self._repo.object_store and can_fast_forward(self._repo, ours, theirs)

    def _touching(
        self, path: bytes, commit: ObjectID, since: ObjectID | None, *, later_names: bool = False
    ) -> dict[bytes, Commit]:
        """The commits that touched a file under any name that it ever had. Each name is looked for in all of the
        history: what one branch did under the old name counts also where another had renamed it before. With
        `later_names`, `path` is what it was called before these commits: what they renamed it to counts, too."""
        found: dict[bytes, Commit] = {}
        names, wanted = set[bytes](), {path}
        while not wanted <= names:
            names |= wanted
            walker = self._repo.get_walker(
                include=[commit],
                exclude=None if since is None else [since],
                paths=sorted(names),
                rename_detector=RenameDetector(self._repo.object_store),
                max_entries=MOST_COMMITS,
            )
            for entry in walker:
                found[bytes(entry.commit.id)] = entry.commit
                wanted |= {old for old, new in _renamed(entry) if new in names}
                if later_names:
                    wanted |= {new for old, new in _renamed(entry) if old in names}
        return found

    def author(self, commit: str) -> str:
        """The address of the author of one commit."""
        return _address(self._commit(commit).author)[0]

    def _commit(self, commit: str) -> Commit:
        found = self._repo.object_store[ObjectID(commit.encode())]
        assert isinstance(found, Commit), "a branch stands at a commit"
        return found


def _name(path: bytes) -> str:
    """The path as text: with another one its commits would not be found again. Raises `Refused` (`bad_path`)."""
    try:
        return path.decode()
    except UnicodeDecodeError as error:
        told = f"the name of the file {path.decode(errors='replace')} is not UTF-8"
        raise Refused("bad_path", told, "Rename it: nothing was proposed.") from error


def _renamed(entry: WalkEntry) -> Iterator[tuple[bytes, bytes]]:
    """(name before, name after) of what a commit renamed or copied, a merge as against any of its parents."""
    for change in entry.changes():
        for one in change if isinstance(change, list) else [change]:
            if one is not None and one.type in RENAME_CHANGE_TYPES and one.old and one.new:
                yield one.old.path, one.new.path


def _address(author: bytes) -> tuple[str, str]:
    """(address in lower case, name)."""
    name, email = parseaddr(author.decode(errors="replace"))
    return (email or author.decode(errors="replace")).casefold()[:200], name[:200]

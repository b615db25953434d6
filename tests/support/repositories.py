"""Real Git repositories, written with dulwich."""

from __future__ import annotations

from pathlib import Path

from dulwich import porcelain
from dulwich.objects import S_IFGITLINK, Blob, Commit, ObjectID, Tree
from dulwich.repo import Repo


class Merges:
    """A repository of the test's own with one branch, `main`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.repo = Repo.init(str(folder), default_branch=b"main")
        self.count = 0

    def commit(self, who: str, files: dict[str, str | None]) -> str:
        """One commit; None removes a file. `who` is `Name <address>`. Answers its id."""
        self.count += 1
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
                porcelain.remove(self.repo, [str(path)], cached=True)
            else:
                path.write_text(text)
                porcelain.add(self.repo, [str(path)])
        when = 1_700_000_000 + self.count * 60
        made = porcelain.commit(
            self.repo, message=f"Change {self.count}", author=who.encode(), committer=b"Merge Bot <bot@example.org>",
            author_timestamp=when, commit_timestamp=when, sign=False, no_verify=True,
        )  # fmt: skip
        return made.decode()

    def write(self, files: dict[str, str | None], who: str, parents: list[str]) -> str:
        """One commit of exactly these files, as objects alone: no branch moves. None is a submodule."""
        self.count += 1
        tree, store = Tree(), self.repo.object_store
        for name, text in files.items():
            blob = Blob.from_string((text or "").encode())
            store.add_object(blob)
            path = name.encode(errors="surrogateescape")
            tree.add(
                path, S_IFGITLINK if text is None else 0o100644, ObjectID(b"1" * 40) if text is None else blob.id
            )
        store.add_object(tree)
        made = Commit()
        made.tree, made.parents = tree.id, [ObjectID(parent.encode()) for parent in parents]
        made.author, made.committer, made.message = who.encode(), b"Merge Bot <bot@example.org>", b"Written"
        made.author_time = made.commit_time = 1_700_000_000 + self.count * 60
        made.author_timezone = made.commit_timezone = 0
        store.add_object(made)
        return made.id.decode()

    def close(self) -> None:
        self.repo.close()

"""Simulates a disk after a power cut: a model of a file system, and the images that the model allows.

The model is a journalling file system with only the following promises. ext4, XFS and Btrfs keep more in most
cases. So a run that survives here does not depend on their habits.

The promises of a sync (POSIX.1-2017, fsync(); Linux, fsync(2)):

- A sync of a file makes its content and its length durable. It does not make its entry in the folder durable.
- A sync of a folder makes its present entries durable: files that were made, removed or renamed in it. It promises
  nothing about the content of the files, about folders in it, and about its own entry in the folder above.

Changes that were not synced:

- The change of an entry may persist or not, independently of earlier and later changes of other entries in the
  same folder or in other folders. Changes of one name keep their order.
- A rename is one step: either the old name is gone and the new name leads to the file, or nothing has changed. A
  name that is replaced always leads to the old file or to the new one. A sync of either folder makes the whole
  rename durable.
- Making a symbolic link is one step, too: no link is without its target.
- Written content may be missing, cut off, or zeros (the file has the new length, but not the bytes). Writes to one
  file may be lost or torn independently of each other. So a rename may persist although its file is empty.
- Synced content, and content from before the run, stays until an operation changes it.

Permission bits and times are not modelled.

Sources: T. S. Pillai et al., "All File Systems Are Not Created Equal: On the Complexity of Crafting
Crash-Consistent Applications", OSDI 2014, found that directory operations are atomic on ext3, ext4, XFS, ReiserFS
and Btrfs, that Btrfs reorders them, and that appended data may be lost, reordered or replaced by zeros while later
operations persist (its abstract persistence model). LevelDB's tests with an environment that drops what was not
synced gave the idea to replay a run.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from recording import Step

# A whole image: path -> content of a file, target of a link, None for a folder.
Image = dict[str, "bytes | str | None"]


class Content(enum.Enum):
    """The parts that persist of writes that were not synced."""

    ALL = "all"
    NONE = "none"
    ZEROS = "zeros"
    TORN = "torn"
    LAST = "last"


@dataclass(eq=False)
class _File:
    """A file: its durable content, and the writes that are not synced."""

    durable: bytes = b""
    # Writes as (offset, content); a truncation as (size, None).
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def content(self, kind: Content, dice: random.Random | None = None) -> bytes:
        """The content after a power cut, if a part of the unsynced writes persists."""
        if kind is Content.NONE or not self.pending:
            return self.durable
        whole = _written(self.durable, self.pending)
        if kind is Content.ALL:
            return whole
        if kind is Content.ZEROS:
            return self.durable[: len(whole)] + bytes(max(0, len(whole) - len(self.durable)))
        if kind is Content.LAST:
            last = _written(self.durable, self.pending[-1:])
            return last[: len(whole)] + bytes(max(0, len(whole) - len(last)))
        total = sum(len(content or b"") for _, content in self.pending)
        left = total // 2 if dice is None else dice.randint(0, total)
        kept: list[tuple[int, bytes | None]] = []
        for place, content in self.pending:
            kept.append((place, None if content is None else content[:left]))
            left -= len(content or b"")
            if left <= 0:
                break
        return _written(self.durable, kept)


def _written(before: bytes, writes: Sequence[tuple[int, bytes | None]]) -> bytes:
    content = bytearray(before)
    for place, piece in writes:
        if piece is None:
            content = content[:place] + bytes(max(0, place - len(content)))
        elif piece:
            content += bytes(max(0, place - len(content)))
            content[place : place + len(piece)] = piece
    return bytes(content)


@dataclass(eq=False)
class _Folder:
    entries: dict[str, _Node] = field(default_factory=dict)
    durable: dict[str, _Node] = field(default_factory=dict)


_Node = _File | _Folder | str


@dataclass(eq=False)
class _Change:
    """Entries that change in one step: (folder, name, new node; None: the entry is removed)."""

    entries: list[tuple[_Folder, str, _Node | None]]

    def names(self) -> list[tuple[int, str]]:
        return [(id(folder), name) for folder, name, _ in self.entries]


class Disk:
    """A disk on which steps are done, with the durable part of them.

    Args:
        folder: the content at the start, all of which is durable.
    """

    def __init__(self, folder: Path) -> None:
        self._root = _read(folder)
        # The changes and files that are not durable yet, in order.
        self._changes: list[_Change] = []
        self._written: list[_File] = []

    def do(self, step: Step) -> None:
        """Do the next step of a run."""
        match step.kind:
            case "create":
                self._change((step.path, _File()))
            case "mkdir":
                self._change((step.path, _Folder()))
            case "symlink":
                self._change((step.path, step.source))
            case "link":
                self._change((step.path, self._node(step.source)))
            case "unlink" | "rmdir":
                self._change((step.path, None))
            case "rename":
                self._change((step.source, None), (step.path, self._node(step.source)))
            case "write" | "truncate":
                file = self._node(step.path)
                assert isinstance(file, _File)
                file.pending.append((step.offset, step.content) if step.kind == "write" else (step.size, None))
                if file not in self._written:
                    self._written.append(file)
            case "sync":
                self._sync(self._node(step.path))
            case other:
                raise ValueError(other)

    def whole(self) -> Image:
        """The image that the run sees. A kill without a power cut leaves this image."""
        return self._image(self._changes, Content.ALL)

    def images(self, dice: random.Random, randoms: int, most: int | None) -> Iterator[tuple[str, Image]]:
        """Yield images that a power cut may leave now, each with a short description. The model allows more of
        them.

        Args:
            dice: random numbers, which decide what persists in random images.
            randoms: number of random images.
            most: largest number of changes of which each is kept alone, and left out alone. They are the newest
                change and random ones. None: all changes.
        """
        changes = self._changes
        yield "nothing that was not synced", self._image([], Content.NONE)
        if self._written:
            for kind in (Content.NONE, Content.ZEROS, Content.TORN, Content.LAST):
                yield f"all names; of content: {kind.value}", self._image(changes, kind)
            yield "all content, no names", self._image([], Content.ALL)
        folders = {id(folder): folder for change in changes for folder, _, _ in change.entries}
        for each in folders:
            touched = [change for change in changes if any(folder == each for folder, _ in change.names())]
            name = self._path_of(folders[each])
            yield f"only names in {name}", self._image(self._needed(touched), Content.ALL)
            yield f"all but names in {name}", self._image(self._without(touched), Content.ALL)
        chosen = changes
        if most is not None and len(changes) > most:
            chosen = [changes[-1], *dice.sample(changes[:-1], most - 1)]
        for change in chosen:
            name = ", ".join(f"{self._path_of(folder)}/{name}" for folder, name, _ in change.entries)
            yield f"all but {name}", self._image(self._without([change]), Content.ALL)
            yield f"only {name}", self._image(self._needed([change]), Content.ALL)
        for number in range(randoms if changes or self._written else 0):
            lost = [change for change in changes if dice.random() < dice.choice((0.1, 0.5, 0.9))]
            kept = self._without(lost)
            yield f"by chance, {number}", self._image(kept, dice)

    def _node(self, path: str) -> _Node:
        node: _Node = self._root
        for name in Path(path).parts:
            assert isinstance(node, _Folder)
            node = node.entries[name]
        return node

    def _change(self, *entries: tuple[str, _Node | None]) -> None:
        change = _Change([])
        for path, node in entries:
            folder = self._node(str(Path(path).parent))
            assert isinstance(folder, _Folder)
            name = Path(path).name
            change.entries.append((folder, name, node))
            if node is None:
                del folder.entries[name]
            else:
                folder.entries[name] = node
        self._changes.append(change)

    def _sync(self, node: _Node) -> None:
        if isinstance(node, _File):
            node.durable, node.pending = node.content(Content.ALL), []
            if node in self._written:
                self._written.remove(node)
            return
        touched = [change for change in self._changes if any(folder is node for folder, _, _ in change.entries)]
        for change in self._needed(touched):
            self._changes.remove(change)
            _apply(change, None)

    def _needed(self, wanted: Sequence[_Change]) -> list[_Change]:
        """The changes, and the earlier changes of the same names."""
        names: set[tuple[int, str]] = set()
        needed = []
        for change in reversed(self._changes):
            if change in wanted or names.intersection(change.names()):
                needed.append(change)
                names.update(change.names())
        return needed[::-1]

    def _without(self, lost: Sequence[_Change]) -> list[_Change]:
        """All changes except the lost ones and the later changes of the same names."""
        names: set[tuple[int, str]] = set()
        kept = []
        for change in self._changes:
            if change in lost or names.intersection(change.names()):
                names.update(change.names())
            else:
                kept.append(change)
        return kept

    def _image(self, changes: Sequence[_Change], content: Content | random.Random) -> Image:
        """The image in which some changes persist, and some of the unsynced content."""
        entries: dict[int, dict[str, _Node]] = {}
        for change in changes:
            _apply(change, entries)
        image: Image = {}

        def add(folder: _Folder, path: str) -> None:
            for name, node in sorted(entries.get(id(folder), folder.durable).items()):
                place = f"{path}{name}"
                if isinstance(node, _Folder):
                    image[place] = None
                    add(node, f"{place}/")
                elif isinstance(node, _File):
                    if isinstance(content, Content):
                        image[place] = node.content(content)
                    else:
                        image[place] = node.content(content.choice(list(Content)), content)
                else:
                    image[place] = node

        add(self._root, "")
        return image

    def _path_of(self, wanted: _Folder) -> str:
        def search(folder: _Folder, path: str) -> str | None:
            if folder is wanted:
                return path or "."
            for name, node in folder.entries.items():
                if isinstance(node, _Folder) and (found := search(node, f"{path}/{name}" if path else name)):
                    return found
            return None

        return search(self._root, "") or "a folder that is gone"


def _apply(change: _Change, entries: dict[int, dict[str, _Node]] | None) -> None:
    """Apply a change to the entries of an image; if there is none, to the durable entries."""
    for folder, name, node in change.entries:
        there = folder.durable if entries is None else entries.setdefault(id(folder), dict(folder.durable))
        if node is None:
            there.pop(name, None)
        else:
            there[name] = node


def _read(folder: Path) -> _Folder:
    found = _Folder()
    for path in folder.iterdir():
        node: _Node
        if path.is_symlink():
            node = str(path.readlink())
        elif path.is_dir():
            node = _read(path)
        else:
            node = _File(path.read_bytes())
        found.entries[path.name] = node
    found.durable = dict(found.entries)
    return found


def image_of(folder: Path) -> Image:
    """The image of a folder as it is."""
    return Disk(folder).whole()


def digest_of(image: Image) -> int:
    """A hash that distinguishes images. Python stores the hash of a content, so most hashes are computed once."""
    return hash(frozenset(image.items()))


def write_image(image: Image, place: Path) -> None:
    """Write an image into a new folder."""
    place.mkdir()
    for path, content in sorted(image.items()):
        target = place / path
        if content is None:
            target.mkdir()
        elif isinstance(content, str):
            target.symlink_to(content)
        else:
            target.write_bytes(content)

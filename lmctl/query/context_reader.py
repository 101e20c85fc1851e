"""Reads contexts. What they have in common at their beginning is read once.

The contexts of a call form a tree: contexts with the same first tokens share a path. A node is the end of a
context, or a place where contexts part. It is read from the nearest node above it, or from a stored state after
more of its tokens. Nodes whose start is known are read side by side.

A state does not depend on the pieces in which tokens are read (`families.base`), so the answers are those of
contexts that are read one by one, from their start.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lmctl.query.batching import LARGEST_BATCH, batches_by_length, read_side_by_side
from lmctl.query.state_store import StateStore, bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.arrays import IntArray
    from lmctl.families.base import LanguageModel

# Contexts of one tree.
CONTEXTS_AT_ONCE = 1 << 10
# A node is a start for others if this saves reading so many tokens. A start that saves less costs more than it
# saves, because what follows it has to wait.
FEWEST_SAVED = 16
# Bytes of the states of a batch, of those that wait to be answered together, and of those that others start from.
WAITING_BYTES = 1 << 25
# Number of earlier contexts that are compared with, to find where further ones part. They have no place.
RECENT = 4
EARLIER = -1


class _Sequence(NamedTuple):
    """A context.

    Attributes:
        key: its tokens as bytes, whose order is that of the tokens.
        place: its place among the contexts of the call, or `EARLIER`.
        tokens: (T,).
    """

    key: bytes
    place: int
    tokens: IntArray

    @classmethod
    def of(cls, context: Sequence[int], place: int) -> _Sequence:
        tokens = np.array(context, dtype=">i4")
        return cls(tokens.tobytes(), place, tokens.astype(np.int32))

    @property
    def start(self) -> bytes:
        """The first tokens, as bytes."""
        return self.key[: 4 * FEWEST_SAVED]


_key = attrgetter("key")


@dataclass(slots=True, eq=False)
class _Node:
    """A place in the tree.

    Attributes:
        tokens: the tokens from the start of the context, (T,).
        places: the contexts that end here.
        children: the nodes below.
        contexts: number of contexts that end here or below; those that were read before count, too.
        wanted: number of these contexts that are read now.
    """

    tokens: IntArray
    places: list[int] = field(default_factory=list)
    children: list[_Node] = field(default_factory=list)
    contexts: int = 0
    wanted: int = 0


@dataclass(slots=True, eq=False)
class _Task:
    """A node that is read from a state.

    Attributes:
        node: the node.
        begun: number of its tokens that the state has read.
        state: the state, one column; None: nothing has been read.
        next: the tasks that start at the node.
    """

    node: _Node
    begun: int
    state: Any
    next: list[_Task]


class ContextReader:
    """Reads contexts from the null state of a model. Several threads may use a reader.

    Args:
        language_model: the model.
        store: states after earlier contexts; None: a new store.

    Attributes:
        store: the states.
    """

    def __init__(self, language_model: LanguageModel[Any], store: StateStore | None = None) -> None:
        self._language_model = language_model
        self.store = StateStore() if store is None else store
        self._earlier: deque[_Sequence] = deque(maxlen=RECENT)

    def read(self, contexts: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], Any]]:
        """Read contexts, in any order.

        Args:
            contexts: token ids of each.

        Yields:
            The places of some contexts, and the state after them, one in each column.
        """
        length = self._language_model.context_length
        if length is not None:
            # Earlier tokens change nothing, so nothing is stored either.
            short = [context[max(0, len(context) - length) :] for context in contexts]
            for places in batches_by_length([len(context) for context in short]):
                state = self._language_model.null_state(len(places))
                yield places, read_side_by_side(self._language_model, state, [short[place] for place in places])
            return
        sequences = [_Sequence.of(context, place) for place, context in enumerate(contexts)]
        sequences.sort(key=_key)
        for first in range(0, len(sequences), CONTEXTS_AT_ONCE):
            yield from self._read_tree(sequences[first : first + CONTEXTS_AT_ONCE])

    def states(self, contexts: Sequence[Sequence[int]]) -> Any:
        """The state after contexts, one in each column, in their order."""
        parts = list(self.read(contexts))
        places = np.array([place for some, _ in parts for place in some])
        return self._language_model.select_columns(self._joined([state for _, state in parts]), np.argsort(places))

    def _read_tree(self, sequences: list[_Sequence]) -> Iterator[tuple[list[int], Any]]:
        # Those that have little in common with an earlier one would not start where it ends.
        starts = {sequence.start for sequence in sequences}
        # A copy, because another thread may add to them meanwhile.
        earlier = [sequence for sequence in tuple(self._earlier) if sequence.start in starts]
        root = _tree(sorted([*sequences, *earlier], key=_key) if earlier else sequences)
        waiting, waiting_bytes = [], 0
        if root.places:
            waiting.append((root.places, self._language_model.null_state(len(root.places))))
        # Lists of tasks that can begin. The tasks of the last list come first, so that few states are kept.
        ready = [self._tasks(root)]
        while ready:
            batches, following, following_bytes = deque(_batches(ready.pop())), [], 0
            while batches and following_bytes < WAITING_BYTES:
                members = batches.popleft()
                state = self._advanced(members)
                noted = self._noted(members, state)
                if noted:
                    following += noted
                    following_bytes += bytes_of(state)
                columns = [column for column, task in enumerate(members) for _ in task.node.places]
                if columns:
                    places = [place for task in members for place in task.node.places]
                    if columns != list(range(len(members))):
                        state = self._language_model.select_columns(state, np.array(columns))
                    waiting.append((places, state))
                    waiting_bytes += bytes_of(state)
                if waiting_bytes >= WAITING_BYTES or sum(len(some) for some, _ in waiting) >= LARGEST_BATCH:
                    yield self._together(waiting)
                    waiting, waiting_bytes = [], 0
            ready += [tasks for tasks in ([*chain.from_iterable(batches)], following) if tasks]
        if waiting:
            yield self._together(waiting)
        self._earlier.append(sequences[-1]._replace(place=EARLIER))

    def _tasks(self, root: _Node) -> list[_Task]:
        """The tasks that can begin; each has those that start where it ends."""
        first: list[_Task] = []
        # The children of a node, the number of tokens before them that are read, and the tasks that they join.
        open_nodes: list[tuple[_Node, int, list[_Task]]] = [(child, 0, first) for child in root.children]
        while open_nodes:
            node, begun, tasks = open_nodes.pop()
            if not node.wanted:
                continue
            stored = self.store.longest(node.tokens, begun)
            known = begun if stored is None else len(stored.tokens)
            others = node.contexts - len(node.places)
            saved = (len(node.tokens) - known) * (others if node.places else others - 1)
            is_start = saved >= FEWEST_SAVED and others > 0
            if not node.places and not is_start:
                open_nodes += [(child, begun, tasks) for child in node.children]
                continue
            task = _Task(node, known, None if stored is None else stored.state, [])
            # A stored state makes it independent of the tasks before it.
            (first if stored is not None else tasks).append(task)
            if is_start:
                open_nodes += [(child, len(node.tokens), task.next) for child in node.children]
            else:
                open_nodes += [(child, begun, tasks) for child in node.children]
        return first

    def _advanced(self, tasks: Sequence[_Task]) -> Any:
        """The state after the nodes of tasks, one in each column."""
        starts = [task.state for task in tasks]
        if all(start is None for start in starts):
            state = self._language_model.null_state(len(tasks))
        elif all(start is starts[0] for start in starts):
            state = starts[0]
            if len(tasks) > 1:
                state = self._language_model.select_columns(state, np.zeros(len(tasks), dtype=np.int64))
        else:
            null = self._language_model.null_state(1)
            state = self._language_model.join([null if start is None else start for start in starts])
        rest = [task.node.tokens[task.begun :] for task in tasks]
        return read_side_by_side(self._language_model, state, rest) if any(map(len, rest)) else state

    def _noted(self, tasks: Sequence[_Task], state: Any) -> list[_Task]:
        """Store the states of tasks, and return the tasks that follow them."""
        following = []
        for column, task in enumerate(tasks):
            # A copy also of a single column, because its arrays may be views of larger ones.
            own = self._language_model.select_columns(state, np.array([column]))
            self.store.put(task.node.tokens, own)
            for other in task.next:
                other.state = own
                following.append(other)
        return following

    def _together(self, waiting: list[tuple[list[int], Any]]) -> tuple[list[int], Any]:
        return [place for places, _ in waiting for place in places], self._joined([state for _, state in waiting])

    def _joined(self, states: Sequence[Any]) -> Any:
        return states[0] if len(states) == 1 else self._language_model.join(states)


def _batches(tasks: Sequence[_Task]) -> Iterator[list[_Task]]:
    """Batches of tasks with about as many tokens to read. The states of a batch have up to `WAITING_BYTES`."""
    for places in batches_by_length([len(task.node.tokens) - task.begun for task in tasks]):
        batch: list[_Task] = []
        batch_bytes = 0
        for place in places:
            task = tasks[place]
            task_bytes = bytes_of(task.state)
            if batch and batch_bytes + task_bytes > WAITING_BYTES:
                yield batch
                batch, batch_bytes = [], 0
            batch.append(task)
            batch_bytes += task_bytes
        yield batch


def _tree(sequences: Sequence[_Sequence]) -> _Node:
    """The tree of contexts, which are sorted."""
    root = _Node(np.zeros(0, dtype=np.int32))
    # The nodes from the root to the context before.
    path = [root]
    for sequence in sequences:
        tokens = sequence.tokens
        common = _common(path[-1].tokens, tokens)
        while len(path[-1].tokens) > common:
            last = path.pop()
            if len(path[-1].tokens) < common:
                path.append(_Node(last.tokens[:common]))
            _hang(path[-1], last)
        if len(path[-1].tokens) < len(tokens):
            path.append(_Node(tokens))
        path[-1].contexts += 1
        if sequence.place != EARLIER:
            path[-1].places.append(sequence.place)
            path[-1].wanted += 1
    while len(path) > 1:
        last = path.pop()
        _hang(path[-1], last)
    return root


def _hang(parent: _Node, child: _Node) -> None:
    parent.children.append(child)
    parent.contexts += child.contexts
    parent.wanted += child.wanted


def _common(one: IntArray, other: IntArray) -> int:
    """Number of tokens at the start that two contexts have in common."""
    length = min(len(one), len(other))
    differ = one[:length] != other[:length]
    place = int(differ.argmax()) if length else 0
    return place if length and differ[place] else length

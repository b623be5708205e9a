"""What a build dealt, what it left out and why, and the card that says so."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import PIL

from tasktransfer.errors import InputError, quoted
from tasktransfer.tasks.builders.draft import Builder
from tasktransfer.tasks.builders.source import Source
from tasktransfer.tasks.leaks import DISTANCE, FINE_DISTANCE, HashedPictures, Leak

__all__ = ["LETTERS", "Hand", "card_of", "too_few"]

LETTERS = "ABCD"
_LISTED = 200  # names listed in the card


@dataclass
class Hand:
    """Letters still to be dealt; what was left out and why."""

    left: list[int]
    rng: np.random.Generator
    rows: list[dict[str, Any]] = field(default_factory=list)
    origins: list[dict[str, Any]] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    unbalanced: int = 0

    def place(self, places: tuple[int, ...]) -> int | None:
        """A place for the right option, drawn by how many of its letters are left."""
        weights = np.array([self.left[place] for place in places], float)
        if not weights.sum():
            return None
        return int(self.rng.choice(places, p=weights / weights.sum()))


def too_few(source: Source, hand: Hand, n_items: int) -> InputError:
    """The error for a source that gives out: how many items it made, and what was left out.

    Parameters
    ----------
    source
        With the pictures that could not be read.
    hand
        With the items that were made and those left out.
    n_items
        Items asked for.
    """
    made = Counter(row["answer"] for row in hand.rows)
    letters = ", ".join(f"{made[LETTERS[place]]} {LETTERS[place]}" for place in range(len(hand.left)))
    reasons = [
        f"{len(hand.leaks)} left out as near evaluation pictures" * bool(hand.leaks),
        f"{len(source.unreadable)} unreadable pictures (first: {quoted(source.unreadable, limit=2)})"
        * bool(source.unreadable),
        f"{hand.unbalanced} left out because their letter was full" * bool(hand.unbalanced),
    ]
    why = "; ".join(reason for reason in reasons if reason)
    return InputError(
        f"{source.root}: gives {len(hand.rows)} of {n_items} items ({letters})"
        + (f"; {why}" if why else "")
        + "; ask for fewer with --items, the same number for every task"
    )


def card_of(
    task: str,
    builder: Builder,
    source: Source,
    hand: Hand,
    n_items: int,
    seed: int,
    pictures: HashedPictures | None,
) -> dict[str, Any]:
    """Facts of a finished build; nothing that changes from run to run.

    Parameters
    ----------
    task
        A key of `tasktransfer.tasks.builders.registry.BUILDERS`.
    builder
        The recipe.
    source
        With the digests of what was read, and the pictures that could not be.
    hand
        With the items that were made and those left out.
    n_items
        Items asked for.
    seed
        Of whatever was drawn.
    pictures
        Evaluation pictures that were kept out; None where none were given.
    """
    from tasktransfer.version import __version__

    used = sorted({file for origin in hand.origins for file in origin["files"]})
    whole = hashlib.sha256()
    for name, digest in sorted(source.annotations.items()):
        whole.update(f"{name} {digest}\n".encode())
    for name in used:
        whole.update(f"{name} {source.image_digest(name)}\n".encode())
    return {
        "task": task,
        "builder": {
            "source": builder.source,
            "version": builder.version,
            "tasktransfer": __version__,
            "pillow": PIL.__version__,
            "numpy": np.__version__,
        },
        "licence": builder.licence,
        "seed": seed,
        "n_items": n_items,
        "letters": dict(sorted(Counter(row["answer"] for row in hand.rows).items())),
        "source": {
            "annotation_files": len(source.annotations),
            "images_used": len(used),
            "sha256": whole.hexdigest(),
        },
        "removed": {
            "near_evaluation_images": len(hand.leaks),
            "unreadable_images": len(source.unreadable),
            "letter_was_full": hand.unbalanced,
            "leaks": [leak._asdict() for leak in hand.leaks[:_LISTED]],
            "unreadable": dict(sorted(source.unreadable.items())[:_LISTED]),
        },
        "against": None if pictures is None else _against(pictures),
    }


def _against(pictures: HashedPictures) -> dict[str, Any]:
    return {
        "images": len(pictures.names),
        "unreadable": pictures.unreadable[:_LISTED],
        "distances": [DISTANCE, FINE_DISTANCE],
        # in order and each once, so that neither names nor order of the files count
        "sha256": hashlib.sha256(np.unique(pictures.hashes, axis=0).tobytes()).hexdigest(),
    }

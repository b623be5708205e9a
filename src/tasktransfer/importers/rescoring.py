"""Replies of a harness log scored by our own reader, with the harness's verdict beside them.

The letter a reply names is found by `tasktransfer.tasks.answers.options`, for every harness alike, so that runs
can be compared. Items whose right answer is no letter (numbers, open text) keep the harness's score.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from tasktransfer.errors import InputError, quoted
from tasktransfer.importers.logs import Log, Reply
from tasktransfer.tasks import find_task
from tasktransfer.tasks.answers.options import find_letter, letter_of

__all__ = ["ITEM_COLUMNS", "score_replies"]

ITEM_COLUMNS = (
    "target",
    "item",
    "answer",  # the right one
    "predicted",  # letter; None where the reply names none
    "correct",  # 1.0 or 0.0; NaN where the score lies between
    "score",  # [0, 1]
    "parse_ok",
    "harness_correct",  # the harness's own score; NaN where it gave none
)


class _Scored(NamedTuple):
    target: str
    item: str
    answer: str
    predicted: str | None
    correct: float
    score: float
    parse_ok: bool
    harness_correct: float
    text: str | None  # for messages; not a column


def score_replies(log: Log, place: str) -> tuple[pd.DataFrame, list[str]]:
    """Score the replies of one run.

    Parameters
    ----------
    log
        As read; of an item logged twice the last reply counts.
    place
        Name of the log, for messages.

    Returns
    -------
    items, notes
        A table with the columns `ITEM_COLUMNS`, one row per target and item, epochs averaged; and what there
        is to know, as parts of a sentence.

    Raises
    ------
    InputError
        The right answers are hidden, as in the test split of BLINK.
    """
    replies = {(reply.target, reply.item, reply.epoch): reply for reply in log.replies}
    notes = []
    if repeated := len(log.replies) - len(replies):
        notes.append(f"{repeated} items are logged more than once; the last counts")
    hidden = next((reply for reply in replies.values() if reply.answer.lower() == "hidden"), None)
    if hidden is not None:
        raise InputError(
            f"{place}: the right answers of {hidden.target} are hidden (a test split); nothing to score"
        )
    letters = _letters_by_target(replies.values())
    rows = [_score(reply, letters[reply.target]) for reply in replies.values()]
    scored = [row for row in rows if not math.isnan(row.score)]
    if lost := len(rows) - len(scored):
        notes.append(f"{lost} items have neither a reply nor a score and are left out")
    notes.extend(_scoring_notes(scored))
    items, epoch_notes = _without_epochs(pd.DataFrame([row[:-1] for row in scored], columns=list(ITEM_COLUMNS)))
    return items, [*notes, *epoch_notes]


def _letters_by_target(replies: Iterable[Reply]) -> dict[str, str]:
    """Letters of the options of each target: as registered, else up to the highest right answer."""
    letters: dict[str, str] = {}
    for reply in replies:
        task = find_task(reply.target)
        right = letter_of(reply.answer)
        registered = task.n_choices or 0 if task is not None else None  # None of a task whose answer is a number
        n_choices = registered if registered is not None else max(2, ord(right) - ord("A") + 1) if right else 0
        if n_choices > len(letters.setdefault(reply.target, "")):
            letters[reply.target] = string.ascii_uppercase[:n_choices]
    return letters


def _score(reply: Reply, letters: str) -> _Scored:
    right = letter_of(reply.answer)
    if len(reply.choices) > len(letters):
        letters = string.ascii_uppercase[: len(reply.choices)]
    head = (reply.target, reply.item)
    if right is None or reply.text is None:
        whole = reply.verdict if reply.verdict in (0.0, 1.0) else math.nan
        known = not math.isnan(reply.verdict)
        answer = right or reply.answer
        return _Scored(*head, answer, None, whole, reply.verdict, known, reply.verdict, None)
    predicted = find_letter(reply.text, letters, reply.choices)
    hit = float(predicted == right)
    return _Scored(*head, right, predicted, hit, hit, predicted is not None, reply.verdict, reply.text)


def _scoring_notes(rows: Sequence[_Scored]) -> list[str]:
    """Replies without an answer, disagreement with the harness, targets taken as the harness scored them."""
    read = [row for row in rows if row.text is not None]
    notes = []
    if unread := [row for row in read if not row.parse_ok]:
        notes.append(f"{_share(unread, read)} replies name no option, e.g. {_example(unread[0])}")
    judged = [row for row in read if not math.isnan(row.harness_correct)]
    if differ := [row for row in judged if (row.harness_correct > 0.5) != (row.score > 0.5)]:
        ours = sum(row.score > 0.5 for row in differ)
        examples = "; ".join(_disagreement(row) for row in differ[:2])
        notes.append(
            f"{_share(differ, judged)} verdicts differ from the harness's ({ours} right here and wrong there), "
            f"e.g. {examples}"
        )
    if taken := sorted({row.target for row in rows if row.text is None}):
        notes.append(
            f"{quoted(taken)} as the harness scored it: answers are no letters, or replies are not logged"
        )
    return notes


def _share(some: Sequence[object], of_all: Sequence[object]) -> str:
    return f"{len(some)} of {len(of_all)} ({len(some) / len(of_all):.1%})"


def _example(row: _Scored) -> str:
    text = " ".join((row.text or "").split())
    return f"{row.target} {row.item} {quoted([text], width=40)}"


def _disagreement(row: _Scored) -> str:
    there = "right" if row.harness_correct > 0.5 else "wrong"
    return f"{_example(row)} is {row.predicted or 'no answer'} here, {there} there, {row.answer} is right"


def _without_epochs(items: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """One row per item: scores averaged over epochs, the answer kept where all epochs agree on it."""
    key = ["target", "item"]
    if not items.duplicated(key).any():
        return items, []
    groups = items.groupby(key, sort=False)
    mean = groups.agg(
        answer=("answer", "first"),
        predicted=("predicted", lambda given: given.iloc[0] if given.nunique(dropna=False) == 1 else None),
        score=("score", "mean"),
        parse_ok=("parse_ok", "all"),
        harness_correct=("harness_correct", "mean"),
    ).reset_index()
    mean["correct"] = mean["score"].where(mean["score"].isin([0.0, 1.0]))
    n_epochs = groups.size()
    epochs = f"{n_epochs.min()} to {n_epochs.max()}" if n_epochs.min() < n_epochs.max() else str(n_epochs.max())
    return mean[list(ITEM_COLUMNS)], [f"scores are means over {epochs} epochs of each item"]

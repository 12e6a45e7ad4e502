"""What must not stand in a book that is meant not to tell."""

from collections.abc import Iterable

from openbook_eval.conditions.material import Material
from openbook_eval.evidence import plain
from openbook_eval.types import Entry, Question


class Telling:
    """Whether an entry answers a question of a group: it is that of a twin, or one text holds the other."""

    def __init__(self, material: Material, members: Iterable[Question]) -> None:
        """Of the questions of a group."""
        self._material = material
        self._clusters = {material.cluster_of[question.id] for question in members}
        self._texts = [material.entries[question.id].text for question in members]
        # Single signs stand in any text.
        right = {tuple(map(plain, question.right_texts)) for question in members}
        self._right = [texts for texts in right if min(map(len, texts)) > 1]

    def __call__(self, entry: Entry) -> bool:
        """Whether the entry is of a question that asks the same, or one text holds the other."""
        if self._material.cluster_of.get(entry.question_id) in self._clusters:
            return True
        return any(text in entry.text or entry.text in text for text in self._texts)

    def named_in(self, entry: Entry) -> bool:
        """Whether the entry holds all right texts of a question; it may tell then, in whatever words it was asked."""
        text = plain(entry.text)
        return any(all(option in text for option in texts) for texts in self._right)

"""Bad pictures for the rows that have none: the prompt's own, corrupted, the same ones for the same seed."""

from __future__ import annotations

from ratchet.artifacts import ImageBank
from ratchet.errors import TrainError
from ratchet.generate.negatives.pictures import corrupt, encode
from ratchet.generate.sampling import derived_seed
from ratchet.recipe import PictureTermsConfig
from ratchet.train.preference.rows import Row, of_inputs


class BadPictures:
    """Makes bad pictures one row at a time, so that no more than a row's are in memory."""

    def __init__(self, terms: PictureTermsConfig, bank: ImageBank, seed: int) -> None:
        self._terms = terms
        self._bank = bank
        self._seed = seed
        self._rows = 0
        self._spared: list[int] = []

    def of(self, number: int, row: Row) -> list[bytes]:
        """Encoded bad pictures of row `number`: those that it names; none for a pair of inputs; else its own, corrupted."""
        self._rows += 1
        if row["bad_images"] or of_inputs(row):
            return [self._bank.bytes(name) for name in row["bad_images"]]
        made = [self._worse(name, place) for place, name in enumerate(row["images"])]
        if all(one is None for one in made):
            self._spared.append(number)
        return [one or self._bank.bytes(name) for one, name in zip(made, row["images"], strict=True)]

    def check(self) -> None:
        """Raise TrainError when the corruption left the pictures of rows as they are, with how many."""
        if self._spared:
            raise TrainError(
                f"corruption {self._terms.corruption} leaves the pictures of {len(self._spared)} of {self._rows} rows as they are (first: "
                f"row {min(self._spared)}), so that good and bad are the same; set train.pictures.bad to another kind."
            )

    def _worse(self, name: str, place: int) -> bytes | None:
        """The picture made worse; None where the corruption spares it."""
        source = self._bank.image(name)
        made = corrupt(source, self._terms.corruption, self._terms.bad_params, derived_seed(self._seed, name, place))
        same = made.size == source.size and made.tobytes() == source.tobytes()
        return None if same else encode(made)

"""A round's collection and autonomy in whole sentences, and in a line for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ratchet.report.collection import CellView, CollectionView, TemperatureView, skill_weights
from ratchet.report.view import RoundView
from ratchet.report.words import finite, listed, percent, plural, thousands

LAST = 3


def made(shown: CollectionView) -> str:
    """What came of the prompts; empty where the manifest does not say."""
    if shown.prompts is None or shown.completions is None:
        return ""
    said = f"{plural(shown.completions, 'completion')} of {plural(shown.prompts, 'prompt')}"
    if shown.negatives:
        said += f", {thousands(sum(shown.negatives.values()))} of them negatives"
    if shown.clipped is not None and shown.completions:
        said += f", {percent(shown.clipped / shown.completions)} cut at the token limit"
    return f"{said}.{_lost(shown)}"


def _lost(shown: CollectionView) -> str:
    lost = []
    if shown.refused:
        lost.append(f"{plural(shown.refused, 'prompt was', 'prompts were')} refused")
    if shown.failed:
        lost.append(f"{plural(shown.failed, 'prompt')} got no answer")
    return f" {listed(lost)}." if lost else ""


def tuned(chosen: TemperatureView) -> str:
    """The chosen temperature against the others."""
    at = next((one for one in chosen.curve if one.temperature == chosen.chosen), None)
    if at is None or finite(at.pass_at_2) is None:
        return f"Temperature {chosen.chosen:g} was chosen."
    return (
        f"Temperature {chosen.chosen:g} was chosen of {plural(len(chosen.curve), 'temperature')}: Reward-Pass@2 "
        f"{percent(at.pass_at_2)} on {plural(at.prompts, 'validation prompt')}."
    )


def probed(shown: CollectionView, name: str) -> str:
    """How the probe of this name went; empty where the manifest does not say."""
    probe = next((one for one in shown.probes if one.name == name), None)
    if probe is None:
        return ""
    lost = [(probe.unanswered, "got no answer"), (probe.unscored, "could not be judged")]
    told = [f"{thousands(count)} {words}" for count, words in lost if count]
    return f"The probe asked {plural(probe.asked, 'question')}{f'; {listed(told)}' if told else ''}."


def steered(cells: Sequence[CellView]) -> str:
    """Which skills are taken most and least of, and whether the pool could give what was asked for."""
    if not cells:
        return ""
    weights = skill_weights(cells)
    most, least = max(weights, key=weights.__getitem__), min(weights, key=weights.__getitem__)
    asked, came = sum(cell.asked for cell in cells), sum(cell.came for cell in cells)
    short = sum(cell.came < cell.asked for cell in cells)
    said = f"Most is taken of {most} (weight {weights[most]:.2f}), least of {least} ({weights[least]:.2f})."
    came_words = f" {thousands(asked)} prompts were asked for and {thousands(came)} came"
    gave = (
        f"; {plural(short, 'cell')} had too few" + (", and others gave more" if came == asked else "") if short else ""
    )
    return f"{said}{came_words}{gave}."


def autonomy_sentences(rounds: Iterable[RoundView]) -> list[tuple[str, str]]:
    """Each sentence about autonomy once, with the rounds that it is about."""
    by_sentence: dict[str, list[int]] = {}
    for r in rounds:
        if r.autonomy is not None:
            by_sentence.setdefault(r.autonomy.sentence, []).append(r.number)
    return [(_rounds(numbers), sentence) for sentence, numbers in by_sentence.items()]


def _rounds(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"Round {numbers[0]}"
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"Rounds {numbers[0]} to {numbers[-1]}"
    return f"Rounds {listed([str(n) for n in numbers])}"


def terminal_lines(rounds: Sequence[RoundView]) -> list[str]:
    """Autonomy of all rounds, and the last rounds' collection in a line each; nothing of what was not recorded."""
    lines = [f"{of}, autonomy {sentence}" for of, sentence in autonomy_sentences(rounds)]
    for shown in rounds[-LAST:]:
        if shown.collection is not None and (parts := _parts(shown.collection)):
            lines.append(f"Round {shown.number} collected: {'; '.join(parts)}.")
    return lines


def _parts(shown: CollectionView) -> list[str]:
    strategies = [f"{s.name} {s.share:.0%}" for s in shown.strategies if s.share is not None]
    parts = [", ".join(strategies)] if strategies else []
    if shown.negatives:
        parts.append(f"negatives {_counts(shown.negatives)}")
    if shown.reasons:
        parts.append(f"refused or failed {_counts(shown.reasons)}")
    if shown.temperature is not None:
        parts.append(f"temperature {shown.temperature.chosen:g}")
    if shown.cells:
        weights = skill_weights(shown.cells)
        most, least = max(weights, key=weights.__getitem__), min(weights, key=weights.__getitem__)
        parts.append(f"weights from {least} {weights[least]:.2f} to {most} {weights[most]:.2f}")
    return parts


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())

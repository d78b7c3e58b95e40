"""Why a group is dropped, in the order in which the filters look; a group has the first reason that holds."""

from __future__ import annotations

KEPT = "kept"
UNSCORED = "unscored"
CLIPPED = "clipped"
UNPARSED = "unparsed"
TOO_HARD = "too_hard"
TOO_EASY = "too_easy"
NO_USE = "no_use"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near_duplicate"
HELD_OUT_PROMPT = "held_out_prompt"
HELD_OUT_PICTURE = "held_out_picture"
HELD_OUT_NEAR = "held_out_near"
OVER_CAP = "over_cap"
UNBALANCED = "unbalanced"

REASONS: dict[str, str] = {
    UNSCORED: "no completion was decided: verifiers failed, or the prompt has no reference",
    CLIPPED: "every completion was cut at max_new_tokens",
    UNPARSED: "no decided completion holds one readable answer",
    TOO_HARD: "share of passed completions below min_pass_rate",
    TOO_EASY: "share of passed completions above max_pass_rate",
    NO_USE: "nothing in it to train on: no completion to keep, no pair, no spread",
    DUPLICATE: "same pictures and question as an earlier kept group",
    NEAR_DUPLICATE: "same question, and pictures within dedup_near_bits of an earlier kept group",
    HELD_OUT_PROMPT: "the prompt is in the holdout or report split",
    HELD_OUT_PICTURE: "a picture is in the holdout or report split",
    HELD_OUT_NEAR: "same question as a holdout or report prompt, and a picture within decontaminate_near_bits",
    OVER_CAP: "more than per_skill groups of its skill",
    UNBALANCED: "more groups of its skill than balance times the rarest",
}
NAMES: tuple[str, ...] = (KEPT, *REASONS)
CODES: dict[str, int] = {name: code for code, name in enumerate(NAMES)}

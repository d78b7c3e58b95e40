"""Why a group is dropped, in the order in which the filters look; a group has the first reason that holds."""

from __future__ import annotations

KEPT = "kept"
UNSCORED = "unscored"
CLIPPED = "clipped"
UNPARSED = "unparsed"
TOO_HARD = "too_hard"
TOO_EASY = "too_easy"
LOW_VARIANCE = "low_variance"
MISORDERED = "misordered"
NO_USE = "no_use"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near_duplicate"
HELD_OUT_PROMPT = "held_out_prompt"
HELD_OUT_PICTURE = "held_out_picture"
HELD_OUT_NEAR = "held_out_near"
HELD_OUT_NGRAM = "held_out_ngram"
NEAR_DUPLICATE_TEXT = "near_duplicate_text"
NEAR_DUPLICATE_EMBEDDING = "near_duplicate_embedding"
NOT_DIVERSE = "not_diverse"
OVER_CAP = "over_cap"
OVER_DIFFICULTY_CAP = "over_difficulty_cap"
OVER_PASS_RATE_CAP = "over_pass_rate_cap"
UNBALANCED = "unbalanced"
LENGTH_UNBALANCED = "length_unbalanced"
REPLAYED_BEFORE = "replayed_before"

REASONS: dict[str, str] = {
    UNSCORED: "no completion was decided: verifiers failed, or the prompt has no reference",
    CLIPPED: "too many completions were cut at max_new_tokens (clipped_share; all of them, if not set)",
    UNPARSED: "too few decided completions hold one readable answer (unparsed_share; none, if not set)",
    TOO_HARD: "share of passed completions below min_pass_rate",
    TOO_EASY: "share of passed completions above max_pass_rate",
    LOW_VARIANCE: "scores spread less than min_score_std, and it serves nothing else",
    MISORDERED: "pairs.repair dropped its pairs, and it serves nothing else",
    NO_USE: "nothing in it to train on: no completion to keep, no pair, no spread",
    DUPLICATE: "same pictures and question as an earlier kept group",
    NEAR_DUPLICATE: "same question, and pictures within dedup_near_bits of an earlier kept group",
    HELD_OUT_PROMPT: "the prompt is in a holdout or report split (the round's, or of a set in decontaminate_against)",
    HELD_OUT_PICTURE: "a picture is in a holdout or report split (the round's, or of a set in decontaminate_against)",
    HELD_OUT_NEAR: "a picture within decontaminate_near_bits of a holdout or report prompt's, and its question or any (decontaminate_near_scope)",
    HELD_OUT_NGRAM: "shares decontaminate_ngram words in a row with a holdout or report prompt",
    NEAR_DUPLICATE_TEXT: "text as in an earlier kept group, by dedup_text",
    NEAR_DUPLICATE_EMBEDDING: "pictures as in an earlier kept group, by dedup_embedding",
    NOT_DIVERSE: "not among the diversity.keep groups that are most unlike each other",
    OVER_CAP: "more than per_skill groups of its skill",
    OVER_DIFFICULTY_CAP: "more than per_difficulty groups of its difficulty band",
    OVER_PASS_RATE_CAP: "more than per_pass_rate groups of its fifth of the pass rate",
    UNBALANCED: "more groups of its skill than balance times the rarest",
    LENGTH_UNBALANCED: "its pairs were dropped for pairs.mean_length_ratio, and it serves nothing else",
    REPLAYED_BEFORE: "no candidate for replay: it was replayed already in the round that kept it",
}
NAMES: tuple[str, ...] = (KEPT, *REASONS)
CODES: dict[str, int] = {name: code for code, name in enumerate(NAMES)}

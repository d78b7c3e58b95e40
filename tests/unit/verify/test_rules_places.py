import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.recipe.verifiers.rules import IoUConfig, Resize
from ratchet.records import ImageRef
from ratchet.verify.rules.boxes import Box, Point, iou, read_boxes, read_points, resized, view
from ratchet.verify.rules.detecting import average_precision, detection_f1
from tests.unit.verify.rules_table import asked, built, found

CAT, DOG = Box(0, 0, 10, 10, "cat"), Box(20, 20, 40, 40, "dog")
SIDE = st.integers(0, 30)
BOXES = st.lists(st.builds(Box, SIDE, SIDE, SIDE, SIDE, st.sampled_from(["cat", "dog"])), max_size=4)


@pytest.mark.parametrize(
    ("text", "boxes"),
    [
        ("[1, 2, 3, 4]", [(1, 2, 3, 4, "")]), ("(1,2,3.5,.5)", [(1, 2, 3.5, 0.5, "")]), ("1, 2, 3, 4", [(1, 2, 3, 4, "")]),
        ("<box>1 2 3 4</box>", [(1, 2, 3, 4, "")]), ("the red cat: [1 2 3 4].", [(1, 2, 3, 4, "red cat")]),
        ('{"bbox_2d": [1, 2, 3, 4], "label": "Cat"}', [(1, 2, 3, 4, "cat")]),
        ('```json\n[{"bbox_2d": [1, 2, 3, 4], "label": "cat", "score": 0.5}]\n```', [(1, 2, 3, 4, "cat")]),
        ("(1,2),(3,4)", [(1, 2, 3, 4, "")]), ("a cat (1, 2), (3, 4)", [(1, 2, 3, 4, "cat")]), ("(1,2) and (3,4)", []),
        ("<ref>cat</ref><box>(1,2),(3,4)</box>", [(1, 2, 3, 4, "cat")]), ("<ref>cat</ref><box>[[1, 2, 3, 4]]</box>", [(1, 2, 3, 4, "cat")]),
        ("<|object_ref_start|>cat<|object_ref_end|><|box_start|>(1,2),(3,4)<|box_end|>", [(1, 2, 3, 4, "cat")]),
        ("<box>(1,2),(3,4)</box><box>(5,6),(7,8)</box>", [(1, 2, 3, 4, ""), (5, 6, 7, 8, "")]), ("(1,2,3),(4,5)", []),
        ("[-1, 2, 3, 4]", [(-1, 2, 3, 4, "")]), ("[1234]", []), ("[1, 2, 3]", []), ("[1, 2, 3, 4, 5]", []), ("[inf, 1, 2, 3]", []),
        ("[1e9, 1, 2, 3]", []), ('{"bbox_2d": [1, 2, 3, true]}', []), ('{"bbox_2d": [1, 2, 3, 1e99]}', []), ("1, 2, 3", []),
    ],
)  # fmt: skip
def test_boxes_are_read_from_text_and_json(text: str, boxes: list[tuple[float, ...]]) -> None:
    assert [box[:5] for box in read_boxes(text)] == boxes


def test_points_are_read_from_text_and_json() -> None:
    assert read_points("(3, 4)") == read_points("3, 4") == read_points('{"point_2d": [3, 4]}') == (Point(3, 4),)
    assert read_points('<point x="3" y="4.0" alt="cat">cat</point>') == (Point(3, 4),)
    assert read_points("[1, 2, 3, 4]") == read_points("3") == ()


def test_overlap_is_a_continuous_score_that_passes_from_a_half() -> None:
    half = found("iou", "[0, 0, 10, 10]", "[0, 0, 10, 5]")
    assert (half.score, half.passed) == (0.5, True)
    third = found("iou", "[0, 0, 10, 10]", "[5, 0, 15, 10]")
    assert (third.score, third.passed) == (pytest.approx(1 / 3), False)
    assert found("iou", "[0, 0, 10, 10]", "[0, 0, 10, 5]", passes=0.8).passed is False
    assert found("iou", "[0, 0, 10, 10]", "[10, 10, 0, 0]").reason == "no_area"
    assert found("iou", "[0, 0, 10, 10]", "[0, 0, 10, 10] or [0, 0, 9, 9]").reason == "ambiguous"


@given(BOXES, BOXES)
def test_overlap_is_symmetric_and_between_0_and_1(ours: list[Box], truth: list[Box]) -> None:
    for one in ours:
        assert iou(one, one) == (1.0 if one.area else 0.0)
        for other in truth:
            assert 0 <= iou(one, other) == iou(other, one) <= 1


@pytest.mark.parametrize(
    ("size", "resize", "sides"),
    [
        ((640, 480), {"longest_edge": 320}, (320, 240)), ((32, 16), {"longest_edge": 320}, (320, 160)), ((640, 480), {"multiple": 28}, (644, 476)),
        ((1000, 1000), {"most_pixels": 250_000}, (500, 500)), ((1000, 500), {"most_pixels": 401_408, "multiple": 28}, (896, 448)),
        ((20, 10), {"least_pixels": 3136, "multiple": 28}, (84, 56)), ((5, 5000), {"longest_edge": 48}, (1, 48)),
    ],
)  # fmt: skip
def test_the_processors_resize_is_known(size: tuple[int, int], resize: dict[str, int], sides: tuple[int, int]) -> None:
    assert resized(*size, Resize.model_validate(resize)) == sides


def test_pixels_of_the_resized_picture_become_pixels_of_the_real_one() -> None:
    image = ImageRef(sha256="5" * 64, media_type="image/png", width=640, height=480)
    assert view(image, "pixels", Resize(longest_edge=320))[:2] == (2.0, 2.0)
    assert view(image, "fraction", None)[:2] == (640, 480)
    assert view(image, "thousand", None)[:2] == (0.64, 0.48)


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({}, "[64, 48, 320, 240]"), ({"resize": {"longest_edge": 320}}, "[32, 24, 160, 120]"), ({"scale": "fraction"}, "[.1, .1, .5, .5]"),
        ({"scale": "thousand"}, "[100, 100, 500, 500]"), ({"corners": "xywh"}, "[64, 48, 256, 192]"),
    ],
)  # fmt: skip
def test_an_answer_in_any_scale_is_compared_in_the_real_picture(options: dict[str, object], answer: str) -> None:
    rule = built("iou", **options)
    reference = "[64, 48, 256, 192]" if options.get("corners") == "xywh" else "[64, 48, 320, 240]"
    prompt = asked("where ?", reference, size=(640, 480))
    assert rule.check(prompt, answer).score == pytest.approx(1.0)
    assert rule.self_check(prompt) is None
    if not options.get("corners"):
        assert built("point", **options).check(prompt, rule.right_answer(prompt)).passed is False
        assert built("point", **options).self_check(prompt) is None


def test_a_prompt_without_that_picture_cannot_be_judged() -> None:
    finding = found("iou", "[1, 2, 3, 4]", "[1, 2, 3, 4]", picture=1)
    assert (finding.score, finding.reason) == (None, "bad_reference")
    assert IoUConfig().passes == 0.5


def test_detection_wants_every_box_with_its_label() -> None:
    truth = "cat [0, 0, 10, 10], dog [20, 20, 40, 40]"
    assert found("detection", truth, "dog [20, 20, 40, 40]").score == pytest.approx(2 / 3)
    assert found("detection", truth, "dog [0, 0, 10, 10], cat [20, 20, 40, 40]").score == 0.0
    assert found("detection", truth, truth + ", cat [0, 0, 10, 10]").score == pytest.approx(0.8)


@given(BOXES, BOXES)
def test_detection_scores_are_between_0_and_1_and_1_for_the_truth(ours: list[Box], truth: list[Box]) -> None:
    real = [box for box in truth if box.area]
    assert 0 <= detection_f1(ours, real, 0.5) <= 1
    assert 0 <= average_precision(ours, real) <= 1
    if real:
        assert detection_f1(real, real, 0.5) == 1
        assert average_precision(real, real) == pytest.approx(1)


def test_most_matches_are_found_and_not_the_first_best() -> None:
    ours = [Box(0, 0, 10, 10), Box(0, 0, 10, 6)]
    truth = [Box(0, 0, 10, 9), Box(0, 0, 10, 14)]
    assert detection_f1(ours, truth, 0.5) == 1.0


def test_average_precision_ranks_by_how_sure_the_answer_is() -> None:
    right, wrong = CAT._replace(sure=0.9), Box(50, 50, 60, 60, "cat", 0.1)
    assert average_precision([wrong, right], [CAT]) == pytest.approx(1.0)
    assert average_precision([wrong._replace(sure=0.95), right], [CAT]) == pytest.approx(0.5)
    # Two thirds of the way along: overlap .72 counts for five of COCO's ten bounds.
    assert average_precision([Box(0, 0, 10, 7.2, "cat")], [CAT]) == pytest.approx(0.5)
    assert average_precision([CAT, DOG], [CAT]) == pytest.approx(0.5)

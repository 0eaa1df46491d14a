"""The picture of the plan: every chapter, its jobs, what waits for what, and nothing on top of anything else."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from whole_plan import whole_plan

from pqgan.plan import Plan
from pqgan.report import contents, dag
from pqgan.settings import load


@pytest.fixture(
    scope="module", params=["smoke", "mini", "mini-cpu", "mini-cpu-long", "mini-cpu-upkeep", "mini-best", "paper"]
)
def plan(request, params_path) -> Plan:
    return whole_plan(load(params_path, request.param))


@pytest.fixture(scope="module")
def picture(plan) -> str:
    return dag.svg(plan)


def boxes(picture: str) -> dict[str, tuple[str, float, float]]:
    """Chapter -> what its box says of its jobs, and where it lies."""
    found = {}
    for group in ElementTree.fromstring(picture).iter("g"):
        name, count = (text.text for text in group.iter("text"))
        found[name.replace(" ", "_")] = (count, float(group[0].get("x")), float(group[0].get("y")))
    return found


def test_every_chapter_is_a_box_with_its_jobs(plan, picture):
    expected = {job.chapter: len(plan.chapter(job.chapter)) for job in plan.all()}
    # every item, the page, and the summary of the tables
    expected["report"] = len(contents.ITEMS) + 2
    assert {name: int(count.split()[0]) for name, (count, _, _) in boxes(picture).items()} == expected


def test_boxes_lie_apart_inside_the_picture(picture):
    left, top, width, height = map(float, ElementTree.fromstring(picture).get("viewBox").split())
    places = [place for _, *place in boxes(picture).values()]
    for x, y in places:
        assert left <= x <= left + width - dag.WIDTH
        assert top <= y <= top + height - dag.HEIGHT
    for (x, y), (other_x, other_y) in combinations(places, 2):
        assert abs(x - other_x) >= dag.WIDTH or abs(y - other_y) >= dag.HEIGHT


def test_arrows_say_all_that_waits_and_nothing_twice(plan, picture):
    _, edges = dag.chapters(plan)

    def below(name: str) -> set[str]:
        return edges[name].union(*map(below, edges[name]))

    waits = {(used.chapter, job.chapter) for job in plan.all() for used in job.inputs.values()}
    waits = {(before, after) for before, after in waits if before != after}
    assert all(after in below(before) for before, after in waits)
    for before, direct in edges.items():
        assert all((before, after) in waits or after == "report" for after in direct)
        assert not any(after in below(other) for after in direct for other in direct)
    places = boxes(picture)
    assert all(places[before][2] < places[after][2] for before in edges for after in edges[before])
    assert picture.count('class="arrow"') == sum(map(len, edges.values()))


def test_arrows_touch_their_boxes(plan, picture):
    places, (_, edges) = boxes(picture), dag.chapters(plan)
    drawn = re.findall(r'class="arrow" d="M(\S+) ([-\d]+)C.* (\S+) (\S+)" marker', picture)
    ends = {tuple(map(float, arrow)) for arrow in drawn}
    middle = dag.WIDTH / 2
    for before, direct in edges.items():
        for after in direct:
            (_, x, y), (_, other_x, other_y) = places[before], places[after]
            assert (x + middle, y + dag.HEIGHT, other_x + middle, other_y) in ends


def test_the_picture_is_the_same_every_time(plan, picture, params_path):
    assert picture == dag.svg(whole_plan(load(params_path, plan.settings.name)))

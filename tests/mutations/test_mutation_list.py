"""The list of faults fits the code that it is about; `make test-mutations` tries them."""

import ast
from collections import Counter

import pytest
from mutation_list import ROOT, Fault, StaleError, read

AREAS = {
    "data",
    "demo",
    "diffusion",
    "engine",
    "evaluate",
    "plan",
    "quantise",
    "report",
    "settings",
    "storage",
    "tokenizer",
    "workflow",
}


@pytest.fixture(scope="module")
def faults() -> list[Fault]:
    return read()


def test_each_fault_goes_into_the_code_at_one_place_and_is_code(faults):
    for fault in faults:
        broken = fault.applied_to((ROOT / fault.file).read_text())
        assert fault.old != fault.new, fault
        if fault.file.endswith(".py"):
            ast.parse(broken)


def test_the_tests_that_should_notice_are_there(faults):
    for fault in faults:
        for test in fault.tests:
            assert (ROOT / "tests" / test.partition("::")[0]).is_file(), fault


def test_all_areas_have_faults_and_none_is_there_twice(faults):
    assert {fault.area for fault in faults} == AREAS
    assert len(faults) >= 150
    assert max(Counter((fault.file, fault.old, fault.new) for fault in faults).values()) == 1
    assert sum(bool(fault.accepted) for fault in faults) <= 0.05 * len(faults)


def test_a_fault_whose_place_is_gone_is_refused():
    fault = Fault(1, "plan", "pqgan/plan.py", "no such text", "other", "nothing", ("test_plan.py",))
    with pytest.raises(StaleError, match=r"'no such text' is 0 times in pqgan/plan\.py; expected once"):
        fault.applied_to((ROOT / fault.file).read_text())

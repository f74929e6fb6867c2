"""The table of errors is about exactly the errors that there are."""

import re
from pathlib import Path

import kithara_net.testing
from kithara_net import NetError

README = Path(__file__).parent.parent / "README.md"


def test_the_table_of_errors_is_complete() -> None:
    section = README.read_text(encoding="utf-8").partition("## Errors")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)`", section, re.MULTILINE)
    errors = {
        name
        for name in kithara_net.__all__
        if isinstance(kind := getattr(kithara_net, name), type)
        and issubclass(kind, NetError)
        and kind is not NetError
    }
    assert sorted(told) == sorted(errors)


def test_every_behaviour_of_the_test_server_is_told() -> None:
    section = README.read_text(encoding="utf-8").partition("## The test server")[2]
    table = section.partition("```")[0]
    told = {
        name
        for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert told == {*kithara_net.testing.Behaviour.__annotations__, "Behaviour"}

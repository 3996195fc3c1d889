"""What commands print is text: no name in it may change the terminal, or break the table for everybody else."""

from __future__ import annotations

import pytest

from starter.cli.output import print_lines, print_table, say

NASTY = ["[/bold] [red]x[/red] [link=http://evil]y[/link]", "\x1b]0;title\x07\x1b[2J", "a\nb\r", "\u202egpj.exe", "[[["]


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_text_in_every_table_and_message(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["ID", "NAME"], [["a", name], ["b", "good"]])
    print_lines(f"name: {name}")
    say(f"about {name}")
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert not any(ord(mark) < 32 and mark != "\n" for mark in text)
        assert "\u202e" not in text
    assert "good" in shown.out
    table = shown.out.split("name: ")[0].splitlines()
    assert len(table) == 3, "one line a row"


def test_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["NAME"], [["[red]x[/red]"]])
    assert "[red]x[/red]" in capsys.readouterr().out

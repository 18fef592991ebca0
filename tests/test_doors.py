"""Text from outside leaves through few doors, and each of them makes it safe. Found in the source, so none is missed.

Every place that can draw, print, notify or write to a terminal is looked for by its form. Those that stand in the
lists below were read by somebody; a new one fails here until it goes through a door or is added with its reason.
What the doors do is tested where they are; that screens show nothing raw, in `tests/screens/test_hostile.py`.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path for folder in ("console", "screens", "actions", "profiles") for path in (ROOT / folder).rglob("*.py")
)

DRAWS = {"Strip", "Segment", "Content", "Text"}
"""Calls that make what Textual draws; also their methods (`Content.assemble`, `Text.from_markup`)."""
WIDGETS = {
    "screens/page.py": {"Static"},  # Words and Page: content of `text`
    "screens/entry.py": {"Input"},  # its value and placeholder go through visible_line
}
"""Who may import from `textual.widgets`: everything else is drawn by LinesWidget."""
MADE_IN = {
    ("screens/widgets/lines.py", "strip_of"),  # pieces go through visible_line
    ("screens/page.py", "text"),  # pieces go through visible
    ("screens/page.py", "lines"),  # joins what `text` made
    ("screens/page.py", "Page.__init__"),  # empty
    ("screens/only_ascii.py", "OnlyAscii.apply"),  # of what was drawn: the same cells, spelled in ASCII
}
RENDERS = {
    ("screens/widgets/lines.py", "LinesWidget.render_line"),  # what strip_of made
}
"""Methods by which a widget draws itself. Strip.blank has no text."""
UPDATES = {
    ("screens/page.py", "Words.say"),  # of `text`
    ("screens/page.py", "Page.show"),  # of `lines`
}
NOTIFIES = {
    ("screens/reports.py", "report"),  # a Happening, whose text is sanitised; the app's notify once more
    ("console/app.py", "QuarterdeckApp.notify"),  # the door: visible, never markup
    ("console/app.py", "QuarterdeckApp.action_help_quit"),  # words of ours
}
EXITS = {"console/app.py", "screens/quit.py", "screens/welcome.py"}
"""Who ends the app; QuarterdeckApp.exit makes the message safe."""
WRITES = {
    ("console/app.py", "_tell"),  # visible
    ("console/app.py", "run_console"),  # words of ours
    ("console/cli/__init__.py", "main"),  # a version
    ("console/cli/output.py", "say"),  # sanitised and redacted
    ("console/cli/output.py", "_print"),  # the same
    ("console/cli/output.py", "ask_tty"),  # the same
    ("console/runner.py", "execute"),  # a SafeWriter
    ("console/runner.py", "_failed"),  # a SafeWriter
    ("console/runner.py", "safe_output"),  # a SafeWriter
    ("screens/terminal.py", "run_shell"),  # visible
    ("screens/hangup.py", "Hangup._wake"),  # a byte into a pipe of its own
    ("screens/terminal.py", "copy"),  # base64, between escape sequences of ours
    ("console/stacks/proxy.py", "main"),  # a process of its own, whose output is a log
    ("console/demo/service.py", "main"),  # the same
    ("console/demo/traffic.py", "main"),  # the same
}
"""Who writes to standard output, standard error or the terminal."""
SCREENSHOTS = {("screens/base.py", "_pictures")}


@cache
def tree(path: Path) -> ast.Module:
    """A file of ours."""
    return ast.parse(path.read_text("utf-8"))


@cache
def calls(path: Path) -> list[tuple[str, ast.Call, str]]:
    """(qualified name of the function it stands in, call, what is called as written) of every call in a file."""
    there = []

    def walk(node: ast.AST, inside: str) -> None:
        for child in ast.iter_child_nodes(node):
            here = inside
            if isinstance(child, ast.ClassDef):
                here = child.name
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and "." not in inside:
                one = inside[:1].isupper() or inside[:2] in {f"_{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
                here = f"{inside}.{child.name}" if inside and one else inside or child.name
            if isinstance(child, ast.Call):
                there.append((inside, child, ast.unparse(child.func)))
            walk(child, here)

    walk(tree(path), "")
    return there


def found(wanted: object, *, only: tuple[str, ...] = ("",)) -> dict[tuple[str, str], str]:
    """(file, function) of each call for which `wanted(called, call)` holds, in files below `only`."""
    there = {}
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(only):
            for function, call, called in calls(path):
                if wanted(called, call):  # type: ignore[operator]
                    there[name, function] = f"{name}:{call.lineno}: {called}"
    return there


def test_only_the_doors_make_what_is_drawn() -> None:
    made = found(
        lambda called, _: called.split(".")[0] in DRAWS and called not in ("Strip.blank",),
        only=("screens/", "console/app.py"),
    )
    assert {place: made[place] for place in made.keys() - MADE_IN} == {}
    assert made.keys() == MADE_IN, "a door that is not there any more"


def test_no_other_widget_of_textual_is_used() -> None:
    imported: dict[str, set[str]] = {}
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                if node.module.startswith("textual.widgets"):
                    imported.setdefault(name, set()).update(one.name for one in node.names)
                if node.module.startswith("rich") and name.startswith("screens"):
                    drawn = {one.name for one in node.names} - {"Segment", "Style", "cell_len", "set_cell_size"}
                    assert not drawn, f"{name} draws with {drawn} of Rich"
    assert imported == WIDGETS


def test_no_widget_draws_itself_another_way() -> None:
    drawing = {"render", "render_line", "render_lines", "render_str", "_render", "get_content", "__rich__"}
    there = set()
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                for one in node.body:
                    if isinstance(one, ast.FunctionDef) and one.name in drawing:
                        there.add((name, f"{node.name}.{one.name}"))
    assert there == RENDERS


def test_what_is_shown_is_replaced_in_two_places() -> None:
    """`.update(…)` of a dict or a set takes no widget; in screens those are written with `|=`, or on a known name."""
    data = ("self.environments", "self.metrics", "self.checklists")
    made = found(lambda called, _: called.endswith(".update") and not called.startswith(data), only=("screens/",))
    assert made.keys() == UPDATES, made


def test_a_toast_goes_through_the_app() -> None:
    made = found(lambda called, _: called.endswith(".notify") and "credentials" not in called)
    assert made.keys() == NOTIFIES, made


def test_nothing_else_carries_text_to_the_terminal() -> None:
    """Titles of borders and of the terminal, tooltips and Textual's own clipboard are not used at all."""
    unused = {"border_title", "border_subtitle", "sub_title", "tooltip"}
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(tree(path)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign | ast.AugAssign) else []  # fmt: skip  # noqa: E501
            for target in targets:
                if isinstance(target, ast.Attribute):
                    assert target.attr not in unused, f"{name}:{node.lineno}"
    words = ("copy_to_clipboard", "set_window_title", "set_terminal_title", "panic", "from_markup", "render_markup")
    assert found(lambda called, _: called.rpartition(".")[2] in words) == {}
    assert found(lambda called, _: called.endswith(".export_screenshot")).keys() == SCREENSHOTS
    ends = found(lambda called, _: called.endswith("app.exit") or called == "self.exit")
    assert {file for file, _ in ends} <= EXITS, ends
    tips = found(lambda _, call: any(one.arg == "tooltip" for one in call.keywords))
    assert tips.keys() == {("screens/commanded.py", "bindings_of")}, "help of the table of commands"


def test_no_markup_is_asked_for() -> None:
    asked = found(
        lambda _, call: any(one.arg == "markup" and ast.unparse(one.value) != "False" for one in call.keywords)
    )
    assert asked == {}


def _writes(called: str, call: ast.Call) -> bool:
    standard = ("sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__")
    if called in ("print", "input", "os.write") or called.startswith(("click.echo", "click.secho", "click.prompt")):
        return True
    if called.startswith(("click.confirm", "click.pause", "click.echo_via_pager", "getpass.getpass")):
        return True
    if called.endswith((".write", ".writelines")):
        return called.startswith((*standard, "out.", "terminal.", "tty.", "driver.", "console."))
    return called == "traceback.print_exc" or any(ast.unparse(one.value) in standard for one in call.keywords)


NOT_A_TERMINAL = {
    "console/credentials/unlock.py",
    "console/runs/waiting.py",
    "console/hosts/local.py",
    "console/store/signing.py",
    "screens/hangup.py",
}
"""Files that use `os.write` for pipes and files of their own; the first one cleans its prompts in the same line."""


def test_whoever_writes_to_a_terminal_is_known() -> None:
    made = found(_writes)
    strangers = {
        place: where
        for place, where in made.items()
        if place not in WRITES and not ("os.write" in where and place[0] in NOT_A_TERMINAL)
    }
    assert strangers == {}


@pytest.mark.parametrize(
    ("source", "test"),
    [
        ("def f(self): self.app.notify(said)\n", lambda called, _: called.endswith(".notify")),
        ("class A:\n def f(self): yield Static(said)\n", lambda called, _: called == "Static"),
        ("def f(): print(said)\n", _writes),
        ("def f(): sys.stderr.write(said)\n", _writes),
        ("def f(): click.echo(said)\n", _writes),
        ("def f(): return Content.from_markup(said)\n", lambda called, _: called.split(".")[0] in DRAWS),
    ],
)
def test_control_a_stray_call_would_be_found(source: str, test: object, tmp_path: Path) -> None:
    stray = tmp_path / "stray.py"
    stray.write_text(source)
    assert any(test(called, call) for _, call, called in calls(stray))  # type: ignore[operator]

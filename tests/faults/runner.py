"""Kills topics at each of their steps, in one process that does nothing but fork.

::

    echo '["TOPIC", "FOLDER", "once"]' | python -m tests.faults.runner      # or rest, ENOSPC, ENOSPC/8, EIO

Importing everything takes seconds, running a command a tenth of one: so this process imports once, opens nothing,
starts no thread, and lets children do the work. A case is: copy the prepared folder, let a child run the topic's
commands until it kills itself at the named step, let another child look at a copy of what it left, let a third one
run the commands again, and look at the end. Commands that were finished are not repeated, as no person or cron
would. Each line of JSON that comes in is answered by one: what each case came to.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from kbm import faults, registry
from tests.faults import oracle
from tests.faults.company import Company, CountingEmbedder
from tests.faults.scenarios import TOPICS, Topic

CHILD_S = 300.0  # one that hangs; others may want the processors
MODULES = (
    *("alembic.command", "sqlalchemy.dialects.sqlite", "chromadb", "chromadb.api.rust"),
    *("kbm.parsing.pool", "kbm.parsing.office", "kbm.providers.mail", "kbm_indexes.chunking"),
)
DONE = "done"  # beside the data folder: how many of the topic's commands were finished


class ChildFailed(Exception):
    """A child ended in another way than it had to."""


def run(topic: Topic, folder: Path, which: str) -> list[dict[str, Any]]:
    """Kill a topic at each of its own steps once, or at the rest of all it comes to; tell what each case came to."""
    base, straight = folder / "base", folder / "straight"
    base.mkdir(parents=True)
    in_child(folder, lambda: topic.prepare(Company(base)))
    before = in_child(folder, lambda: oracle.seen(topic.company(base)))
    shutil.copytree(base, straight)
    undisturbed = in_child(folder, lambda: commands(topic, straight, "*:0:EIO"))
    after = in_child(folder, lambda: oracle.seen(topic.company(straight)))
    after["vectors_before"] = before["vectors"]
    lines = [_line("undisturbed", "", after["problems"] + in_child(folder, lambda: at_end(topic, straight)))]
    reached = set(undisturbed["steps"])
    if which.startswith("E"):
        return lines + list(_failures(topic, folder, which, before, after, undisturbed))
    lines += [_line(one, "", ["no command comes to it"]) for one in topic.points if one not in reached]
    for point, when in cases(topic, reached, which):
        started = time.monotonic()
        case = folder / f"{point}-{when}"
        shutil.copytree(base, case)
        try:
            problems = list(_case(topic, case, f"{point}:{when}:kill", before, after, undisturbed))
        except ChildFailed as error:
            problems = [str(error)]
        lines.append(_line(point, when, problems, time.monotonic() - started))
        if not problems:
            shutil.rmtree(case)
    return lines


def cases(topic: Topic, reached: set[str], which: str) -> list[tuple[str, str]]:
    """Choose where to kill: ``once`` is each own step before or after it in turn, ``rest`` is all else."""
    own = [point for point in topic.points if point in reached]
    once = [(point, ("before", "after")[n % 2]) for n, point in enumerate(own)]
    if which == "once":
        return once
    every = [*own, *sorted(reached - set(topic.points))]
    return [(point, when) for point in every for when in ("before", "after") if (point, when) not in once]


def _failures(
    topic: Topic,
    folder: Path,
    which: str,
    before: oracle.Seen,
    after: oracle.Seen,
    undisturbed: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    """Let the n-th step fail for every n there is; *which* is ``EIO``, or ``EIO/8`` for one step in eight."""
    error, _, one_in = which.partition("/")
    steps = list(enumerate(undisturbed["steps"], start=1))
    for n, point in steps[:: int(one_in or 1)]:
        started = time.monotonic()
        case = folder / f"{n}-{error}"
        shutil.copytree(folder / "base", case)
        try:
            status = fork(case, partial(commands, topic, case, f"*:{n}:{error}"))
            problems = [] if _ended_well(status, case) else [f"it ended otherwise: {_log(case)}"]
            problems += _looked_at(topic, case, before, after, undisturbed)
        except ChildFailed as failed:
            problems = [str(failed)]
        yield _line(f"{n} {point}", error, problems, time.monotonic() - started)
        if not problems:
            shutil.rmtree(case)


def _ended_well(status: int, case: Path) -> bool:
    """Tell whether a command got through, or ended with an error that is meant for people."""
    words = _log(case)
    return os.WIFEXITED(status) and (status == 0 or "kbm.errors." in words or "OSError: " in words)


def _case(
    topic: Topic, case: Path, fault: str, before: oracle.Seen, after: oracle.Seen, undisturbed: dict[str, Any]
) -> Iterator[str]:
    status = fork(case, lambda: commands(topic, case, fault))
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
        yield f"the child was not killed: {_log(case)}"
        return
    yield from _looked_at(topic, case, before, after, undisturbed)


def _looked_at(
    topic: Topic, case: Path, before: oracle.Seen, after: oracle.Seen, undisturbed: dict[str, Any]
) -> Iterator[str]:
    """Say what does not hold in a folder as it was left, and after the commands were run again."""
    copy = case.with_name(f"{case.name}-copy")
    shutil.copytree(case, copy)
    crashed = in_child(case, lambda: oracle.seen(topic.company(copy)))
    shutil.rmtree(copy)
    compare = oracle.after_swap if topic.swaps else oracle.after_crash
    yield from (f"crashed: {one}" for one in compare(crashed, before, after))
    again = in_child(case, lambda: commands(topic, case, ""))

    def end() -> list[str]:
        now = oracle.seen(topic.company(case))
        return [
            *oracle.after_rerun(
                topic.company(case),
                now,
                crashed,
                after,
                embedded=again["embedded"],
                allowed=undisturbed["embedded"],
            ),
            *topic.check(topic.company(case)),
        ]

    yield from (f"again: {one}" for one in in_child(case, end))


def commands(topic: Topic, root: Path, fault: str) -> dict[str, Any]:
    """Run the commands of a topic that are not done yet, under a fault; tell its steps and what was embedded."""
    done = root / DONE
    company, embedder = topic.company(root), CountingEmbedder()
    first = int(done.read_text()) if done.exists() else 0
    faults.arm(fault)
    for at, command in enumerate(topic.commands[first:], start=first + 1):
        command(company, embedder)
        done.write_text(str(at))
    steps = faults.steps_reached()
    faults.arm("")
    return {"steps": steps, "embedded": embedder.n_passages}


def at_end(topic: Topic, root: Path) -> list[str]:
    """Say what is wrong at the end of an undisturbed run."""
    return [*oracle.at_rest(topic.company(root)), *topic.check(topic.company(root))]


# -- processes ----------------------------------------------------------------------------------------------------


def in_child(folder: Path, work: Callable[[], Any]) -> Any:
    """Do something in a child that has to end well; gives what it returns, as JSON carries it."""
    status = fork(folder, work)
    if status != 0:
        raise ChildFailed(f"a child ended with {os.waitstatus_to_exitcode(status)}: {_log(folder)}")
    return json.loads((folder / "told.json").read_text(encoding="utf-8"))


def fork(folder: Path, work: Callable[[], Any]) -> int:
    """Do something in a child; gives how it ended, as ``waitpid`` says it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            told = json.dumps(work())
            (folder / "told.json").write_text(told, encoding="utf-8")
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return _wait(child)


def _wait(child: int) -> int:
    end = time.monotonic() + CHILD_S
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise ChildFailed(f"a child was not done after {CHILD_S:.0f} s")


def _log(folder: Path) -> str:
    return " | ".join((folder / "log.txt").read_text("utf-8", "replace").strip().splitlines()[-6:])


def _line(point: str, when: str, problems: list[str], took_s: float = 0.0) -> dict[str, Any]:
    return {"point": point, "when": when, "problems": problems, "took_s": round(took_s, 2)}


def load() -> None:
    """Import what the children would have to import each, and make sure that forking is safe."""
    for name in MODULES:
        importlib.import_module(name)
    registry.installed()
    # What is imported stays: a child's collector need not walk through it, nor copy its pages by doing so.
    gc.collect()
    gc.freeze()
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"a process of {threads} threads must not fork")


def main() -> int:
    """Run as a command."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    load()
    for line in sys.stdin:
        name, folder, which = json.loads(line)
        try:
            told = run(TOPICS[name], Path(folder).resolve(), which)
        except ChildFailed as error:
            told = [_line("undisturbed", "", [str(error)])]
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

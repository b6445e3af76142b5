"""Worker processes: limits, kills, reuse, and what a document cannot reach."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kbm.domain.documents import Blob, Reason
from kbm.errors import ParseFailed
from kbm.parsing.limits import MEGABYTE, Limits
from kbm.parsing.plain import PlainParser
from kbm.parsing.pool import ParsingPool
from tests.unit.parsing.files import blob, texts
from tests.unit.parsing.stubborn import MARK, StubbornParser

LIMITS = Limits(
    wall_s=1.0, cpu_s=20.0, memory_bytes=256 * MEGABYTE, processes=8, written_file_bytes=4 * MEGABYTE
)


def do(command: str) -> Blob:
    return blob(command, media_type="application/vnd.kbm.stubborn")


@pytest.fixture(scope="module")
def pool() -> Iterator[ParsingPool]:
    with ParsingPool({"stubborn": StubbornParser(), "plain": PlainParser()}, LIMITS) as opened:
        yield opened


def failure(pool: ParsingPool, document: Blob) -> ParseFailed:
    with pytest.raises(ParseFailed) as caught:
        pool.parse(document)
    return caught.value


def said(pool: ParsingPool, command: str) -> str:
    return texts(pool.parse(do(command)))[0]


def sleepers() -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and MARK.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def test_a_worker_is_reused(pool: ParsingPool) -> None:
    assert said(pool, "pid") == said(pool, "pid")


def test_a_parser_that_sleeps_is_ended_in_time_and_the_next_document_is_parsed(pool: ParsingPool) -> None:
    said(pool, "say warm")
    before = time.monotonic()

    failed = failure(pool, do("sleep 60"))

    assert time.monotonic() - before < LIMITS.wall_s + 2
    assert failed.reason == Reason.TIMEOUT
    assert "1 s" in str(failed)
    assert said(pool, "say hello") == "hello"


def test_a_parser_that_computes_without_end_is_ended_by_its_share_of_the_processor() -> None:
    limits = Limits(wall_s=30.0, cpu_s=1.0)
    with ParsingPool({"stubborn": StubbornParser()}, limits) as pool:
        before = time.monotonic()

        assert failure(pool, do("spin")).reason == Reason.TIMEOUT
        assert time.monotonic() - before < 15


def test_a_parser_that_needs_too_much_memory_fails_alone(pool: ParsingPool) -> None:
    failed = failure(pool, do("hog"))

    assert failed.reason == Reason.OUT_OF_MEMORY
    assert "memory" in str(failed)
    assert said(pool, "say hello") == "hello"


def test_memory_that_is_not_private_is_seen_from_outside() -> None:
    limits = Limits(wall_s=20.0, memory_bytes=256 * MEGABYTE)
    with ParsingPool({"stubborn": StubbornParser()}, limits) as pool:
        before = time.monotonic()

        assert failure(pool, do("map 400")).reason == Reason.OUT_OF_MEMORY
        assert time.monotonic() - before < 10


@pytest.mark.parametrize("command", ["fork", "orphan"])
def test_whatever_a_parser_started_is_gone_with_it(pool: ParsingPool, command: str) -> None:
    said(pool, "say warm")
    before = time.monotonic()

    failed = failure(pool, do(command))

    assert time.monotonic() - before < LIMITS.wall_s + 2
    assert failed.reason in (Reason.TIMEOUT, Reason.CRASHED)
    assert sleepers() == []
    assert said(pool, "say hello") == "hello"


def test_a_crash_is_told_with_its_last_words(pool: ParsingPool) -> None:
    failed = failure(pool, do("crash"))

    assert failed.reason == Reason.CRASHED
    assert "SIGSEGV" in str(failed)
    assert "address zero" in str(failed)
    assert said(pool, "say hello") == "hello"


def test_a_parser_that_exits_is_a_crash(pool: ParsingPool) -> None:
    failed = failure(pool, do("exit 7"))

    assert failed.reason == Reason.CRASHED
    assert "exit status 7" in str(failed)


def test_an_exception_of_a_parser_does_not_cost_the_worker(pool: ParsingPool) -> None:
    pid = said(pool, "pid")

    failed = failure(pool, do("raise too odd"))

    assert failed.reason == Reason.CRASHED
    assert "ValueError: too odd" in str(failed)
    assert said(pool, "pid") == pid


def test_a_worker_killed_from_outside_is_replaced(pool: ParsingPool) -> None:
    pid = int(said(pool, "pid"))
    os.kill(pid, signal.SIGKILL)

    failure(pool, do("say lost"))

    assert int(said(pool, "pid")) != pid


def test_a_worker_that_answers_nonsense_is_replaced(pool: ParsingPool) -> None:
    assert failure(pool, do("nonsense")).reason == Reason.CRASHED
    assert said(pool, "say hello") == "hello"


def test_a_worker_is_replaced_after_its_number_of_documents() -> None:
    with ParsingPool({"stubborn": StubbornParser()}, Limits(recycle_documents=2)) as pool:
        first, second, third = (said(pool, "pid") for _ in range(3))

        assert first == second != third


def test_a_result_without_measure_is_refused() -> None:
    with ParsingPool({"stubborn": StubbornParser()}, Limits(result_bytes=MEGABYTE)) as pool:
        assert failure(pool, do(f"many {2 * MEGABYTE}")).reason == Reason.TOO_LARGE
        assert said(pool, "say hello") == "hello"


def test_a_parser_cannot_fill_the_disk(pool: ParsingPool) -> None:
    assert "File too large" in str(failure(pool, do("write 16")))


def test_a_document_above_the_limit_never_reaches_a_worker() -> None:
    with ParsingPool({"plain": PlainParser()}, Limits(document_bytes=10)) as pool:
        assert failure(pool, blob("longer than ten bytes")).reason == Reason.TOO_LARGE


def test_what_parsers_print_reaches_nobody(pool: ParsingPool, capfd: pytest.CaptureFixture[str]) -> None:
    assert said(pool, "noise done") == "done"
    assert capfd.readouterr() == ("", "")


def test_a_parser_has_no_secrets_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    monkeypatch.setenv("WIKI_PASSWORD", "hidden-too")
    with ParsingPool({"stubborn": StubbornParser()}, LIMITS) as pool:
        environment = said(pool, "environment")

    assert "hidden" not in environment
    assert "DO_NOT_TRACK=1" in environment
    assert f"HOME={Path.home()}" not in environment.split()


def test_a_parser_reaches_no_network(pool: ParsingPool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]

        assert "PermissionError" in str(failure(pool, do(f"connect 127.0.0.1:{port}")))
        assert "no network" in str(failure(pool, do(f"fetch http://localhost:{port}/")))
        with pytest.raises(TimeoutError):
            server.accept()


def test_many_threads_share_a_few_workers() -> None:
    limits = Limits(wall_s=20.0)
    with (
        ParsingPool({"stubborn": StubbornParser()}, limits, workers=2) as pool,
        ThreadPoolExecutor(8) as threads,
    ):
        said_all = list(threads.map(lambda n: said(pool, f"say {n}"), range(40)))
        pids = set(threads.map(lambda _: said(pool, "pid"), range(20)))

    assert said_all == [str(n) for n in range(40)]
    assert len(pids) <= 2


def test_closing_ends_the_workers_and_what_they_do() -> None:
    pool = ParsingPool({"stubborn": StubbornParser()}, Limits(wall_s=30.0))
    pid = int(said(pool, "pid"))
    failed: list[ParseFailed] = []
    thread = threading.Thread(target=lambda: failed.append(failure(pool, do("sleep 25"))))
    thread.start()
    time.sleep(0.3)

    pool.close()
    thread.join(5)

    assert [error.reason for error in failed] == [Reason.CRASHED]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RuntimeError, match="closed"):
        pool.parse(do("say late"))


ABANDON = """
import os
from kbm.parsing.pool import ParsingPool
from tests.unit.parsing.stubborn import StubbornParser
from tests.unit.parsing.test_pool import do, said
pool = ParsingPool({"stubborn": StubbornParser()})
print(said(pool, "pid"), flush=True)
os._exit(0)
"""


def test_a_worker_whose_parent_was_killed_ends_and_cleans_up(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ABANDON], capture_output=True, text=True, env=environment, check=True
    )

    deadline = time.monotonic() + 10
    while (list(tmp_path.iterdir()) or _runs(done.stdout.strip())) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert list(tmp_path.iterdir()) == []
    assert not _runs(done.stdout.strip())


def _runs(pid: str) -> bool:
    """Tell whether a process is there and not just waiting to be buried."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2]
    except FileNotFoundError:
        return False


def test_the_digest_names_parser_version_and_media_type(pool: ParsingPool) -> None:
    text, table = blob("some words", "a.txt"), blob("a;b\n1;2", "a.csv")

    assert pool.digest_for(text) == pool.digest_for(blob("other words", "b.txt"))
    assert pool.digest_for(text) != pool.digest_for(table)
    with pytest.raises(ParseFailed) as caught:
        pool.digest_for(blob(b"\x89PNG\r\n\x1a\n....", "picture.png"))
    assert caught.value.reason == Reason.UNSUPPORTED
    assert "image/png" in str(caught.value)


class ReplacedText(PlainParser):
    name = "zz-replaced"


def test_an_installed_parser_comes_before_the_one_of_kbm() -> None:
    own, replaced = PlainParser(), ReplacedText()
    with ParsingPool({"plain": own}) as plain, ParsingPool({"plain": own, "zz": replaced}) as both:
        assert plain.digest_for(blob("words")) != both.digest_for(blob("words"))


def test_the_parent_stays_small_while_documents_pass_through(pool: ParsingPool) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    document = blob("\n\n".join(f"Absatz {n} über die Wartung." for n in range(2000)), "long.txt")
    pool.parse(document)
    before = resident()

    for _ in range(20):
        pool.parse(document)

    assert resident() - before < 50 * MEGABYTE

"""Fixtures and tiers. A test's tier is its folder; what a tier needs and does not find is said when it skips.

With CI=true nothing skips: a missing Java, strace or data folder fails the test that needs it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cic_assets.orchestrate.doors import set_up
from cic_assets.settings import PROJECT, Settings, load_settings
from cic_assets.warehouse import embedded

TIERS = ("unit", "spark", "orchestration", "warehouse", "end_to_end")
# What strikes a running process may miss once: such a test may run once more, and the summary names it.
RERUN = Path("end_to_end", "faults")
# Of the files of `make check`, 19 of 120 s: begun last, it would keep one process busy while the other has none left.
LONGEST = "test_simulate.py"
ENGINES = ("embedded", "local[2]")
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "true"
# Hundreds of small plans on Apache Spark, each run once on a few rows.
QUICK = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
}
_passed_on: dict[str, int] = dict.fromkeys(ENGINES, 0)


def pytest_configure(config: pytest.Config) -> None:
    for tier in TIERS:
        config.addinivalue_line("markers", f"{tier}: tests in tests/{tier}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name != LONGEST)
    for item in items:
        path = item.path.relative_to(Path(__file__).parent)
        if path.parts[0] not in TIERS:
            raise pytest.UsageError(f"{item.path}: put tests into one of {', '.join(TIERS)}")
        item.add_marker(path.parts[0])
        if path.is_relative_to(RERUN):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Names each test that needed its second run."""
    rerun = dict.fromkeys(report.nodeid for report in terminalreporter.stats.get("rerun", ()))
    if rerun:
        terminalreporter.section("needed a second run", yellow=True)
        for name in rerun:
            terminalreporter.write_line(name)


def demand(there: bool, what: str) -> None:
    """Skips without a part, and says which; in CI the part must be there."""
    if there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"needs {what}")


def data_folder() -> Path:
    """Where real operators' files would be; they are no part of the repository."""
    return Path(os.environ.get("CIC_TEST_DATA") or PROJECT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def data() -> Path:
    """Real operators' files."""
    folder = data_folder()
    demand((folder / "sessions").is_dir(), "the operators' files: set CIC_TEST_DATA to their folder")
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    # One engine per process: with two, PySpark's client of one waits for the server of the other.
    parser.addoption("--engine", default="embedded", choices=ENGINES, help="engine of the spark tier")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", [metafunc.config.getoption("--engine")], indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The engine of this run: the same tests, the same rows on each."""
    name = str(request.param)
    if name.startswith("local["):
        demand(shutil.which("java") is not None, "Java 17 for Apache Spark (openjdk-17-jre-headless)")
    return name


@pytest.fixture
def spark(engine: str) -> Any:
    """A session of the engine, as the platform's own resource makes it."""
    from cic_assets.orchestrate.resources.spark import SparkResource

    session = SparkResource(engine=engine).session
    if engine != "embedded":
        # Hundreds of small plans, each run once: compiling them to Java took a third of the tier's CPU time (325 s of 2
        # cores with it, 224 s without). `test_engines.py` runs as users do.
        for name, value in QUICK.items():
            session.conf.set(name, value)
    return session


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Counts by engine, in the process that hears of all tests, wherever they ran."""
    for name in ENGINES:
        if report.when == "call" and report.passed and f"[{name}" in report.nodeid:
            _passed_on[name] += 1


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run that asks for Apache Spark is green only if Apache Spark really ran."""
    engine = session.config.getoption("--engine")
    is_worker = hasattr(session.config, "workerinput")
    if engine != "embedded" and not _passed_on[engine] and not is_worker:
        session.exitstatus = 1
        print(f"\n{engine} ran no test, so the run fails")


def admin(server: embedded.EmbeddedPostgres) -> psycopg.Connection[Any]:
    """As its owner, outside any test's database."""
    return psycopg.connect(server.url("postgres"), autocommit=True)


def without_fsync(server: embedded.EmbeddedPostgres) -> None:
    """What is killed in tests is never the machine, so that waiting for the disk saves nothing."""
    with admin(server) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"alter system set {name} = off")
        connection.execute("select pg_reload_conf()")


@pytest.fixture(scope="session")
def server_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One embedded Postgres for the whole run; each test has databases of its own in it."""
    home = tmp_path_factory.mktemp("server")
    without_fsync(embedded.start(home))
    yield home
    embedded.delete(home)


@pytest.fixture(scope="session")
def template(server_home: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with all the platform's tables, which those of the tests are copied from."""
    name = "with_all_tables"
    with admin(embedded.locate(server_home)) as connection:
        connection.execute(f"create database {name}")
    base = load_settings({"CIC_HOME": str(tmp_path_factory.mktemp("template"))})
    set_up(replace(base, warehouse_url=embedded.locate(server_home).url(name)))
    return name


@pytest.fixture(scope="session")
def forked_dbt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Dagster of this process starts dbt from a process that has imported it."""
    from cic_assets.orchestrate import build
    from tests.forked import served

    with served("dbt", tmp_path_factory.mktemp("dbt")) as program, pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "local_dbt", partial(build.local_dbt, program))
        yield


_numbers = iter(range(10_000))


@pytest.fixture
def settings(server_home: Path, template: str, tmp_path: Path) -> Settings:
    """Settings of a fresh lake and a fresh warehouse with all its tables."""
    database = f"test_{os.getpid()}_{next(_numbers)}"
    server = embedded.locate(server_home)
    with admin(server) as connection:
        connection.execute(f"create database {database} template {template}")
    base = load_settings({"CIC_HOME": str(tmp_path / "home"), "CIC_STREAMS": "examples"})
    return replace(base, warehouse_url=server.url(database))

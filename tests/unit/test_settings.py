from __future__ import annotations

import datetime as dt

import pytest

from cic_assets.settings import (
    EXAMPLE_STREAMS,
    SettingsError,
    keep_calendar,
    load_settings,
    machine_bytes,
    with_examples,
)


def test_local_has_an_embedded_default_for_each_part(tmp_path):
    found = load_settings({"CIC_HOME": str(tmp_path)})
    assert (found.environment, found.warehouse_url, found.spark, found.rule_set) == ("local", None, "embedded", None)
    assert found.lake == str(tmp_path / "lake")


@pytest.mark.parametrize(("said", "size"), [("1GiB", 1 << 30), ("1500MiB", 1500 << 20)])
def test_memory_is_what_is_said_else_a_quarter_of_the_machine(said, size):
    assert load_settings({"CIC_MEMORY": said}).memory_bytes == size
    assert load_settings({}).memory_bytes == max(machine_bytes() // 4, 1 << 30)
    assert load_settings({"CIC_MEMORY": said}).engine_bytes < size


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_others_refuse_embedded_parts_and_name_every_variable(environment):
    with pytest.raises(SettingsError) as caught:
        load_settings({"CIC_ENVIRONMENT": environment, "CIC_SPARK": "sc://spark:15002"})
    for name in ("CIC_LAKE", "CIC_WAREHOUSE_URL", "CIC_PERSONAL_KEY"):
        assert name in str(caught.value)
    assert "CIC_SPARK" not in str(caught.value)


def test_a_complete_production_is_taken():
    found = load_settings(
        {
            "CIC_ENVIRONMENT": "prod", "CIC_LAKE": "s3://bucket/lake/", "CIC_SPARK": "sc://spark:15002",
            "CIC_WAREHOUSE_URL": "postgresql://u:p@h/d", "CIC_PERSONAL_KEY": "k",
        }
    )  # fmt: skip
    assert (found.lake, found.personal_key()) == ("s3://bucket/lake", b"k")


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("CIC_ENVIRONMENT", "live", "local, staging, prod"),
        ("CIC_SPARK", "duckdb", "sc://host:port"),
        ("CIC_LAKE", "gs://x", "s3://bucket/prefix"),
        ("CIC_WAREHOUSE_URL", "mysql://x", "postgresql://"),
        ("CIC_RULE_SET", "strict", "default, academic"),
        ("CIC_MEMORY", "6", "such as 6GiB or 1500MiB"),
        ("CIC_MEMORY", "6GB", "such as 6GiB or 1500MiB"),
        ("CIC_MEMORY", "100MiB", "at least 1GiB"),
        ("CIC_STREAMS", "/no/such/folder", "is not a folder"),
        ("CIC_RESTATEMENT_HORIZON_DAYS", "soon", "whole number"),
        ("CIC_CALENDAR_START", "2024", "such as 2024-01-01"),
        ("CIC_CALENDAR_START", "2009-12-31", "from 2010-01-01 to today"),
        ("CIC_CALENDAR_START", "9999-01-01", "from 2010-01-01 to today"),
    ],
)
def test_a_wrong_value_names_its_variable_and_what_it_takes(name, value, hint):
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value})
    assert name in str(caught.value) and hint in str(caught.value)


def test_the_personal_key_is_made_once_and_is_private(tmp_path):
    first = load_settings({"CIC_HOME": str(tmp_path / "a")}).personal_key()
    assert load_settings({"CIC_HOME": str(tmp_path / "a")}).personal_key() == first
    assert load_settings({"CIC_HOME": str(tmp_path / "b")}).personal_key() != first
    assert (tmp_path / "a" / "personal.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["personal.key"]


def test_keys_of_purposes_authorities_and_years_are_others_and_always_the_same(tmp_path):
    settings = load_settings({"CIC_HOME": str(tmp_path), "CIC_PERSONAL_KEY": "k" * 32})
    purposes = [("person", "A", "2026"), ("person", "A", "2027"), ("person", "B", "2026"), ("content",)]
    keys = [settings.derived_key(*purpose) for purpose in purposes]
    assert len({*keys, settings.personal_key()}) == 5 and {len(key) for key in keys} == {32}
    assert keys == [settings.derived_key(*purpose) for purpose in purposes]
    # RFC 5869's expand step is HMAC too; this one is written down so that nobody changes it unnoticed.
    assert keys[0].hex()[:16] == "d738d534e7805021"


def test_a_key_that_a_power_cut_emptied_is_none(tmp_path):
    (tmp_path / "personal.key").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"personal\.key is no key"):
        load_settings({"CIC_HOME": str(tmp_path)}).personal_key()


def test_a_percent_sign_in_a_password_is_said_to_be_written_otherwise():
    with pytest.raises(SettingsError, match=r"CIC_WAREHOUSE_URL: % must be followed by .* %25"):
        load_settings({"CIC_WAREHOUSE_URL": "postgresql://me:100%sure@host/db"})
    assert load_settings({"CIC_WAREHOUSE_URL": "postgresql://me:100%25@host/a%20b"}).warehouse_url


def test_a_misspelt_variable_is_refused_with_the_likely_one():
    with pytest.raises(SettingsError, match="CIC_SPRAK: no setting of this name; did you mean CIC_SPARK"):
        load_settings({"CIC_SPRAK": "local[2]"})
    with pytest.raises(SettingsError, match=r"CIC_ZZZ: .*; there are CIC_ANALYST_URL, .*, CIC_UI_WRITES"):
        load_settings({"CIC_ZZZ": ""})
    load_settings({"CIC_TEST_DATA": "x", "CIC_DBT_HOST": "x", "HOME": "/"})


def test_streams_are_those_that_somebody_named(tmp_path):
    assert load_settings({"CIC_HOME": str(tmp_path)}).streams == ()
    named = load_settings({"CIC_HOME": str(tmp_path), "CIC_STREAMS": f"examples:{tmp_path}"}).streams
    assert named == (EXAMPLE_STREAMS, tmp_path)


def test_a_home_keeps_the_examples_until_somebody_names_others(tmp_path):
    home = {"CIC_HOME": str(tmp_path / "home")}
    shown = with_examples(load_settings(home))
    assert shown.streams == (EXAMPLE_STREAMS,) == load_settings(home).streams
    assert load_settings({**home, "CIC_STREAMS": str(tmp_path)}).streams == (tmp_path,)
    assert load_settings({"CIC_HOME": str(tmp_path / "other")}).streams == ()


D = dt.date


def test_the_calendar_begins_with_the_month_that_is_said(tmp_path):
    said = load_settings({"CIC_HOME": str(tmp_path), "CIC_CALENDAR_START": "2024-03-15"})
    keep_calendar(said, D(2019, 5, 5))
    assert said.calendar_start == D(2024, 3, 1) and not list(tmp_path.iterdir())


def test_else_it_begins_with_the_first_year_with_data_and_only_moves_back(tmp_path):
    settings = load_settings({"CIC_HOME": str(tmp_path / "home")})
    this_year = dt.datetime.now(dt.UTC).date().replace(month=1, day=1)
    assert settings.calendar_start == this_year
    starts = []
    for oldest in (None, D(2024, 5, 5), D(2025, 1, 1), None, D(2019, 12, 31), D(2001, 1, 1)):
        keep_calendar(settings, oldest)
        starts.append(settings.calendar_start)
    assert starts == [this_year, D(2024, 1, 1), D(2024, 1, 1), D(2024, 1, 1), D(2019, 1, 1), D(2010, 1, 1)]
    # Another process of the same home has the same.
    assert load_settings({"CIC_HOME": str(tmp_path / "home")}).calendar_start == D(2010, 1, 1)


def test_what_a_power_cut_left_of_the_calendar_is_made_anew(tmp_path):
    settings = load_settings({"CIC_HOME": str(tmp_path)})
    (tmp_path / "calendar.start").write_text("")
    keep_calendar(settings, D(2021, 4, 1))
    assert settings.calendar_start == D(2021, 1, 1)


def test_machines_that_share_no_home_have_one_calendar(tmp_path):
    production = {
        "CIC_ENVIRONMENT": "prod", "CIC_LAKE": "s3://bucket/lake", "CIC_SPARK": "sc://spark:15002",
        "CIC_WAREHOUSE_URL": "postgresql://u:p@h/d", "CIC_PERSONAL_KEY": "k", "CIC_HOME": str(tmp_path),
    }  # fmt: skip
    keep_calendar(load_settings(production), D(2019, 1, 1))
    assert load_settings(production).calendar_start == D(2010, 1, 1) and not list(tmp_path.iterdir())
    assert load_settings({**production, "CIC_CALENDAR_START": "2022-01-01"}).calendar_start == D(2022, 1, 1)

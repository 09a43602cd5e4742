"""What a stream file may say of where its bytes come from, and where secrets are."""

from __future__ import annotations

import datetime as dt

import pytest
import yaml
from pydantic import ValidationError

from cic_assets.kinds.every import parse_stream
from cic_assets.settings import SettingsError, load_settings

BASE = """
id: s
kind: status
description: d
provider: {id: p, name: P}
authority: {id: a, name: A}
zone: Europe/London
format: {type: json, records: data, each: [evses], document: [timestamp]}
vocabulary: {standard: OCPI 2.2.1}
columns: {charge_point: evses.evse_id, status: evses.status, changed_at: evses.last_updated, %s}
licence: l
contact: c
"""
CONFIRMED = "confirmed_at: document.timestamp"
URL = "url: https://x.example/feed, every: PT1H"


def stream(source, columns=CONFIRMED, **more):
    content = yaml.safe_load(BASE % columns)
    return parse_stream({**content, **more, "source": yaml.safe_load(f"{{{source}}}")})


@pytest.mark.parametrize(
    ("source", "said"),
    [
        # A value in place of a name.
        (f"type: http, {URL}, token: abc123", "token: a secret's value stands in no file"),
        (f"type: http, {URL}, token: 123", "token: a secret's value stands in no file"),
        (f"type: http, {URL}, headers: {{X-Api-Key: abc}}", "X-Api-Key: a secret's value stands in no file"),
        (f"type: http, {URL}, headers: {{Authorization: Bearer x}}", "Authorization: a secret's value"),
        (f"type: http, {URL}, query: {{apikey: abc}}", "apikey: a secret's value"),
        ("type: http, every: PT1H, url: 'https://me:pw@x.example/'", "user and password stand in the address"),
        ("type: http, every: PT1H, url: 'https://x.example/?access_token=1'", "access_token stands in the address"),
        ("type: ocpi, module: cdrs, every: PT1H, versions: 'https://x.example/?key=1'", "key stands in the address"),
        ("type: ocpi, module: cdrs, every: PT1H, versions: https://x.example/v, token: T", "secret's value"),
        (f"type: http, {URL}, token: {{secret: No-Name}}", "should match pattern"),
        # A secret in the clear.
        ("type: http, every: PT1H, url: http://x.example/, token: {secret: a}", "over https only"),
        # No addresses.
        ("type: http, every: PT1H, url: x.example/feed", "write https://host/path"),
        ("type: http, every: PT1H, url: ftp://x.example/feed", "write https://host/path"),
        ("type: http, every: PT1H, url: 'https://x.example:99999/'", "out of range"),
        ("type: http, every: PT1H, url: 'https://x.example/#part'", "what follows #"),
        (f"type: http, {URL}, hosts: ['https://y.example']", "a host, with its port"),
        (f"type: http, {URL}, hosts: ['y.example:https']", "a host, with its port"),
        ("type: http, every: PT1H, url: 'https://x.example/?sig=1'", "sig stands in the address"),
        ("type: http, every: PT1H, url: 'https://x.example/?code=1'", "code stands in the address"),
        (f"type: http, {URL}, query: {{Ocp-Apim-Subscription-Key: abc}}", "a secret's value"),
        (f"type: http, {URL}, headers: {{'a b': c}}", "no name or value of a header"),
        (f"type: http, {URL}, headers: {{Accept: \"x\\ny\"}}", "no name or value of a header"),
        # OCPI.
        ("type: ocpi, module: cdrs, every: PT1H", "give versions"),
        ("type: ocpi, module: cdrs, every: PT1H, url: https://x.example/, versions: https://x.example/", "give ver"),
        ("type: ocpi, module: tokens, every: PT1H, url: https://x.example/", "'locations', 'sessions'"),
        ("type: ocpi, module: locations, every: PT1H, url: https://x.example/, since: 2026-01-01", "only sessions"),
        ("type: ocpi, module: cdrs, every: PT1H, url: https://x.example/, overlap: -PT1H", "overlap"),
        # Time.
        ("type: http, url: https://x.example/, every: PT1S", "to a year"),
        ("type: http, url: https://x.example/, every: P2Y", "to a year"),
        ("type: http, url: https://x.example/, every: often", "valid timedelta"),
        # A folder.
        ("type: folder, path: relative/in, every: PT1H", "should match pattern"),
        ("type: folder, path: /in, every: PT1H", "claims: write the patterns"),
        ("type: carrier_pigeon", "'folder', 'http', 'ocpi'"),
        (f"type: http, {URL}, limits: {{seconds: 0}}", "greater than 0"),
        (f"type: http, {URL}, tokken: {{secret: a}}", "not permitted"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_key(source, said):
    with pytest.raises(ValidationError, match=said):
        stream(source)


@pytest.mark.parametrize(
    "source",
    [
        f"type: http, {URL}, token: {{secret: acme}}, headers: {{Accept: text/csv}}, query: {{page: '1'}}",
        # This machine's own server, such as the simulated county.
        "type: ocpi, module: cdrs, every: PT1H, versions: http://127.0.0.1:8000/v, token: {secret: county}",
        "type: http, every: PT1H, url: 'http://open.example/feed.csv?country_code=GB&monkey=1'",
        "type: ocpi, module: locations, every: PT10M, url: https://x.example/, version: 2.2",
    ],
)
def test_what_is_right_needs_no_patterns_of_file_names(source):
    assert stream(source).claims == ()


def test_a_polled_feed_is_believed_for_three_of_its_fetches_if_nothing_else_is_said():
    assert stream(f"type: http, {URL}").silence == dt.timedelta(hours=3)
    assert stream(f"type: http, {URL}", period="PT2H").silence == dt.timedelta(hours=6)
    assert stream(f"type: http, {URL}", max_silence="PT5M").silence == dt.timedelta(minutes=5)
    # A log behind a URL reports on change, however often it is fetched.
    log = stream(f"type: http, {URL}", columns="connector_id: evses.uid")
    assert log.silence == dt.timedelta(days=7)


def test_rows_are_made_anew_where_their_belief_changes_and_not_for_an_address():
    one = stream(f"type: http, {URL}")
    assert one.fingerprint() == stream("type: http, url: https://y.example/, every: PT1H").fingerprint()
    assert one.fingerprint() != stream("type: http, url: https://x.example/, every: PT2H").fingerprint()
    assert one.decode_fingerprint() == stream("type: http, url: https://y.example/, every: PT2H").decode_fingerprint()


def test_secrets_are_of_the_environment_or_of_files_that_nobody_else_may_read(tmp_path):
    settings = load_settings({"CIC_HOME": str(tmp_path), "CIC_SECRET_ACME_OCPI": "from-environment"})
    assert settings.secret("acme_ocpi") == "from-environment"
    assert "from-environment" not in repr(settings)
    with pytest.raises(SettingsError, match=r"no secret other: set CIC_SECRET_OTHER, or write it into .*secrets/other"):
        settings.secret("other")
    path = tmp_path / "secrets" / "other"
    path.parent.mkdir()
    path.write_text("from-file\n")
    path.chmod(0o640)
    with pytest.raises(SettingsError, match=f"others may read this secret: chmod 600 {path}"):
        settings.secret("other")
    path.chmod(0o600)
    assert settings.secret("other") == "from-file"
    path.write_text("two\nlines\n")
    with pytest.raises(SettingsError, match="one line of ASCII") as caught:
        settings.secret("other")
    assert "two" not in str(caught.value)

"""What a release adds to the model changes no fingerprint of a stream file that does not use it.

Decoded files have the fingerprint in their name, and ingests are done for one: others would be made anew, all at once.
"""

from __future__ import annotations

from pathlib import Path

from cic_assets.settings import EXAMPLE_STREAMS
from cic_assets.streams.load import load_streams

FAULTS = Path(__file__).parents[1] / "end_to_end/faults/streams"
# Of decoding, and of the file, before there were keys by `later`. Change a line only together with its stream file.
KNOWN = {
    "ashbourne_locations": ("d91d9a3ce957acee", "edf3a51b82e3ce48"),
    "ashbourne_sessions": ("e65b7c4c41a64465", "47d31967f8ae3492"),
    "ashbourne_status": ("4cef22a5b3f34af4", "f78dbf6677eaad06"),
    "brackendale_locations": ("0b2c63155f791f00", "cf69b5b77bc23d8f"),
    "brackendale_ocpi_sessions": ("fa17f942f3f7b5bc", "2ec810e04806397c"),
    "brackendale_sessions": ("78ca89c8855e5931", "75b9ca25da76d667"),
    "brackendale_snapshot": ("8b7894e648ccedfe", "aefb9695674c556a"),
    "brackendale_status": ("74b4a06207d41f6f", "049a90a2b1a3924d"),
    "chargeplace_scotland_status": ("df866ecbdc6e82eb", "7e3aada4e7e4e5bd"),
    "chargy_locations": ("f0dc8137c4634643", "07201af2bdef408b"),
    "chargy_status": ("8b7894e648ccedfe", "4759229739cc8d26"),
    "cranmere_sessions": ("e65b7c4c41a64465", "a7b86d3a9db01672"),
    "cranmere_status": ("2ca551dabcecd4c8", "5928bcf37ac2651b"),
    "dundee_sessions": ("c91eaa663383d7b0", "88199cac9339bbbf"),
    "dunholt_sessions": ("78ca89c8855e5931", "532b4f1baa9c986b"),
    "dunholt_status": ("f536e79cfae2639e", "34f78606f1066276"),
    "dusseldorf_status": ("c3b9a1d4da03fcb7", "4c6e5d3493ba9cd7"),
    "elmsworth_locations": ("0b2c63155f791f00", "40242c93c9ad4b6b"),
    "elmsworth_sessions": ("e65b7c4c41a64465", "4a32b4d50b2f10a2"),
    "elmsworth_status": ("8b7894e648ccedfe", "0c5f54c351015b14"),
    "north_locations": ("be6e140863e47bcc", "dd0b8a9f0ca5a2ab"),
    "north_sessions": ("a5ef0ff9e2d1b9ba", "eefe4568c66d513f"),
    "north_status": ("56c5876c4fb2953b", "5980966be7a7bce3"),
    "perth_kinross_sessions": ("a380451f3dee1a21", "efee013594029b54"),
    "south_sessions": ("7a1050cbfc64eb14", "b202c3fca458a4ae"),
    "ticino_sessions": ("ebe9dcd498f9c244", "27d771e96e304b4c"),
}


def test_a_stream_file_without_new_keys_has_the_fingerprints_that_it_had():
    streams = load_streams([EXAMPLE_STREAMS, FAULTS])
    found = {name: (stream.decode_fingerprint(), stream.fingerprint()) for name, stream in streams.items()}
    assert {name: each for name, each in found.items() if name in KNOWN} == KNOWN

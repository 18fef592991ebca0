"""What this package needs of paramiko's inside is still there: fails first when paramiko changes."""

from __future__ import annotations

import inspect

import paramiko
from paramiko.agent import AgentSSH


def test_paramiko_is_as_it_was_when_this_was_written() -> None:
    assert paramiko.__version__.split(".")[0] == "5"
    transport = inspect.getsource(paramiko.Transport)
    for name in (
        "_sanitize_window_size",
        "_sanitize_packet_size",
        "_next_channel",
        "_channels",
        "channel_events",
        "channels_seen",
        "_send_user_message",
        "_unlink_channel",
        "_compression_info",
        "_channel_handler_table",
        "_send_kex_init",
        "_parse_kex_init",
    ):
        assert name in transport
    assert inspect.getsource(paramiko.Transport._send_kex_init).count("self.preferred_compression") == 2
    # What channels send goes out by `_send_message`, one at a time.
    sending = inspect.getsource(paramiko.Transport._send_user_message)
    assert sending.index("clear_to_send_lock.acquire") < sending.index("self._send_message(data)")
    assert "self.lock.acquire()" in inspect.getsource(paramiko.Channel._handle_close)
    assert "MSG_CHANNEL_FAILURE: Channel._request_failed" in transport
    for name in ("_event_pending", "_request_failed"):
        assert name in dir(paramiko.Channel)
    assert "_set_transport" in dir(paramiko.Channel)
    assert "_set_window" in dir(paramiko.Channel)
    assert "_connect" in dir(AgentSSH)


def test_a_status_of_minus_one_means_none_yet() -> None:
    assert paramiko.Channel(0).exit_status == -1

"""What a run of ours sets before lm-eval takes over."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from openbook_eval import harness


def test_a_run_reports_its_use_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)
    for name in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    with pytest.raises(SystemExit):
        harness.run(["--help"])
    assert (os.environ["VLLM_NO_USAGE_STATS"], os.environ["DO_NOT_TRACK"]) == ("1", "1")


@pytest.mark.engine
@pytest.mark.parametrize(("set_before", "after"), [({}, "2"), ({"VLLM_CPU_KVCACHE_SPACE": "7"}, "7")])
def test_vllm_finds_our_plugin_and_what_the_user_set_holds(set_before: dict[str, str], after: str) -> None:
    program = (
        "import os; from vllm.plugins import load_general_plugins; load_general_plugins(); "
        "print('cache', os.environ.get('VLLM_CPU_KVCACHE_SPACE'))"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith("VLLM_")}
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, env={**kept, **set_before}, capture_output=True, text=True, check=True)
    on_cpu = version("vllm").endswith("+cpu")
    expected = after if on_cpu or set_before else "None"
    assert result.stdout.splitlines()[-1] == f"cache {expected}"

"""Clusters: what Snakemake's executors for Slurm and Kubernetes are sent for a step, without a cluster."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from openbook_eval.study import jobs
from openbook_eval.study.runner import PROFILES, run
from openbook_eval.study.workflow import Need
from tests.study.test_runner import folder, mix, start, workflow

__all__ = ["folder"]
# 2 GPUs, 31 GB and 195 minutes with what is added to them.
NEED = Need(2, 4.0, 31e9 / 1.5, 1.0)

# Slurm's programs, as far as the plugin calls them: each job is run at once, and what was asked for is kept.
_SBATCH = """#!/bin/sh
for argument; do echo "$argument"; done > {asked}
for argument; do case $argument in --wrap=*) sh -c "${{argument#--wrap=}}" > {out} 2>&1;; esac; done
echo 17
"""
_SRUN = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
"""
_SACCT = "#!/bin/sh\ncase $* in *Account*) ;; *) echo '17|COMPLETED';; esac\n"


def test_slurm_is_sent_what_the_plan_asks_for(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sbatch = _SBATCH.format(asked=tmp_path / "asked", out=tmp_path / "out")
    scripts = {"sbatch": sbatch, "srun": _SRUN, "sacct": _SACCT, "sinfo": "#!/bin/sh\necho main*\n"}
    for name, script in scripts.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    work = tmp_path / "work"
    own = replace(mix(folder, work, "mix8"), need=NEED)
    process = start(workflow(own), work, "slurm")
    # The plugin asks what has become of a job after 40 seconds; the job itself is done before.
    while not (work / own.id / jobs.RECORD).exists():
        assert process.poll() is None, (tmp_path / "out").read_text()
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    asked = (tmp_path / "asked").read_text()
    for flags in ("-t\n195\n", "--mem\n31000\n", "--gres=gpu:2\n", "--ntasks=1\n", "--cpus-per-task=16\n"):
        assert flags in asked


class _Api(BaseHTTPRequestHandler):
    """As much of the API of Kubernetes as the plugin speaks to; its pods are processes here."""

    jobs: list[Any]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/jobs"):
            self.jobs.append(body)
            (container,) = body["spec"]["template"]["spec"]["containers"]
            # The image's python is this one.
            command = [*container["command"], *container["args"]]
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            done = subprocess.run(command, env={**os.environ, "PATH": path}, cwd="/", capture_output=True, check=False)
            body["status"] = {"succeeded" if done.returncode == 0 else "failed": 1}
        self._answer(body)

    def do_GET(self) -> None:
        if "/jobs/" in self.path:
            self._answer(self.jobs[0])
        else:
            self._answer({"kind": "PodList", "apiVersion": "v1", "items": []})

    def do_DELETE(self) -> None:
        self._answer({})

    def _answer(self, content: Any) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The jobs that were handed to a cluster which only has an API."""
    sent: list[Any] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Api", (_Api,), {"jobs": sent}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "made",
        "contexts": [{"name": "made", "context": {"cluster": "made", "user": "made"}}],
        "clusters": [{"name": "made", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "made", "user": {}}],
    }
    (tmp_path / "kube.yml").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kube.yml"))
    yield sent
    server.shutdown()
    server.server_close()


def test_kubernetes_is_sent_a_job_that_does_the_step_on_the_shared_volume(
    api: list[Any], folder: Path, tmp_path: Path
) -> None:
    content = yaml.safe_load((PROFILES / "kubernetes" / "config.yaml").read_text())
    content |= {"container-image": "example.org/openbook:1", "kubernetes-persistent-volumes": [f"study:{tmp_path}"]}
    content |= {"latency-wait": 1, "seconds-between-status-checks": 1}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    own = replace(mix(folder, tmp_path / "work", "mix8"), need=NEED)
    assert run(workflow(own), tmp_path / "work", profile=str(tmp_path)) == 0
    (job,) = api
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "example.org/openbook:1"
    assert {"name": "study", "mountPath": str(tmp_path)} in container["volumeMounts"]
    assert {"name": "study", "persistentVolumeClaim": {"claimName": "study"}} in pod["volumes"]
    asked = {"cpu": "15200m", "memory": "31000M", "ephemeral-storage": "1000M", "nvidia.com/gpu": "2"}
    # GPUs count as limits only.
    assert container["resources"] == {"requests": asked, "limits": {**asked, "cpu": "16000m"}}
    assert [each["key"] for each in pod["tolerations"]] == ["nvidia.com/gpu"]
    assert re.match(r"python -m snakemake ", container["args"][1])
    assert "pip install" not in container["args"][1]
    assert (tmp_path / "work" / own.id / jobs.RECORD).is_file()
    assert job["status"] == {"succeeded": 1}

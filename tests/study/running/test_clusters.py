"""Clusters: what Slurm and Kubernetes are asked for, by the plugins' own hands and by what they send."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from openbook_eval.errors import OpenbookError
from openbook_eval.study.running import submissions
from openbook_eval.study.running.run import Options, run
from openbook_eval.study.steps import RECEIPT, Resources
from tests.study.steps_made import examinee, graph, step

TRAINING = step("train", "cell", what={"recipe": {}}, resources=Resources(2, 31000, 195, 1))
BASE = examinee()


def test_on_slurm_cards_memory_time_and_processors_are_those_of_the_plan() -> None:
    command = submissions.slurm_command(TRAINING, submissions.profile("slurm"))
    assert shlex.split(command) == shlex.split(
        f"sbatch --parsable --job-name study --output {TRAINING.id}/slurm.log --export=ALL --comment rule_train "
        "-t 195 --mem 31000 --nodes=1 --ntasks=1 --cpus-per-task=16 --gres=gpu:2 -D ."
    )


def test_a_step_without_cards_asks_slurm_for_none() -> None:
    command = submissions.slurm_command(BASE, submissions.profile("slurm"))
    assert "-t 5 --mem 500 --ntasks=1 --cpus-per-task=1" in command
    assert "gpu" not in command


def test_a_profile_of_ones_own_names_account_and_partition(tmp_path: Path) -> None:
    own = {"executor": "slurm", "default-resources": ["slurm_account=med", "slurm_partition=a100"]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(own))
    assert "-A 'med' -p a100" in submissions.slurm_command(TRAINING, submissions.profile(str(tmp_path)))


def test_on_kubernetes_cards_are_limits_and_memory_is_asked_for() -> None:
    job = submissions.kubernetes_job(TRAINING, submissions.profile("kubernetes"))
    (container,) = job.spec.template.spec.containers
    asked = {"cpu": "15200m", "memory": "31000M", "ephemeral-storage": "1000M", "nvidia.com/gpu": "2"}
    assert container.resources.requests == asked
    assert container.resources.limits == {**asked, "cpu": "16000m"}
    assert [each.key for each in job.spec.template.spec.tolerations] == ["nvidia.com/gpu"]


def test_a_step_without_cards_may_go_to_any_node_of_kubernetes() -> None:
    job = submissions.kubernetes_job(BASE, submissions.profile("kubernetes"))
    assert "nvidia.com/gpu" not in job.spec.template.spec.containers[0].resources.requests
    assert job.spec.template.spec.tolerations is None


@pytest.mark.parametrize("name", ["slurm", "kubernetes"])
def test_a_dry_run_tells_what_would_be_submitted_for_every_step(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(graph(BASE, TRAINING), Options(tmp_path, profile=name, dry_run=True)) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("base examinee: ")
    assert second.startswith("train cell: ")
    assert ("--mem 31000" if name == "slurm" else "nvidia.com/gpu 2") in second


def test_a_profile_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(OpenbookError, match=r"^--profile slrum: no folder with a config.yaml, .*did you mean 'slurm'"):
        submissions.profile("slrum")


def test_a_profile_must_name_its_executor(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("jobs: 5\n")
    with pytest.raises(OpenbookError, match="names no executor"):
        submissions.profile(str(tmp_path))


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


_SCRIPT = """
import sys
from pathlib import Path
from openbook_eval.study.running.run import Options, run
from openbook_eval.study.steps import Graph
run(Graph.from_json(Path(sys.argv[1]).read_bytes()), Options(Path(sys.argv[2]), profile="slurm"))
"""


def programs(folder: Path, **scripts: str) -> None:
    for name, script in scripts.items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)


def test_slurm_is_sent_the_resources_of_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = examinee()
    own = type(own)(own.kind, own.name, own.key, (), own.cells, own.what, Resources(2, 31000, 195, 1))
    sbatch = _SBATCH.format(asked=tmp_path / "asked", out=tmp_path / "out")
    sacct = "#!/bin/sh\ncase $* in *Account*) ;; *) echo '17|COMPLETED';; esac\n"
    programs(tmp_path, sbatch=sbatch, srun=_SRUN, sacct=sacct, sinfo="#!/bin/sh\necho main*\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    work = tmp_path / "work"
    (tmp_path / "graph.json").write_text(graph(own).to_json())
    command = [sys.executable, "-c", _SCRIPT, str(tmp_path / "graph.json"), str(work)]
    process = subprocess.Popen(command, start_new_session=True)
    # The plugin asks what has become of a job after 40 seconds; the job itself is done long before.
    while not (work / own.id / RECEIPT).exists():
        assert process.poll() is None
        time.sleep(0.1)
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
    jobs: list[Any] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Api", (_Api,), {"jobs": jobs}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cluster = {"server": f"http://127.0.0.1:{server.server_port}"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "made",
        "contexts": [{"name": "made", "context": {"cluster": "made", "user": "made"}}],
        "clusters": [{"name": "made", "cluster": cluster}],
        "users": [{"name": "made", "user": {}}],
    }
    (tmp_path / "kube.yml").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kube.yml"))
    yield jobs
    server.shutdown()
    server.server_close()


def test_kubernetes_is_handed_a_job_that_does_the_step_on_the_shared_volume(api: list[Any], tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    content = yaml.safe_load((submissions.profile("kubernetes").folder / "config.yaml").read_text())
    content |= {"container-image": "example.org/openbook:1", "kubernetes-persistent-volumes": [f"study:{tmp_path}"]}
    content |= {"latency-wait": 1, "seconds-between-status-checks": 1}
    (profile / "config.yaml").write_text(yaml.safe_dump(content))
    work = tmp_path / "work"
    assert run(graph(BASE), Options(work, profile=str(profile))) == 0
    (job,) = api
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "example.org/openbook:1"
    assert {"name": "study", "mountPath": str(tmp_path)} in container["volumeMounts"]
    assert {"name": "study", "persistentVolumeClaim": {"claimName": "study"}} in pod["volumes"]
    assert container["resources"]["limits"]["memory"] == "500M"
    assert re.match(r"python -m snakemake ", container["args"][1])
    assert "pip install" not in container["args"][1]
    assert (work / BASE.id / RECEIPT).is_file()
    assert job["status"] == {"succeeded": 1}

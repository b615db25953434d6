"""docker-compose.yml, the Dockerfile, deploy/k8s and the Makefile say the same as the code."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.stack.kafka import Kafka
from cli.stack.permissions import USERS
from cli.stack.prepare import PrepareSettings, to_take_away
from common.service_keys import SIGNERS
from common.settings import Settings
from common.topics import SERVICES
from pydantic_settings import BaseSettings
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[3]
KUSTOMIZE = ROOT / "deploy" / "k8s"
WORKLOADS = {"Deployment", "Job"}


def variables_of(program: str) -> set[str]:
    """The TRUEUP_* variables that a service, or the `prepare` job, reads."""
    if program == "prepare":
        return names(PrepareSettings)
    known = names(Settings)
    if importlib.util.find_spec(f"{program}.settings") is not None:
        module = importlib.import_module(f"{program}.settings")
        classes = [value for value in vars(module).values() if isinstance(value, type)]
        known = known.union(*(names(value) for value in classes if issubclass(value, BaseSettings)))
    return known


def names(settings: type[BaseSettings]) -> set[str]:
    return {f"TRUEUP_{field.upper()}" for field in settings.model_fields}


def needed(program: str) -> set[str]:
    settings = PrepareSettings if program == "prepare" else Settings
    return {f"TRUEUP_{name.upper()}" for name, field in settings.model_fields.items() if field.is_required()}


# -- compose


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return loaded


def test_compose_has_the_servers_the_job_and_the_six_services(compose: dict[str, Any]) -> None:
    assert list(compose["services"]) == ["postgres", "kafka", "prepare", *SERVICES]


@pytest.mark.parametrize("name", ["prepare", *SERVICES])
def test_compose_sets_what_the_program_reads_and_nothing_it_does_not(compose: dict[str, Any], name: str) -> None:
    given = {key for key in compose["services"][name]["environment"] if key.startswith("TRUEUP_")}
    assert needed(name) <= given
    assert given <= variables_of(name)


def test_compose_names_no_password(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for key, value in service.get("environment", {}).items():
            if key.endswith(("PASSWORD", "_URL")):
                assert re.search(r"\$\{[A-Z_]*PASSWORD:\?", value), f"{key} must come from the environment"


@pytest.mark.parametrize("name", SERVICES)
def test_compose_locks_services_down_and_watches_them(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "/readyz" in service["healthcheck"]["test"][-1]
    assert service["build"]["args"]["SERVICE"] == name
    assert service["depends_on"]["prepare"]["condition"] == "service_completed_successfully"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_only_the_executor_is_given_targets_and_only_the_observer_feeds(compose: dict[str, Any]) -> None:
    holders = {
        secret: {name for name, part in compose["services"].items() if secret in part.get("secrets", [])}
        for secret in compose["secrets"]
    }
    assert holders["targets"] == {"executor"}
    assert holders["feeds"] == holders["polls"] == {"observer"}
    assert holders["passwords"] == {"prepare"}
    assert {secret: who for secret, who in holders.items() if secret.startswith("signing-")} == {
        f"signing-{name}": {name} for name in SIGNERS
    }
    assert holders["service-keys"] == set(SIGNERS)


def test_each_signing_service_is_given_its_own_key(compose: dict[str, Any], manifests: list[dict[str, Any]]) -> None:
    kubernetes = dict(pods(manifests))
    for name in SERVICES:
        given = {entry["name"]: entry.get("value", "") for entry in kubernetes[name]["containers"][0]["env"]}
        both = (compose["services"][name]["environment"], given)
        assert all(
            ("TRUEUP_SIGNING_KEY" in one) == ("TRUEUP_SERVICE_KEYS" in one) == (name in SIGNERS) for one in both
        )
        if name in SIGNERS:
            assert both[0]["TRUEUP_SIGNING_KEY"] == f"/run/secrets/signing-{name}"
            (secret,) = [volume["secret"] for volume in kubernetes[name]["volumes"] if "secret" in volume]
            assert secret["secretName"] == f"trueup-{name}"
            assert secret["defaultMode"] & 0o007 == 0, "a key that others may read is refused"


def test_compose_secrets_are_generated_for_every_variable_it_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("compose_secrets", ROOT / "deploy" / "docker" / "secrets.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "COMPOSE", tmp_path / ".trueup" / "compose")
    config = tmp_path / "config"
    config.mkdir()
    for name in script.CONFIG:
        (config / name).write_text("{}")
    script.main([str(config)])
    written = (tmp_path / ".env").read_text("utf-8")
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text("utf-8")))
    assert asked == set(re.findall(r"^([A-Z_]+)=.", written, re.MULTILINE))
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in script.COMPOSE.iterdir())
    with pytest.raises(SystemExit, match="passwords are in use"):
        script.main([str(config)])


# -- the same versions and settings everywhere


def test_compose_runs_the_kafka_that_make_kafka_runs(compose: dict[str, Any]) -> None:
    pom = (ROOT / "deploy" / "kafka" / "pom.xml").read_text("utf-8")
    pinned = re.search(r"<kafka.version>(.+)</kafka.version>", pom)
    assert pinned is not None
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{pinned[1]}"


def test_the_images_are_built_with_the_locked_uv() -> None:
    lock = (ROOT / "uv.lock").read_text("utf-8")
    locked = re.search(r'name = "uv"\nversion = "(.+)"', lock)
    assert locked is not None
    assert f"/uv:{locked[1]} AS uv" in (ROOT / "deploy" / "docker" / "Dockerfile").read_text("utf-8")


def test_the_jobs_image_gets_every_services_sql_files_and_nothing_that_services_depend_on() -> None:
    text = (ROOT / "deploy" / "docker" / "Dockerfile").read_text("utf-8")
    step = re.search(r'^RUN if test "\$SERVICE" = cli; then \\\n(.+); fi$', text, re.MULTILINE)
    assert step is not None
    assert step[1].split()[-2:] == ["--no-deps", "./services/*"]


def test_the_kafka_container_has_the_users_and_the_security_of_make_kafka(tmp_path: Path) -> None:
    script = (ROOT / "deploy" / "docker" / "kafka-start.sh").read_text("utf-8")
    users = re.search(r"^for user in (.+); do$", script, re.MULTILINE)
    assert users is not None
    assert tuple(users[1].split()) == USERS
    ours = Kafka(tmp_path, ROOT / "deploy" / "kafka", USERS)._logins()
    for key in ours:
        assert f"\n{key}=" in script, key
    for key in ("authorizer.class.name", "super.users", "allow.everyone.if.no.acl.found", "sasl.enabled.mechanisms"):
        assert f"\n{key}={ours[key]}\n" in script


def test_ci_runs_the_checks_then_the_tests_as_the_makefile_names_them() -> None:
    steps = re.findall(r"^\s*(make [a-z-]+)$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    assert steps == ["make check", "make isolated", "make test", "make test-kafka"]


def test_every_target_of_the_makefile_is_listed_or_a_part_of_check() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert phony is not None
    listed = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert set(phony[1].split()) - listed == {"format", "lint", "types", "contracts"}


# -- Kubernetes


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    """Every object of the base, read from its files."""
    yaml = YAML(typ="safe")
    listed = yaml.load((KUSTOMIZE / "kustomization.yaml").read_text("utf-8"))["resources"]
    return [item for name in listed for item in yaml.load_all((KUSTOMIZE / name).read_text("utf-8"))]


def pods(manifests: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in manifests:
        if item["kind"] in WORKLOADS:
            yield item["metadata"]["name"], item["spec"]["template"]["spec"]


def test_each_service_has_its_four_objects(manifests: list[dict[str, Any]]) -> None:
    found = {(item["kind"], item["metadata"]["name"]) for item in manifests}
    wanted = {
        (kind, name) for kind in ("Deployment", "Service", "ServiceAccount", "NetworkPolicy") for name in SERVICES
    }
    assert wanted <= found


def test_pods_give_up_every_privilege(manifests: list[dict[str, Any]]) -> None:
    checked = dict(pods(manifests))
    assert set(checked) == {"prepare", *SERVICES}
    for name, pod in checked.items():
        assert pod["serviceAccountName"] == name
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]) == {"requests", "limits"}


def test_services_are_probed(manifests: list[dict[str, Any]]) -> None:
    for name, pod in pods(manifests):
        if name in SERVICES:
            (container,) = pod["containers"]
            assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_kubernetes_sets_what_the_program_reads_and_nothing_it_does_not(manifests: list[dict[str, Any]]) -> None:
    for name, pod in pods(manifests):
        given = {entry["name"] for entry in pod["containers"][0]["env"]}
        assert needed(name) <= given, name
        assert given <= variables_of(name), name


def test_passwords_come_from_secrets_of_the_service_itself(manifests: list[dict[str, Any]]) -> None:
    for name, pod in pods(manifests):
        for entry in pod["containers"][0]["env"]:
            if entry["name"].endswith(("PASSWORD", "_URL")):
                assert entry["valueFrom"]["secretKeyRef"]["name"] == f"trueup-{name}"


def test_nothing_is_reachable_by_default(manifests: list[dict[str, Any]]) -> None:
    rules = {item["metadata"]["name"]: item["spec"] for item in manifests if item["kind"] == "NetworkPolicy"}
    assert rules["all"]["podSelector"] == {}
    assert rules["all"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in rules["all"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed here")
def test_kubectl_renders_the_base() -> None:
    rendered = subprocess.run(["kubectl", "kustomize", str(KUSTOMIZE)], capture_output=True, text=True, check=True)
    objects = list(YAML(typ="safe").load_all(rendered.stdout))
    assert {item["metadata"].get("namespace", "trueup") for item in objects} == {"trueup"}
    assert sum(item["kind"] == "Deployment" for item in objects) == len(SERVICES)
    assert "trueup/executor:0.1.0" in rendered.stdout


def test_what_only_a_superuser_can_take_away_is_told_by_the_prepare_job() -> None:
    assert to_take_away([]) == ""
    assert "REVOKE EXECUTE ON FUNCTION lo_create(oid), lo_put(oid,bigint,bytea) FROM PUBLIC;" in to_take_away(
        ["lo_create(oid)", "lo_put(oid,bigint,bytea)"]
    )

"""The manifests of docs/cluster.md beside Kubernetes' own schemas.

These come with the package kubernetes-validate, which no extra installs; CONTRIBUTING.md has the command.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from guide import examples

kubernetes_validate = pytest.importorskip("kubernetes_validate")


def manifests() -> list[dict[str, Any]]:
    """Returns what the page gives to `kubectl apply`."""
    [text] = examples("Kubernetes", "yaml", page="docs/cluster.md")
    return list(yaml.safe_load_all(text))


def check(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_the_manifests_are_as_kubernetes_wants_them() -> None:
    """Each manifest of the page follows the schema of its kind, with no field that Kubernetes does not know."""
    assert [manifest["kind"] for manifest in manifests()] == ["Job"]
    for manifest in manifests():
        check(manifest)


@pytest.mark.parametrize("wrong", [{"backofLimit": 20}, {"backoffLimit": "twenty"}])
def test_a_wrong_field_would_be_found(wrong: dict[str, Any]) -> None:
    """The check knows each field by its name and its type."""
    [job] = manifests()
    job["spec"] |= wrong
    with pytest.raises(kubernetes_validate.ValidationError):
        check(job)


def test_each_mount_has_its_volume() -> None:
    """A schema does not see this: every mounted volume is one of the pod's, and the search works in one of them."""
    [job] = manifests()
    pod = job["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert container["workingDir"] in {mount["mountPath"] for mount in container["volumeMounts"]}

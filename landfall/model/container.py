"""Containers of a host: by digest, from the site's own registry, and with no rights to spare."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

NAME = re.compile(r"^[a-z][a-z0-9-]{0,40}$")
IMAGE = re.compile(r"^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$")
"""A repository's path without registry, tag and digest (OCI distribution specification)."""
DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
DEVICE = re.compile(r"^[a-z0-9.-]+/[\w.-]+=[\w.:-]+$")
"""A device by its CDI name, e.g. nvidia.com/gpu=0 or nvidia.com/gpu=1:0 for a MIG instance."""

PREFIX = "landfall-container-"


def refusals(
    containers: Sequence[Mapping[str, Any]],
    *,
    registry: str,
    subnet: str,
    ranges: Mapping[str, str],
    images: Sequence[Mapping[str, Any]] = (),
) -> list[str]:
    """What of a host's containers and their network cannot be, in words.

    Args:
        containers: as the role's variable has them.
        registry: host:port of the site's mirror.
        subnet: that containers with a network of their own get.
        ranges: the site's networks, by name.
        images: that are fetched for others.
    """
    found = []
    if (containers or images) and not registry:
        found.append(
            "runtime_registry: required where containers run; images come from nowhere else"
        )
    mine = IPv4Network(subnet)
    for name, each in ranges.items():
        if mine.overlaps(IPv4Network(each)):
            found.append(f"runtime_subnet: {subnet} overlaps {each} of the site's network {name}")
    names = [each["name"] for each in containers]
    twice = sorted({name for name in names if names.count(name) > 1})
    found += [f"runtime_containers: {name} appears twice" for name in twice]
    for index, container in enumerate(containers):
        found += [f"runtime_containers.{index}.{each}" for each in _refusals(container)]
    for index, image in enumerate(images):
        found += [f"runtime_images.{index}.{each}" for each in _of_image(image)]
    return found


def _refusals(container: Mapping[str, Any]) -> Iterator[str]:
    if not NAME.match(container["name"]):
        yield f"name: {container['name']!r}; lower-case letters, digits and dashes"
    yield from _of_image(container)
    for device in container.get("devices") or ():
        if not DEVICE.match(device):
            yield f"devices: {device!r}; a CDI name such as nvidia.com/gpu=0"
    for mount in container.get("mounts") or ():
        if not (mount["source"].startswith("/") and mount["target"].startswith("/")):
            yield f"mounts: {mount['source']} at {mount['target']}; both paths begin with /"
        if set(mount["source"] + mount["target"]) & set(",:"):
            yield f"mounts: {mount['source']} at {mount['target']}; no comma or colon in a path"


def _of_image(image: Mapping[str, Any]) -> Iterator[str]:
    if not IMAGE.match(image["image"]):
        yield (
            f"image: {image['image']!r}; the path in the site's registry alone, without "
            "registry and without tag: a tag can be moved, a digest cannot"
        )
    for field in ("digest", "previous"):
        value = image.get(field)
        if (value or field == "digest") and not DIGEST.match(value or ""):
            yield f"{field}: {value!r}; sha256: and 64 hexadecimal digits"


def reference(container: Mapping[str, Any], registry: str, field: str = "digest") -> str:
    """The one name under which an image is pulled and run."""
    return f"{registry}/{container['image']}@{container[field]}"


def arguments(container: Mapping[str, Any], registry: str) -> list[str]:
    """How podman is asked to run it: read-only, without capabilities, in the unit's own cgroup."""
    mounts = [
        f"--mount=type=bind,source={each['source']},target={each['target']}"
        + ("" if each.get("writable") else ",readonly")
        for each in container.get("mounts") or ()
    ]
    environment = container.get("environment") or {}
    return [
        *("/usr/bin/podman", "run", "--rm", "--replace", f"--name={PREFIX}{container['name']}"),
        *("--pull=never", f"--sdnotify={container.get('notify') or 'conmon'}"),
        *(f"--cgroups={container.get('cgroups') or 'split'}", "--log-driver=passthrough"),
        "--http-proxy=false",  # or the host's own proxies would be handed in
        *("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"),
        f"--tmpfs=/tmp:rw,{container.get('scratch') or 'size=1g'},mode=1777",
        f"--network={container.get('network') or 'none'}",
        f"--shm-size={container.get('shared_memory') or '64m'}",
        *(f"--ulimit={name}={each}" for name, each in (container.get("ulimits") or {}).items()),
        *([f"--entrypoint={container['entrypoint']}"] if container.get("entrypoint") else []),
        *([f"--user={container['user']}"] if container.get("user") else []),
        *(f"--device={device}" for device in container.get("devices") or ()),
        *mounts,
        *(f"--env={name}={value}" for name, value in sorted(environment.items())),
        reference(container, registry),
        *(container.get("command") or ()),
    ]


def quoted(words: Sequence[str]) -> str:
    """Words as one line of a systemd unit, each meaning only itself (systemd.service(5))."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    safe = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[\w@%$=:,./+-]+", safe):
        return safe
    escaped = safe.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def missing(
    images: Sequence[Mapping[str, Any]], containers: Sequence[Mapping[str, Any]], registry: str
) -> list[str]:
    """Images that are not on the host; `images` is what `podman images --format json` printed."""
    have = set(_references(images))
    wanted = dict.fromkeys(reference(each, registry) for each in containers)
    return [each for each in wanted if each not in have]


def unreferenced(
    images: Sequence[Mapping[str, Any]], containers: Sequence[Mapping[str, Any]], registry: str
) -> list[str]:
    """Identifiers of images that neither this release nor the one before it needs."""
    keep = {
        reference(each, registry, field)
        for each in containers
        for field in ("digest", "previous")
        if each.get(field)
    }
    return sorted({str(image["Id"]) for image in images if not keep & set(_references([image]))})


def wrong(
    inspected: Sequence[Mapping[str, Any]], containers: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What of the running containers is not as it was asked for; from `podman inspect`."""
    running = {each["Name"]: each for each in inspected}
    found = []
    for container in containers:
        each = running.get(f"{PREFIX}{container['name']}")
        if each is None:
            found.append(f"{container['name']}: does not run")
            continue
        if each.get("ImageDigest") != container["digest"]:
            found.append(f"{container['name']}: runs {each.get('ImageDigest')}")
        if not each["HostConfig"]["ReadonlyRootfs"]:
            found.append(f"{container['name']}: its file system can be written")
        if each.get("EffectiveCaps"):
            found.append(f"{container['name']}: has {', '.join(each['EffectiveCaps'])}")
    return found


def _references(images: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for image in images:
        yield from image.get("RepoDigests") or ()
        for name in image.get("Names") or ():
            if "@" in name:
                yield name

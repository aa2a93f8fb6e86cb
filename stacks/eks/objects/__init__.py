"""The Kubernetes objects of training, as values: pure functions from facts to manifests.

They are rendered to a folder, which Argo CD applies from inside the network. Controllers and their
definitions (Kueue, Kubeflow Trainer with JobSet, drivers of devices, the autoscaler) come from
mirrored charts.
"""

from collections.abc import Iterator

from stacks.eks.objects import argo, claims, devices, metrics, namespaces, network, queues, runtimes
from stacks.eks.objects.facts import Facts, Manifest

__all__ = ["Facts", "Manifest", "everything"]


def everything(facts: Facts) -> Iterator[Manifest]:
    """Every object that is rendered."""
    for part in (namespaces, network, devices, claims, metrics, queues, runtimes, argo):
        yield from part.objects(facts)

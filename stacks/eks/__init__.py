"""Training on Kubernetes: a private cluster, its nodes, and the objects in it."""

from stacks.eks.training import EksTraining, EksTrainingArgs

__all__ = ["EksTraining", "EksTrainingArgs"]

"""Rented GPUs: pools of machines, how their capacity is had, and the queues behind them."""

from stacks.training.ec2 import Ec2Training, Ec2TrainingArgs, Shared

__all__ = ["Ec2Training", "Ec2TrainingArgs", "Shared"]

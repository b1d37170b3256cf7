"""Bringing a release to the fleet in waves, and stopping when it hurts."""

from fleet_cli.rollout.judge import judge
from fleet_cli.rollout.runner import Runner
from fleet_cli.rollout.state import Rollout, Target

__all__ = ["Rollout", "Runner", "Target", "judge"]

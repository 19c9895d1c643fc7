"""Learning and running: SAC on RLlib, policies, experiments, and the `marl-moe` command."""

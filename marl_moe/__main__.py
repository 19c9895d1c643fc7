"""`python -m marl_moe` is the `marl-moe` command."""

from marl_moe.cli import main

main()

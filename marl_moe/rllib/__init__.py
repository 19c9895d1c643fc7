"""Our SAC over whole worlds, and RLlib's stock algorithms beside it."""

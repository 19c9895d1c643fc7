"""Training on RLlib: engines, the loop over epochs, rows, checkpoints, and the Ray it runs on."""

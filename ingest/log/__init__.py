"""The one log: outbox, sequencer, Merkle tree, checkpoints, proofs, subject keys."""

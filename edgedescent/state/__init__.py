"""What lasts: journal, checkpoints and dead letters on the disk, and how an engine comes back from them."""

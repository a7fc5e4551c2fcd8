"""Parts of the automatic regressor: the inputs of its members, the members, and the mixture of their predictions."""

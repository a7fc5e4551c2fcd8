"""Loss of an ensemble: what its mixtures and its trees minimize."""


cdef Aim make_aim(object loss) except *:
    """Return the aim that stands for a loss.

    Args:
        loss: Loss of `edgedescent.losses`.

    Raises:
        ValueError: If it is another one than the absolute loss, the squared one and that of a quantile.
    """
    if loss.rule == "absolute":
        return Aim(ABSOLUTE, 0.5)
    if loss.rule == "squared":
        return Aim(SQUARED, 0.5)
    if loss.rule == "quantile":
        return Aim(QUANTILE, loss.q)
    raise ValueError(f"An ensemble minimizes AbsoluteLoss, SquaredLoss or QuantileLoss. Got {loss!r}.")

"""Console: options, output and questions that the commands share."""

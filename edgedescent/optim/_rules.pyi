# Everything in this module is for other kernels; Python sees nothing of it.

"""Reports: one self-contained HTML file from the results of simulations."""

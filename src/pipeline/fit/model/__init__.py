"""Models of power spectra: components, priors, and the likelihood of their powers."""

"""From noise to latents: solvers, guidance and stochastic samplers with log-probabilities."""

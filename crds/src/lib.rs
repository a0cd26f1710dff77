//! API types of the Experiment.

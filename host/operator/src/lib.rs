//! The operator: watches Experiments and what they refer to, and keeps the cluster as they want it.

//! From a resolved Experiment to the objects it wants: pure but for calling plugins.

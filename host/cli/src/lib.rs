//! The testbench command.

# Two commands do everything on a fresh machine: `make demo` runs the main job, `make test` passes the tests.
.DEFAULT_GOAL := help
.PHONY: help tools demo test build-times

# A folder with Testkube's own CustomResourceDefinitions, where there is one; the tests say so when they skip it.
NEIGHBOUR_CRDS ?= $(realpath ../shared/crds)
ifneq ($(NEIGHBOUR_CRDS),)
export NEIGHBOUR_CRDS
endif

help: ## Say what there is to make.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

tools: ## Check that the tools are there, and add what rustup can.
	@hack/tools.sh

demo: tools ## Build, and show what an Experiment becomes.
	@cargo build --quiet --package testbench-cli
	@hack/demo.sh

test: tools ## Everything that has to hold: format, lints, docs, tests.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet
	cargo test --workspace

build-times: tools ## Measure the times of CONTRIBUTING.md, in a target folder of their own.
	@hack/build-times.sh

# Two commands do everything on a fresh machine: `make demo` runs the main job, `make test` passes the tests.
.DEFAULT_GOAL := help
.PHONY: help tools languages control-plane registry demo demo-offline test test-fast lint soak image-check build-times

# A folder with Testkube's own CustomResourceDefinitions, where there is one; the tests say so when they skip it.
NEIGHBOUR_CRDS ?= $(realpath ../shared/crds)
ifneq ($(NEIGHBOUR_CRDS),)
export NEIGHBOUR_CRDS
endif

# What needs a real control plane or registry, Node.js or Python is behind these features, so that no list of tests stands here.
CONTROL_PLANE := --features testbench-tests/control-plane
ALL := $(CONTROL_PLANE),testbench-registry/real-registry,testbench-cli/languages,testbench-tests/languages

help: ## Say what there is to make.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

tools: ## Check that the tools are there, and add what rustup can.
	@hack/tools.sh

# A cluster that is there (CLUSTER=current) needs no control plane.
demo: tools $(if $(filter current,$(CLUSTER)),,control-plane) ## Build, and show the operator at work on a control plane of its own.
	@cargo build --quiet --package testbench-cli --package testbench-tests $(CONTROL_PLANE) --bin testbench --bin control-plane
	@CLUSTER='$(CLUSTER)' hack/demo.sh

demo-offline: tools ## Build, and show what an Experiment becomes: no control plane, no Go.
	@cargo build --quiet --package testbench-cli
	@hack/demo.sh offline

control-plane: ## Build the real control plane that tests run on: once, 10 minutes.
	@hack/control-plane.sh

registry: ## Build the real registry that tests run on: once, 15 seconds.
	@hack/registry.sh

languages: ## Install what builds components in JavaScript and Python: once, 110 MB, a few seconds.
	@hack/languages.sh javascript >/dev/null
	@hack/languages.sh python >/dev/null

test: tools control-plane registry languages lint ## Everything that has to hold: format, lints, docs, tests.
	cargo test --workspace $(ALL)

test-fast: tools lint ## The same without real control plane and registry, and without plugins in JavaScript and Python.
	cargo test --workspace

lint: tools ## Format, lints and docs alone.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(ALL) -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --quiet $(ALL)

soak: tools ## See that 10,000 failures and 50 time-outs of plugins leave no memory behind: a minute or two; `test` has the short form.
	SOAK_FAILURES=10000 SOAK_TIMEOUTS=50 cargo test --package testbench-tests --test soak -- --nocapture

image-check: tools ## Build the image's binary, and run it alone in an empty root: minutes, and not part of `test`.
	@hack/image-check.sh

build-times: tools ## Measure the times of CONTRIBUTING.md, in a target folder of their own.
	@hack/build-times.sh

# bin/setup installs what is missing, saying what, and then runs the rest of its line.

export LANG := C.UTF-8
export LC_ALL := C.UTF-8

.PHONY: help demo test build docs bench ordeals paces archives soak format lint check cross recipes clean
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s%s\n", $$1, $$2 }' Makefile

demo: build ## three nodes on one mesh evolve together (SEED=n to choose the run)
	@{ COLUMNS=$$(test -t 3 && tput cols) ERL_LIBS=_build/default/lib \
		bin/setup escript demo/mesh_of_three.escript; } 3>&1

test: ## every test there is
	@bin/setup bin/test

build: ## the library and the application
	@bin/setup rebar3 compile

docs: ## guides and every module as pages, in _build/docs
	@bin/setup bin/docs

bench: ## speed beside other libraries, and evaluations to a solution over a hundred seeds
	@bin/setup bin/bench

ordeals: ## a thousand simulated meshes (SEEDS=1-1000) with their losses, partitions and liars
	@bin/setup sh -c 'SEEDS=$(or $(SEEDS),1-1000) rebar3 ct --suite=test/cambrian_simulation_SUITE --case=meshes_with_liars_and_faults_end_with_the_best_champion'

paces: ## what liars take of the generations of a hundred simulated meshes (SEEDS=1-100)
	@bin/setup sh -c 'SEEDS=$(or $(SEEDS),1-100) rebar3 ct --suite=test/cambrian_simulation_SUITE --case=liars_slow_no_honest_node_by_more_than_15_percent'

archives: ## a common archive of many simulated nodes (NODES=200), with losses, a partition and liars
	@bin/setup sh -c 'NODES=$(or $(NODES),200) rebar3 ct --suite=test/cambrian_simulation_SUITE --case=replicas_of_an_archive_agree_in_spite_of_liars_and_losses'

soak: ## whether a node that works and is flooded grows, over MINUTES=1 and a warm-up
	@bin/setup sh -c 'rebar3 as test compile && bin/soak $(or $(MINUTES),1)'

format: ## Rust and Elixir as their formatters want them
	@bin/setup sh -c 'cargo fmt && cargo fmt --manifest-path bench/Cargo.toml && mix format'

lint: ## formats, clippy and the other conventions
	@bin/setup bin/test lint

check: ## cross references and types
	@bin/setup bin/check

cross: ## every bit of arm64 (or ARCH=armhf), under qemu-user, beside this machine's
	@bin/setup bin/cross $(or $(ARCH),arm64)

recipes: ## whether the recipes of CONTRIBUTING.md are true
	@bin/setup test/recipes/run

clean: ## remove all that was built
	rm -rf _build target priv/native

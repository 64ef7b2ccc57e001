# bin/setup installs what is missing, saying what, and then runs the rest of its line.

export LANG := C.UTF-8
export LC_ALL := C.UTF-8

.PHONY: help demo test build bench check clean
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

bench: ## speed beside other libraries, and evaluations to a solution over a hundred seeds
	@bin/setup bin/bench

check: ## cross references and types
	@bin/setup bin/check

clean: ## remove all that was built
	rm -rf _build target priv/native

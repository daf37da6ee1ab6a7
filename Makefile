# `make help` lists the targets. CI calls them and nothing else.

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
BENCHSTAT   := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

# What the targets can be told, as in `make conformance N=1000 SEED=7`.
N         ?= 20000
SEED      ?= 1
FUZZTIME  ?= 10s
DURATION  ?= 10m
BENCH     ?= .
COUNT     ?= 1
BENCHTIME ?= 1s
SYSTEMS   ?= darwin windows freebsd
TESTFLAGS ?=
ECHOFLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help test integration soak race lint vet staticcheck fmt tidy cross bench bench-compare bench-echo conformance fuzz examples

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: lint race cross ## everything that must pass before a change goes in

integration: ## run against redis, nginx, curl, openssl, socat, CPython; installs them if it may
	./integration/install.sh
	CGO_ENABLED=1 $(GO) test -race -count=1 -tags integration ./integration

soak: ## mixed traffic for DURATION, then compare what is left with the start
	$(GO) run ./integration/soak -duration $(DURATION)

race: ## the tests, with the race detector
	CGO_ENABLED=1 $(GO) test -race $(TESTFLAGS) ./...

lint: fmt tidy vet staticcheck ## gofmt, go mod tidy, go vet and staticcheck

vet: ## go vet
	$(GO) vet -tags integration ./...
	cd bench && $(GO) vet ./...

staticcheck: ## staticcheck, of the version pinned here
	$(GO) run $(STATICCHECK) -tags integration ./...

fmt: ## fail if a file is not gofmt's
	@files=$$(gofmt -l .) || exit 1; \
	if [ -n "$$files" ]; then echo "not gofmt's:"; echo "$$files"; exit 1; fi

tidy: ## fail if go.mod or go.sum is not go mod tidy's
	$(GO) mod tidy -diff

cross: ## build and vet for the other systems (SYSTEMS)
	@for os in $(SYSTEMS); do \
		echo "GOOS=$$os $(GO) build ./... && $(GO) vet ./..."; \
		export GOOS=$$os CGO_ENABLED=0; \
		$(GO) build ./... && $(GO) vet ./... || exit 1; \
	done

examples: ## run the examples' tests
	$(GO) test $(TESTFLAGS) -v ./examples/...

bench: ## run the benchmarks (BENCH, COUNT, BENCHTIME)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -count $(COUNT) -timeout 0 .

bench-compare: ## compare two outputs of make bench (OLD, NEW)
	@test -n "$(OLD)" && test -n "$(NEW)" || { echo 'make bench-compare OLD=old.txt NEW=new.txt'; exit 2; }
	$(GO) run $(BENCHSTAT) $(OLD) $(NEW)

bench-echo: ## measure echo servers and write the table to bench/README.md (ECHOFLAGS)
	cd bench && $(GO) run ./echo -readme README.md $(ECHOFLAGS)

conformance: ## compare N random programs with CPython 3.13 (N, SEED)
	$(GO) run ./internal/conformance/compare -n $(N) -seed $(SEED)

fuzz: ## run each fuzz test for FUZZTIME
	@pkgs=$$($(GO) list ./...) || exit 1; found=0; \
	for pkg in $$pkgs; do \
		list=$$($(GO) test -list '^Fuzz' $$pkg) || { echo "$$list"; exit 1; }; \
		for name in $$(echo "$$list" | grep '^Fuzz'); do \
			found=1; \
			echo "$(GO) test -run '^$$' -fuzz '^$$name$$' -fuzztime $(FUZZTIME) $$pkg"; \
			$(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg || exit 1; \
		done; \
	done; \
	if [ $$found = 0 ]; then echo 'there are no fuzz tests yet'; fi

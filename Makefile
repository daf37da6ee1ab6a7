# `make help` lists the targets. CI calls them and nothing else.

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
BENCHSTAT   := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

# Parameters of the targets, as in `make conformance N=1000 SEED=7`.
N         ?= 20000
SEED      ?= 1
FUZZTIME  ?= 10s
DURATION  ?= 10m
BENCHTIME ?= 1s
OLD       ?= bench/base.txt
SYSTEMS   ?= darwin/arm64 windows/amd64 freebsd/amd64 linux/386
BUILDS    ?= openbsd/amd64 netbsd/amd64 dragonfly/amd64 solaris/amd64 linux/arm plan9/amd64 js/wasm wasip1/wasm
TESTFLAGS ?=
BENCHFLAGS ?=
ECHOFLAGS ?=

# Runs the benchmarks that match BENCH, by default $(1), COUNT times, by default $(2).
go_bench = $(GO) test -run '^$$' -bench '$(or $(BENCH),$(1))' -benchtime $(BENCHTIME) -count $(or $(COUNT),$(2)) -timeout 0 .

# Runs the library's benchmarks without their rivals ten times, and saves the result at the end.
save_bench = $(call go_bench,./^asyncio,10) >$(1).part && mv $(1).part $(1)

.DEFAULT_GOAL := help
.PHONY: help test test-debug integration browser inspect-picture windows soak race portable lint vet staticcheck fmt tidy cross \
	bench bench-quick bench-test bench-go bench-base bench-compare bench-echo conformance fuzz examples

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: lint race test-debug portable bench-test cross ## everything that must pass before a change is merged

integration: ## run against redis, PostgreSQL, nginx, CPython and others, and with libraries; installs them as root
	./integration/install.sh
	CGO_ENABLED=1 $(GO) test -race -count=1 -tags integration ./integration
	cd integration/libraries && CGO_ENABLED=1 $(GO) test -race -count=1 -tags integration ./...

browser: ## test the page of package inspect in headless Chromium; installs it as root
	./integration/browser/install.sh
	CGO_ENABLED=1 $(GO) test -v -race -count=1 -tags integration -timeout 20m ./integration/browser

inspect-picture: ## take the picture of the page of package inspect for README
	./integration/browser/install.sh
	$(GO) run ./integration/browser/picture docs/inspect.png

windows: ## run the tests as Windows programs under Wine; installs it as root; skipped where that is impossible
	./integration/windows.sh

soak: ## run mixed traffic for DURATION, then compare the resources in use with the start
	$(GO) run ./integration/soak -duration $(DURATION)

race: ## run the tests with the race detector
	CGO_ENABLED=1 $(GO) test -race $(TESTFLAGS) ./...

test-debug: ## run the library's own tests in debug mode
	GOASYNCIODEBUG=1 $(GO) test $(TESTFLAGS) .

portable: ## run the tests without the poller, as on Windows: over packages net and os
	CGO_ENABLED=1 GOFLAGS=-tags=portable $(GO) test -race $(TESTFLAGS) . ./examples/... ./internal/...

lint: fmt tidy vet staticcheck ## gofmt, go mod tidy, go vet and staticcheck

vet: ## go vet
	$(GO) vet -tags integration ./...
	$(GO) vet -tags portable ./...
	cd bench && $(GO) vet ./...
	cd integration/libraries && $(GO) vet -tags integration ./...

staticcheck: ## staticcheck, of the version pinned here
	$(GO) run $(STATICCHECK) -tags integration ./...
	cd bench && $(GO) run $(STATICCHECK) ./...
	cd integration/libraries && $(GO) run $(STATICCHECK) -tags integration ./...

fmt: ## fail if gofmt would change a file
	@files=$$(gofmt -l .) || exit 1; \
	if [ -n "$$files" ]; then echo "not formatted with gofmt:"; echo "$$files"; exit 1; fi

tidy: ## fail if go mod tidy would change go.mod or go.sum
	$(GO) mod tidy -diff
	cd bench && $(GO) mod tidy -diff
	cd integration/libraries && $(GO) mod tidy -diff

cross: ## build and vet for other systems (SYSTEMS), tests too, and only build for more (BUILDS)
	@for target in $(SYSTEMS) $(BUILDS); do \
		export GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0; \
		case " $(BUILDS) " in *" $$target "*) check=true;; *) check="$(GO) vet ./...";; esac; \
		echo "GOOS=$$GOOS GOARCH=$$GOARCH $(GO) build ./... && $$check"; \
		$(GO) build ./... && $$check || exit 1; \
	done

examples: ## run the examples' tests
	$(GO) test $(TESTFLAGS) -v ./examples/...

bench: ## measure against Go, conc, tokio, uvloop, asyncio; 15 minutes; writes results, chart, README (BENCHFLAGS)
	./bench/install.sh
	cd bench && $(GO) run ./compare -results RESULTS.md -chart chart.svg -readme ../README.md $(BENCHFLAGS)

bench-quick: ## the same in a minute, to check that it works; writes nothing (BENCHFLAGS)
	cd bench && $(GO) run ./compare -quick $(BENCHFLAGS)

bench-test: ## test the benchmark programs
	cd bench && CGO_ENABLED=1 $(GO) test -race $(TESTFLAGS) ./...

bench-go: ## run the benchmarks of this library and plain Go (BENCH, COUNT, BENCHTIME)
	$(call go_bench,.,1)

bench-base: ## run the benchmarks of this library and save them for bench-compare (BENCH, COUNT, BENCHTIME, OLD)
	$(call save_bench,$(OLD))

bench-compare: ## run the same benchmarks and compare with benchstat, or with NEW only compare (OLD, NEW)
	@test -e '$(OLD)' || { echo 'there is no $(OLD): make bench-base before the change'; exit 2; }
	$(if $(NEW),,$(call save_bench,bench/new.txt))
	$(GO) run $(BENCHSTAT) $(OLD) $(or $(NEW),bench/new.txt)

bench-echo: ## measure echo servers and write the table to bench/README.md (ECHOFLAGS)
	./bench/install.sh echo
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

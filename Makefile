# wsgauge: two commands to begin with are `make quickstart` and `make test`.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)
export CGO_ENABLED = 0

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install apache2-bin, nginx and HAProxy when missing and permitted; no service is started
	@scripts/setup.sh
	@scripts/install.sh nginx nginx "a peer of Apache" nginx-light
	@scripts/install.sh haproxy HAProxy "a peer of Apache" haproxy

.PHONY: build
build: ## bin/wsgauge
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/wsgauge ./cmd/wsgauge

.PHONY: quickstart
quickstart: setup build ## compare a direct connection, the reference tunnel and Apache's three MPMs
	bin/wsgauge run quickstart

# The last package starts whole runs and watches their times, so it is alone; most of its
# tests wait for times that a configuration sets.
.PHONY: test
test: setup setup-backends vet ## all tests; shipped scenarios only where the suite shows nothing else of it
	$(GO) test -p 2 -timeout 9m $$($(GO) list ./... | grep -v cmd/wsgauge)
	$(GO) test -parallel 4 -timeout 9m ./cmd/wsgauge

.PHONY: test-scenarios
test-scenarios: setup-peers setup-backends ## every shipped scenario in a short form (8 minutes)
	WSGAUGE_SCENARIOS=1 $(GO) test ./cmd/wsgauge -run TestShipped -v -count 1 -timeout 30m

.PHONY: vet
vet: ## format and static checks
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-clean: $$unformatted" >&2; exit 1; fi
	$(GO) vet ./...

.PHONY: test-race
test-race: export CGO_ENABLED = 1
test-race: setup setup-backends ## all tests under the race detector (needs a C compiler)
	$(GO) test -race -timeout 20m ./...

# Both take a machine that does nothing else. docs/methodology.md says how to read them.
CALIBRATION := $(or $(CALIBRATION),results/calibration-$(shell date -u +%Y%m%dT%H%M%SZ))
.PHONY: calibrate
calibrate: build ## inject known delays and judge what is measured of them (25 minutes)
	scripts/awake.sh bin/wsgauge run calibrate --out $(CALIBRATION)/modest
	scripts/awake.sh bin/wsgauge run calibrate-half --out $(CALIBRATION)/half
	bin/wsgauge calibrate $(CALIBRATION)/modest $(CALIBRATION)/half

.PHONY: evidence
evidence: ## the experiments that the bounds of validity were chosen by, and shipped scenarios at full length (30 minutes)
	WSGAUGE_EVIDENCE=1 $(GO) test ./cmd/wsgauge -run TestEvidence -v -count 1 -timeout 120m

.PHONY: evidence-compare
evidence-compare: setup-peers setup-backends build ## peers, TLS on either leg and the three backends, at full size (30 minutes)
	bin/wsgauge run peers
	bin/wsgauge run tls
	bin/wsgauge run tls --set backend_tls=true
	for runtime in go node python; do bin/wsgauge run backends --set runtime=$$runtime || exit 1; done

FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (30s)
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "== $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

ROUNDS ?= 5
.PHONY: bench-memory
bench-memory: build ## memory of idle connections: agent and tunnel (ROUNDS=5)
	$(GO) run ./loadgen/bench -rounds $(ROUNDS) memory

.PHONY: bench-engine
bench-engine: setup-bench build ## CPU and system calls a message against a bare C client; opening rate
	$(GO) run ./loadgen/bench -rounds $(ROUNDS) engine

.PHONY: bench-tunnel
bench-tunnel: build ## the reference tunnel against nginx and HAProxy, where installed
	$(GO) run ./loadgen/bench -rounds $(ROUNDS) tunnel

# 100,000 keeps two processors busy, so that its latency is mostly invalid (docs/performance.md); its counts are not.
.PHONY: bench-scale
bench-scale: build ## 60,000 and 100,000 tunnels, 20,000 over wss, and 20,000 clients that come back at once (7 minutes)
	bin/wsgauge run connections
	bin/wsgauge run connections --set n=100000
	bin/wsgauge run connections --set n=20000 --set tls=true --set rate=400/s
	bin/wsgauge run storm

.PHONY: setup-peers
setup-peers: setup ## install nginx, HAProxy, Caddy and lighttpd when missing and permitted; no service is started
	@scripts/install.sh caddy Caddy "a peer of Apache" caddy
	@scripts/install.sh lighttpd lighttpd "the example of kind command" lighttpd lighttpd-mod-openssl

.PHONY: setup-backends
setup-backends: ## install the libraries of the Node.js and Python backends when missing and permitted
	@scripts/setup-backends.sh

.PHONY: setup-bench
setup-bench: ## install gcc when it is missing and that is permitted
	@scripts/install.sh gcc gcc "the C compiler of the bare client (bench-engine)" gcc libc6-dev

.PHONY: dist
dist: ## static binaries for amd64 and arm64 in dist/
	@mkdir -p dist
	GOOS=linux GOARCH=amd64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/wsgauge-linux-amd64 ./cmd/wsgauge
	GOOS=linux GOARCH=arm64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/wsgauge-linux-arm64 ./cmd/wsgauge

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist

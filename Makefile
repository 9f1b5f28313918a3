# Everything that one does with Greyglass. Needs Go and make; the end-to-end
# tests need root on a Debian too, and are skipped elsewhere.

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.1
FUZZTIME    ?= 60s
CHAOSTIME   ?= 3m
CHAOSSEED   ?= 1
SIZES       ?= 0,1000000
BENCHFLAGS  ?=
SENDERSFLAGS ?=
RESULTS     ?= e2e/bench/RESULTS.md

.PHONY: build run deb rpm image release test race fuzz chaos bench bench-peers senders lint generate clean

build: ## a static binary, bin/greyglass
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/greyglass ./cmd/greyglass

deb rpm image: ## the packages for Debian, for RPM, or the OCI images, in dist/, for amd64 and arm64
	$(GO) run ./contrib/package $@

release: ## all of them, with release notes, SBOMs and SHA256SUMS
	rm -rf dist
	$(GO) run ./contrib/package release

run: build var/greyglass.toml ## the daemon, with a configuration and a memory of its own below var/
	bin/greyglass serve --config var/greyglass.toml

var/greyglass.toml: contrib/try/greyglass.toml
	mkdir -p var
	touch var/blocked_emails.list var/exceptions.list
	cp $< $@

test: ## every test; fetches the mail servers that they need
	$(GO) test -timeout 15m ./...

# TestCacheInterleaved tries millions of orders in one goroutine; the others run one command, or statement, after the other.
race: ## the tests, but those with mail servers, and the program that they drive, under the race detector, which needs a C compiler
	CGO_ENABLED=1 $(GO) test -race -skip '^(TestCacheInterleaved|TestCommandsOfPages|TestTranscripts|TestRulesPage|TestSearch|TestSearchPassesOver)$$' -timeout 25m $$($(GO) list ./... | grep -v /e2e) ./e2e/chaos

# Before Go 1.27 a target sometimes fails at the end of its time for that reason alone
# (golang.org/issue/75804), and without an input.
fuzz: ## each fuzz target for FUZZTIME
	@set -e; said=$$(mktemp); trap 'rm -f "$$said"' EXIT; \
	for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "fuzz $$package $$target"; \
			{ $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$package 2>&1 || \
				echo "$$target has failed"; } | tee "$$said"; \
			if grep -q "^$$target has failed" "$$said"; then \
				grep -qx ' *context deadline exceeded' "$$said" && ! grep -q 'Failing input' "$$said" || exit 1; \
				echo "only its time was up: nothing was found"; \
			fi; \
		done; \
	done

chaos: ## the program under load while everything else fails, for CHAOSTIME
	$(GO) test ./e2e/chaos -count=1 -v -timeout 0 -args -for $(CHAOSTIME) -seed $(CHAOSSEED)

bench: ## the daemon beside a filter that does nothing, with SIZES triplets; the results go to RESULTS
	$(GO) run ./e2e/bench -sizes $(SIZES) -results $(RESULTS) $(BENCHFLAGS)

bench-peers: ## the daemon beside postgrey and sqlgrey, and beside milter-greylist with BENCHFLAGS="-milter-greylist PATH"; needs root on a Debian
	$(GO) run ./e2e/bench -sizes $(SIZES) -blocks policy,milters -results e2e/bench/PEERS.md $(BENCHFLAGS)

senders: ## how long first messages wait, by greyglass and by postgrey, in virtual time; postgrey needs root on a Debian
	$(GO) run ./e2e/senders -results e2e/senders/RESULTS.md $(SENDERSFLAGS)

lint: ## gofmt, vet and staticcheck; and which direct dependencies are behind, which is no failure
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
		if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	@direct=$$($(GO) list -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all) && \
		timeout 30 $(GO) list -m -u -f '{{with .Update}}behind: {{$$.Path}} {{$$.Version}}; there is {{.Version}}{{end}}' $$direct 2>/dev/null || \
		echo "no network: not known which dependencies are behind"

generate: ## the files that are made from the program's own tables
	$(GO) generate ./...

clean:
	rm -rf bin dist var

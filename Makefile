# `make` or `make help` lists the targets. Programs are built without cgo; only the
# race detector needs it.

export CGO_ENABLED = 0

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
BUILD    := go build -buildvcs=false -trimpath
LDFLAGS  := -X main.version=$(VERSION)
PROGRAMS := agent/cmd/sidik-agent hub/cmd/sidik-hub provision/cmd/sidik-provision

.PHONY: help run test race soak emulated check walls cross fuzz bench build dist deps clean

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## hub and a simulated office in one command, data in .run/; Ctrl-C ends it
	@exec bin/sidik-provision simulate office --dir .run

test: deps ## all tests, then the short forms again under the race detector
	go test -timeout 30m ./...
	$(MAKE) --no-print-directory race

race:
	CGO_ENABLED=1 go test -race -short -timeout 30m ./...

soak: deps ## the long forms of the tests: more kills, more crash images, more rounds (hours)
	SIDIK_SOAK=1 go test -count=1 -timeout 6h ./...

# The agent and the contract on other processors, by Debian's qemu-user. Not run there, because
# the emulator neither traces nor makes namespaces, and starts no other program of its kind:
# crash images from traced system calls, the full disk in a namespace, and in the scripts of
# the program whatever follows once it has a buffer to examine by a child of its own ([emulated]);
# and a NATS cluster, which does not run on 32 bits (agents are no brokers).
EMULATED := ./protocol ./protocol/seal ./protocol/trust ./protocol/roster ./protocol/durable ./protocol/phrase ./protocol/zk/... \
	./protocol/mqtt ./agent/...
NOT_EMULATED := TestPowerCutAtAnyWrite|TestFullAndReadOnlyDiskLosesNothing|TestCluster

emulated: ## the tests of agent and contract on emulated 32-bit ARM (v6) and arm64 (long)
	@.ci/deps emulated
	SIDIK_EMULATOR="qemu-arm-static -cpu arm1176" GOARCH=arm GOARM=6 \
		go test -short -timeout 60m -exec "qemu-arm-static -cpu arm1176" -skip '$(NOT_EMULATED)' $(EMULATED)
	SIDIK_EMULATOR="qemu-aarch64-static" GOARCH=arm64 \
		go test -short -timeout 60m -exec qemu-aarch64-static -skip '$(NOT_EMULATED)' $(EMULATED)

check: ## what needs no test run: form, vet, staticcheck, walls, tidiness, platforms, short fuzz
	@echo "gofmt"; bad=$$(gofmt -l *.go agent hub protocol provision systemd); if [ -n "$$bad" ]; then echo "not formatted (gofmt -w FILE): $$bad"; exit 1; fi
	go vet ./...
	go tool -modfile=tools.mod staticcheck ./...
	go mod tidy -diff
	@$(MAKE) --no-print-directory walls cross fuzz FUZZTIME=100000x

walls:
	go test -count=1 -run '^TestWalls|^TestTree' .

cross:
	GOOS=linux GOARCH=amd64 go build ./...
	GOOS=linux GOARCH=arm64 go build ./...
	GOOS=linux GOARCH=arm GOARM=6 go build ./...

# A count and not a time: up to Go 1.26 a time that ends while a worker runs can be
# reported as a failure (golang.org/issue/75804).
FUZZTIME ?= 2000000x
fuzz: ## look for inputs that break a parser, FUZZTIME (2000000x) runs of each fuzz test
	@set -e; found=0; \
	for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u); do \
		names=$$(go test -list '^Fuzz' $$dir); \
		for name in $$(echo "$$names" | grep '^Fuzz'); do \
			found=1; echo "fuzz $$dir $$name $(FUZZTIME)"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1000x $$dir; \
		done; \
	done; \
	if [ $$found = 0 ]; then echo "no fuzz test found: the search in this target is broken"; exit 1; fi

bench: ## measure; the goals are in ARCHITECTURE.md
	go test -run '^$$' -bench . -benchmem -timeout 60m \
		$$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -r -n1 dirname | sort -u)

build: ## bin/sidik-agent, bin/sidik-hub, bin/sidik-provision for this machine
	@mkdir -p bin
	$(BUILD) -ldflags '$(LDFLAGS)' -o bin/ $(addprefix ./,$(PROGRAMS))

# All times in what is built are that of the last commit, so that two runs give the same bytes.
dist: export SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
dist: ## dist/: archives and Debian packages for linux amd64, arm64 and arm (v6, armhf), with SHA256SUMS
	@rm -rf dist && mkdir -p dist
	@set -e; for platform in amd64 arm64 arm; do \
		name=sidik-$(VERSION)-linux-$$platform; mkdir dist/$$name; \
		echo "$$name"; \
		GOOS=linux GOARCH=$$platform GOARM=6 $(BUILD) -ldflags '-s -w $(LDFLAGS)' -o dist/$$name/ $(addprefix ./,$(PROGRAMS)); \
		.ci/package dist/$$name $$platform $(VERSION) dist; \
		cp LICENSE README.md CHANGELOG.md systemd/agent.example.toml dist/$$name/; \
		tar -C dist --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime=@$$SOURCE_DATE_EPOCH \
			-cf - $$name | gzip -9n >dist/$$name.tar.gz; \
		rm -r dist/$$name; \
	done; cd dist && sha256sum *.tar.gz *.deb >SHA256SUMS && cat SHA256SUMS

deps: ## install what tests run against: strace, Mosquitto, PostgreSQL, Chromium, Node.js (Debian), clients (npm)
	@.ci/deps

clean: ## remove what was built; .run/ (the data of make run) stays
	rm -rf bin dist

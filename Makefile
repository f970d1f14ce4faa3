# Every target that a person calls has a line of help after its name; `make`
# alone prints them.

GO       ?= go
BINARY   := vxmesh

# Go stamps the commit into the binary, which is where `vxmesh version` has it from; without a
# repository there is nothing to stamp.
STAMP    := $(shell git rev-parse -q --verify HEAD >/dev/null 2>&1 && echo true || echo false)
VERSION  := $(shell git describe --tags --dirty 2>/dev/null || \
              echo v0.0.0-g$$(git rev-parse --short HEAD 2>/dev/null || echo unknown))
BUILD    := $(GO) build -trimpath -buildvcs=$(STAMP)
# What is built twice comes out the same: the only time in it is that of the commit.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
STRIP    := -ldflags '-s -w -X main.builder=package'

# Stripped, the program has at most so many bytes.
MAXSIZE  := 25000000
SIZED    = size=$$(wc -c <$(1)) && echo "$(1): $$size bytes, at most $(MAXSIZE)" && test $$size -le $(MAXSIZE)
FUZZTIME ?= 10s
SIZES ?= 20,50,100,200
NFPM     := $(GO) run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

# What is supported, and what packages are made for; .goreleaser.yaml has the same (packaging_test.go).
TARGETS  := linux/amd64 linux/arm64 linux/arm linux/riscv64 linux/mipsle windows/amd64 windows/arm64 \
            darwin/amd64 darwin/arm64 freebsd/amd64 freebsd/arm64 openbsd/amd64 openbsd/arm64
MACHINES := amd64 arm64
# The first Raspberry Pi, and routers without a floating-point unit.
export GOARM  := 6
export GOMIPS := softfloat

# All commands compile alike, so that none has to compile again what another has compiled.
export CGO_ENABLED := 0
export GOFLAGS     ?= -trimpath

# The race detector needs a C compiler; everything else is built without one. It watches our code and the libraries, but
# not the arithmetic of the ciphers, on which it would spend two thirds of its time.
RACE := $(shell command -v gcc >/dev/null 2>&1 && \
          echo -race -gcflags=crypto/internal/fips140/...=-race=false -gcflags=golang.org/x/crypto/...=-race=false)
ROOT := $(shell test "$$(id -u)" = 0 && echo yes)

.PHONY: help
help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## show it: two machines behind NATs come together, in one process; no root, no network
	@./$(BINARY) demo

.PHONY: run
run: build ## show it: pings through real VXLAN to the kernel, in throw-away namespaces
	@lab/deps.sh ip ping unshare
	@examples/run.sh ./$(BINARY)

.PHONY: build
build: ## build ./vxmesh
	$(BUILD) -o $(BINARY) ./cmd/vxmesh

.PHONY: test
test: unit $(if $(ROOT),lab,no-lab) ## everything that can run here: unit tests, as root also the lab

# Packages that start no goroutine, nor do their tests: the race detector has nothing to find there, and much to do.
ALONE := ./config ./docs ./internal/genman ./internal/suggest ./nat ./packaging ./tundev/ether ./tundev/offload \
         ./tundev/station ./tunnel/chunk ./tunnel/roster ./tunnel/vxlan ./tunnel/wire ./ui/mirror ./ui/screen ./ui/view
# It watches a few random networks: more of them happen to other events, not to other goroutines. All are run without it,
# and so is what measures memory and sizes, where its own would count.
WATCH  = VXMESH_SEEDS=6 CGO_ENABLED=1 $(GO) test $(RACE) -skip '^TestLayout'
LARGE := Memory|Scale|Towns

.PHONY: unit
unit: ## unit tests (with the race detector where there is a C compiler); no root needed
	$(GO) test -run '^TestLayout' ./cmd/vxmesh
	$(if $(RACE),$(WATCH),$(GO) test) -timeout 20m $(filter-out $(shell $(GO) list $(ALONE)),$(shell $(GO) list ./...))
	$(GO) test $(ALONE)
	$(if $(RACE),$(GO) test -run '$(LARGE)' ./tunnel/bridge ./tunnel)

.PHONY: deps
deps: ## install what the lab and the bench use (Debian, root); nothing when it is all there
	@lab/deps.sh

.PHONY: lab
lab: ## only the lab: real namespaces and the kernel's own vxlan device; root
	$(GO) test -tags lab -count=1 -timeout 15m ./lab/... ./tundev/...

.PHONY: lab-long
lab-long: ## the lab's cases that take as long as keys live (5 min); root
	$(GO) test -tags lab,lablong -count=1 -timeout 15m -run 'Rekey|Suspended' ./lab

.PHONY: natlab
natlab: ## only what finds ways through NATs: all pairs, what happens to them, and the table of docs/nat.md; root
	@log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && \
	{ $(GO) test -tags lab,lablong -count=1 -timeout 60m -v -run NAT ./lab/... 2>&1; echo "exit $$?"; } | \
		tee "$$log" | grep -E '^ *--- |^(ok|FAIL|panic)| p50 '; \
	awk -f lab/nattable.awk "$$log" && grep -q '^exit 0$$' "$$log"

.PHONY: no-lab
no-lab:
	@echo 'The lab was left out: it needs root. Run it with:'
	@echo '  sudo make lab            or            unshare -Urnm make lab'

.PHONY: bench
bench: ## throughput, packet rate and latency against the kernel and other tunnels; root (ARGS=-quick)
	$(GO) run ./bench $(ARGS)

.PHONY: bench-deps
bench-deps: ## install the tunnels that the bench compares with (Debian, root)
	@bench/deps.sh

.PHONY: scale
scale: ## what networks of up to 200 members cost; takes minutes (SIZES=20,50,100,200)
	VXMESH_SCALE=$(SIZES) $(GO) test ./tunnel -run '^TestScale$$' -count=1 -v -timeout 60m

.PHONY: screens
screens: build ## take the pictures of docs/screens anew, from the program's demo; two minutes, needs tmux
	@docs/screens/make.sh ./$(BINARY)

.PHONY: fuzz
fuzz: ## every fuzz target in turn, each for FUZZTIME (10s)
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort | \
	while IFS=: read -r file func; do \
		echo "$$(dirname "$$file") $${func#func }"; \
		$(GO) test -run='^$$' -fuzz="^$${func#func }\$$" -fuzztime=$(FUZZTIME) \
			"$$(dirname "$$file")" </dev/null || exit 1; \
	done

.PHONY: mutate
mutate: ## change every condition of what decides whom to trust and which way to take, and see that a test notices; takes minutes
	$(GO) run ./internal/mutate ./tunnel/session
	$(GO) run ./internal/mutate ./tunnel/roster
	$(GO) run ./internal/mutate ./nat
	$(GO) run ./internal/mutate ./nat/stun

.PHONY: lint
lint: ## formatting, vet, staticcheck, complexity, and the rules of the layout
	@unformatted=$$($(GO) tool gofumpt -l .); test -z "$$unformatted" || \
		{ echo "not formatted (go tool gofumpt -w .):"; echo "$$unformatted"; exit 1; }
	$(GO) vet -tags lab,lablong ./...
	$(GO) tool staticcheck -tags lab,lablong ./...
	$(GO) tool gocognit -over 15 -ignore _test.go .
	$(GO) tool gocognit -over 30 .
	$(GO) test -run '^TestLayout' ./cmd/vxmesh

# What amd64 and vet compile is used again by others; the rest nobody runs here, and it takes a third less without
# optimization and debug tables.
QUICK := -gcflags='all=-N -l -dwarf=false' -ldflags='-s -w'

.PHONY: cross
cross: ## compile for every system and machine that is supported, and vet for every system, and for 32 bits
	@for target in $(TARGETS); do \
		export GOOS=$${target%/*} GOARCH=$${target#*/}; \
		case $$GOARCH in \
		amd64) flags= vet=yes ;; \
		arm) flags="$(QUICK)" vet=yes ;; \
		*) flags="$(QUICK)" vet= ;; \
		esac; \
		echo "$$target"; \
		eval $(GO) build "$$flags" -o /dev/null ./cmd/vxmesh && \
		{ test -z "$$vet" || eval $(GO) vet "$$flags" ./...; } || exit 1; \
	done

.PHONY: wine-deps
wine-deps: ## install what `make wine` uses (Debian, root): 110 MB
	@lab/deps.sh /usr/lib/wine/wine64 x86_64-w64-mingw32-ld tmux

.PHONY: wine
wine: ## run the Windows program under wine: the commands that need no node, and the TUI
	@mkdir -p dist/test
	GOOS=windows GOARCH=amd64 $(BUILD) -o dist/test/$(BINARY).exe ./cmd/vxmesh
	@packaging/test/wine.sh dist/test/$(BINARY).exe

.PHONY: man
man: build ## manual pages and shell completions, into dist/man and dist/completion
	$(GO) run ./internal/genman ./$(BINARY) packaging/man/vxmesh.toml.5 dist/man
	@mkdir -p dist/completion
	@for shell in bash zsh fish powershell; do \
		./$(BINARY) completion $$shell >dist/completion/vxmesh.$$shell || exit 1; \
	done

FORMATS  := deb rpm apk archlinux
TAR      := tar --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner --format=gnu

# An apk has the times of the files that its scripts are from.
.PHONY: scripts
scripts:
	@mkdir -p dist/scripts && cp packaging/scripts/*.sh dist/scripts && touch -d @$(SOURCE_DATE_EPOCH) dist/scripts/*

.PHONY: package
package: ## tar.gz, deb, rpm, apk and Arch's package for Linux, into dist/
	@rm -rf dist && mkdir -p dist
	@$(MAKE) --no-print-directory man scripts
	@for arch in $(MACHINES); do \
		dir=dist/vxmesh-$(VERSION)-linux-$$arch; mkdir -p $$dir; \
		GOOS=linux GOARCH=$$arch $(BUILD) $(STRIP) -o $$dir/$(BINARY) ./cmd/vxmesh && \
		$(call SIZED,$$dir/$(BINARY)) && cp -r LICENSE README.md CHANGELOG.md examples packaging/systemd packaging/openrc packaging/openwrt \
			packaging/wireshark packaging/grafana packaging/prometheus docs/schemas dist/man dist/completion $$dir && \
		$(TAR) -C dist -c $$(basename $$dir) | gzip -n >$$dir.tar.gz && \
		for format in $(FORMATS); do \
			BIN=$$dir/$(BINARY) ARCH=$$arch VERSION=$(VERSION) \
				$(NFPM) package -f packaging/nfpm.yaml -p $$format -t dist || exit 1; \
		done && rm -r $$dir || exit 1; \
	done
	@ls -l dist

.PHONY: package-test
package-test: man scripts ## install, run, upgrade and remove the deb in a throw-away root; the unit, the program's size; root
	@rm -rf dist/test && mkdir -p dist/test
	@GOOS=linux $(BUILD) $(STRIP) -o dist/test/$(BINARY) ./cmd/vxmesh
	@$(call SIZED,dist/test/$(BINARY))
	@for version in 0.0.1 0.0.2; do \
		BIN=dist/test/$(BINARY) ARCH=$$($(GO) env GOARCH) VERSION=$$version \
			$(NFPM) package -f packaging/nfpm.yaml -p deb -t dist/test/$$version.deb || exit 1; \
	done
	@packaging/test/deb.sh dist/test/0.0.1.deb dist/test/0.0.2.deb

.PHONY: reproducible
reproducible: man scripts ## build twice, the second time elsewhere and from nothing, and see that not a byte differs
	@packaging/test/reproducible.sh "$(STRIP)" "$(STAMP)" $(FORMATS) -- $(NFPM)

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BINARY) dist

